import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { SealChecker, Sealer } from "../flows/ports.ts";

// Ed25519 (RFC 8032) over the preimages of domain/challenge.ts. The newest key signs, all that are listed verify.

/** Public keys (SPKI PEM) by id. A key or seal that cannot be read holds nothing; none of them throws. */
export function sealChecker(publicKeys: ReadonlyMap<string, string>): SealChecker {
  const keys = new Map([...publicKeys].map(([id, pem]) => [id, readable(() => createPublicKey(pem))]));
  return { holds: (keyID, seal, preimage) => holds(keys.get(keyID), seal, preimage) };
}

/** Private keys (PKCS #8 PEM) by id; throws where one cannot be read. */
export function sealer(privateKeys: ReadonlyMap<string, string>): Sealer {
  const keys = new Map<string, KeyObject>();
  for (const [id, pem] of privateKeys) {
    const key = readable(() => createPrivateKey(pem));
    if (key?.asymmetricKeyType !== "ed25519") throw new Error(`seal key ${id} cannot be read`);
    keys.set(id, key);
  }
  const publicKeys = new Map([...keys].map(([id, key]) => [id, createPublicKey(key)]));
  const newestKeyID = [...keys.keys()].toSorted().at(-1);
  if (newestKeyID === undefined) throw new Error("there is no seal key");
  return {
    newestKeyID,
    seal(keyID, preimage) {
      const key = keys.get(keyID);
      if (key === undefined) throw new Error(`there is no seal key ${keyID}`);
      return sign(null, preimage, key).toString("base64url");
    },
    holds: (keyID, seal, preimage) => holds(publicKeys.get(keyID), seal, preimage),
  };
}

function holds(key: KeyObject | undefined, seal: string, preimage: Uint8Array): boolean {
  if (key?.asymmetricKeyType !== "ed25519") return false;
  const signature = Buffer.from(seal, "base64url");
  if (signature.toString("base64url") !== seal) return false; // one seal has one spelling
  return verify(null, preimage, key, signature);
}

function readable(read: () => KeyObject): KeyObject | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
