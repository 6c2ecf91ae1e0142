import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import type { KeyMaker } from "../flows/ports.ts";

const seedKeyBytes = 32;

/** Makes the keys of the verifier and reads them again, as the texts that are kept in the Secret. */
export const keyMaker: KeyMaker = {
  sealKey: () => String(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" })),
  seedKey: () => randomBytes(seedKeyBytes).toString("base64url"),
  async endpoint(hosts, now) {
    const { selfSigned } = await import("./certificate.ts"); // its engine is heavy, and used once in a cluster's life
    return selfSigned(hosts, now);
  },
  publicSealKey(sealKey) {
    const key = privateKeyOf(sealKey);
    if (key?.asymmetricKeyType !== "ed25519") throw new Error("a seal key is an Ed25519 key, in PEM");
    return String(createPublicKey(key).export({ type: "spki", format: "pem" }));
  },
  checkSeedKey(seedKey) {
    const bytes = Buffer.from(seedKey, "base64url");
    if (bytes.length !== seedKeyBytes || bytes.toString("base64url") !== seedKey)
      throw new Error(`a seed key is ${String(seedKeyBytes)} bytes in base64url`);
  },
  serves({ key, certificate }, host) {
    const leaf = new X509Certificate(certificate);
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("this certificate is not of this key");
    return (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined;
  },
};

function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
