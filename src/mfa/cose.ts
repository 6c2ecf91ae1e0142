import { createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";
import { isoCBOR } from "@simplewebauthn/server/helpers";
import { isFilled } from "./cbor.ts";

/** COSE: EdDSA, ES256, RS256. The library would offer more than Node and an offline check know. */
export const algorithms: readonly number[] = [-8, -7, -257];

/**
 * A credential's public key (COSE_Key, RFC 9053), where it is a whole one of an algorithm that is taken. No other member may
 * be in it (section 6.5.1.1).
 */
export function publicKeyOf(cose: Uint8Array): KeyObject | undefined {
  if (!isFilled(cose, 0, 1)) return undefined;
  try {
    return read(isoCBOR.decodeFirst<Map<unknown, unknown>>(Uint8Array.from(cose)));
  } catch {
    return undefined; // a point off the curve, or no key at all
  }
}

/** Whether it signed that. ECDSA as DER alone, as openssl has it: who checks without our code sees the same. */
export function isSignedBy(key: KeyObject, signed: Uint8Array, signature: Uint8Array): boolean {
  return verify(key.asymmetricKeyType === "ed25519" ? null : "sha256", signed, key, signature);
}

const rsaBits = { min: 2048, max: 4096 }; // more is slow to check, and too long to be kept
const rsaExponent = "AQAB"; // 65537, as all keys have it: with 1 anybody can sign

function read(cose: ReadonlyMap<unknown, unknown>): KeyObject | undefined {
  const { size } = cose;
  const [kind, algorithm, curve] = [cose.get(1), cose.get(3), cose.get(-1)];
  if (kind === 1 && algorithm === -8 && curve === 6 && size === 4) {
    const x = part(cose, -2, 32);
    return x.every((byte) => byte === 0) ? undefined : imported({ kty: "OKP", crv: "Ed25519", x: text(x) });
  }
  if (kind === 2 && algorithm === -7 && curve === 1 && size === 5)
    return imported({ kty: "EC", crv: "P-256", x: text(part(cose, -2, 32)), y: text(part(cose, -3, 32)) });
  if (kind === 3 && algorithm === -257 && size === 4) {
    const [n, e] = [part(cose, -1), text(part(cose, -2))];
    const key = imported({ kty: "RSA", n: text(n), e });
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    return n[0] !== 0 && e === rsaExponent && bits >= rsaBits.min && bits <= rsaBits.max ? key : undefined;
  }
  return undefined;
}

const imported = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: "jwk" });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

function part(cose: ReadonlyMap<unknown, unknown>, label: number, size?: number): Uint8Array {
  const bytes = cose.get(label);
  if (bytes instanceof Uint8Array && (size === undefined || bytes.length === size)) return bytes;
  throw new Error("a part of the key is missing or has another length");
}
