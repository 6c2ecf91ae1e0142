import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { isoCBOR } from "@simplewebauthn/server/helpers";

/** COSE: EdDSA, ES256, RS256. The library would offer more than Node and an offline check know. */
export const algorithms: readonly number[] = [-8, -7, -257];

const rsaBitsMin = 2048;

/** A credential's public key (COSE_Key, RFC 9053), where it is a whole one of an algorithm that is taken. */
export function publicKeyOf(cose: Uint8Array): KeyObject | undefined {
  try {
    const key = read(isoCBOR.decodeFirst<Map<unknown, unknown>>(Uint8Array.from(cose)));
    const { modulusLength = rsaBitsMin } = key?.asymmetricKeyDetails ?? {};
    return modulusLength < rsaBitsMin ? undefined : key;
  } catch {
    return undefined; // a point off the curve, or no COSE at all
  }
}

function read(cose: ReadonlyMap<unknown, unknown>): KeyObject | undefined {
  const [kind, algorithm] = [cose.get(1), cose.get(3)];
  if (kind === 1 && algorithm === -8 && cose.get(-1) === 6) {
    const x = part(cose, -2, 32);
    return x.every((byte) => byte === 0) ? undefined : imported({ kty: "OKP", crv: "Ed25519", x: text(x) });
  }
  if (kind === 2 && algorithm === -7 && cose.get(-1) === 1)
    return imported({ kty: "EC", crv: "P-256", x: text(part(cose, -2, 32)), y: text(part(cose, -3, 32)) });
  if (kind === 3 && algorithm === -257)
    return imported({ kty: "RSA", n: text(part(cose, -1)), e: text(part(cose, -2)) });
  return undefined;
}

const imported = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: "jwk" });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

function part(cose: ReadonlyMap<unknown, unknown>, label: number, size?: number): Uint8Array {
  const bytes = cose.get(label);
  if (bytes instanceof Uint8Array && (size === undefined || bytes.length === size)) return bytes;
  throw new Error("a part of the key is missing or has another length");
}
