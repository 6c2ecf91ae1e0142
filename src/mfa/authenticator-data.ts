import { isFilled } from "./cbor.ts";
import type { Ceremony } from "./client-data.ts";

const flag = { present: 0x01, verified: 0x04, backupEligible: 0x08, backedUp: 0x10, attested: 0x40, extended: 0x80 };
const reserved = 0x22;
const fixedBytes = 37; // hash of the RP ID, flags, counter
const aaguidBytes = 16;

/**
 * Section 6.1, what the key says. UP and UV are required, BS comes with BE, reserved bits are none, and a credential comes
 * when one is made and only then. The library reads past lengths that promise more than there is; here every byte is
 * accounted for.
 */
export function mistakeOfAuthenticator(data: Uint8Array, ceremony: Ceremony): string | undefined {
  const flags = data[32] ?? 0;
  const has = (bits: number): boolean => (flags & bits) !== 0;
  if (!has(flag.present) || !has(flag.verified)) return "the key did not verify you: it needs your PIN or fingerprint";
  const isNew = ceremony === "webauthn.create";
  const isKnown = !has(reserved) && (has(flag.backupEligible) || !has(flag.backedUp)) && has(flag.attested) === isNew;
  const items = Number(isNew) + Number(has(flag.extended)); // the public key, the extensions
  return isKnown && isFilled(data, isNew ? endOfCredentialId(data) : fixedBytes, items)
    ? undefined
    : "what the key said does not hold";
}

/** BE, which a key keeps for life (section 6.1.3). */
export const isBackupEligible = (data: Uint8Array): boolean => ((data[32] ?? 0) & flag.backupEligible) !== 0;

function endOfCredentialId(data: Uint8Array): number {
  const at = fixedBytes + aaguidBytes;
  return at + 2 + (((data[at] ?? 0) << 8) | (data[at + 1] ?? 0));
}
