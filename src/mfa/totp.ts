import { hkdfSync } from "node:crypto";
import { ScureBase32Plugin, verifySync } from "otplib";
import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Totp } from "../flows/ports.ts";

// RFC 6238 with SHA-1, 6 digits, 30 s: what every authenticator app takes without being told. A seed is derived from one
// key of ours each time it is needed and stored nowhere.

const periodSeconds = 30;
const infoLabel = "kube-elevate/v1/totp";
const seedBytes = 20; // RFC 4226 section 4, R6: at least 16, 20 recommended

type Settings = {
  /** 32 bytes in base64url each, by id. */
  readonly seedKeys: ReadonlyMap<string, string>;
  /** What the app shows above the code: the name of the cluster. */
  readonly issuer: string;
};

export function totp({ seedKeys, issuer }: Settings): Totp {
  const seedOf = (authenticator: Authenticator): Uint8Array => {
    const keyID = authenticator.status?.keyID ?? "";
    const seedKey = seedKeys.get(keyID);
    if (seedKey === undefined) throw new Error(`there is no seed key ${keyID} for ${authenticator.metadata.name}`);
    return deriveSeed(Buffer.from(seedKey, "base64url"), authenticator);
  };
  return {
    matches: (authenticator, code, now) => matchedStep(seedOf(authenticator), code, Math.floor(now / 1000)),
    enrollment(authenticator) {
      const secret = new ScureBase32Plugin().encode(seedOf(authenticator), { padding: false });
      return { secret, uri: otpauthUri(issuer, authenticator.spec.owner.username, secret) };
    },
  };
}

/**
 * HKDF-SHA256 (RFC 5869) without salt; info is the label, then the authenticator's UID and its owner, each behind its
 * length: another authenticator of the same person has another seed.
 */
export function deriveSeed(seedKey: Uint8Array, { metadata, spec }: Authenticator): Uint8Array {
  const info = Buffer.concat([Buffer.from(infoLabel), ...[metadata.uid, spec.owner.username].flatMap(lengthPrefixed)]);
  return new Uint8Array(hkdfSync("sha256", seedKey, new Uint8Array(0), info, seedBytes));
}

function lengthPrefixed(text: string): readonly [Buffer, Buffer] {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

/** Which step, of T and T-1, the code is of. The step before makes up for the way here and for slow fingers. */
export function matchedStep(seed: Uint8Array, code: string, epochSeconds: number): number | undefined {
  if (!/^[0-9]{6}$/.test(code)) return undefined; // the engine throws at what is no code
  const found = verifySync({
    secret: seed,
    token: code,
    epoch: epochSeconds,
    epochTolerance: [periodSeconds, 0],
    period: periodSeconds,
    digits: 6,
    algorithm: "sha1",
    strategy: "totp",
  });
  return found.valid && "timeStep" in found ? found.timeStep : undefined;
}

/** Key URI format of the apps. A colon parts issuer and user, so one inside of either is escaped, which otplib leaves. */
function otpauthUri(issuer: string, user: string, secret: string): string {
  const [name, label] = [issuer, user].map(encodeURIComponent);
  return `otpauth://totp/${name ?? ""}:${label ?? ""}?secret=${secret}&issuer=${name ?? ""}`;
}
