import { verifyAuthenticationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";
import type { Denial } from "../domain/reasons.ts";
import type { WebAuthn } from "../flows/ports.ts";
import { algorithms, publicKeyOf } from "./cose.ts";

// WebAuthn Level 3, sections 7.1 and 7.2, by @simplewebauthn/server. What is stricter here than there stands here: an
// answer has one spelling, is no frame's, and bears no flag that the specification does not know. Its errors are never
// told: they repeat what was sent.

export const webauthn: WebAuthn = {
  async assert({ challenge, credential, userId }, answer) {
    const { credentialId, publicKey, rpId, origin, backupEligible } = credential;
    const { id, rawId = id, response } = answer;
    const { clientDataJSON, authenticatorData, signature, userHandle } = response;
    if (id !== credentialId || rawId !== id) return rejected("it is another key than this one");
    if (userHandle !== undefined && userHandle !== null && userHandle !== userId)
      return rejected("the key says that it is somebody else's");
    const texts = [id, clientDataJSON, authenticatorData, signature];
    const mistake =
      mistakeOfClient(clientDataJSON, "webauthn.get", challenge, [origin]) ??
      mistakeOfFlags(Buffer.from(authenticatorData, "base64url")[32], backupEligible);
    if (mistake !== undefined) return rejected(mistake);
    if (!texts.every(isCanonical) || publicKeyOf(Buffer.from(publicKey, "base64url")) === undefined)
      return rejected(notHeld);
    const verified = await quietly(async () =>
      verifyAuthenticationResponse({
        response: {
          id,
          rawId,
          type: "public-key",
          clientExtensionResults: {},
          response: { clientDataJSON, authenticatorData, signature },
        },
        expectedChallenge: text(challenge),
        expectedOrigin: origin,
        expectedRPID: rpId,
        requireUserVerification: true,
        credential: { id, publicKey: Uint8Array.from(Buffer.from(publicKey, "base64url")), counter: 0 }, // counted by domain/proof
      }),
    );
    if (verified?.verified !== true) return rejected(notHeld);
    const evidence = { credentialId, publicKey, rpId, origin, authenticatorData, clientDataJSON, signature };
    return { evidence, signCount: verified.authenticationInfo.newCounter };
  },

  async register({ challenge, rpId, origins }, answer) {
    const { id, rawId = id, response } = answer;
    const { clientDataJSON, attestationObject, transports = [] } = response;
    const mistake = mistakeOfClient(clientDataJSON, "webauthn.create", challenge, origins);
    if (mistake !== undefined) return rejected(mistake);
    if (rawId !== id || ![id, clientDataJSON, attestationObject].every(isCanonical)) return rejected(notHeld);
    const verified = await quietly(async () =>
      verifyRegistrationResponse({
        response: {
          id,
          rawId,
          type: "public-key",
          clientExtensionResults: {},
          response: { clientDataJSON, attestationObject },
        },
        expectedChallenge: text(challenge),
        expectedOrigin: [...origins],
        expectedRPID: rpId,
        requireUserVerification: true,
        supportedAlgorithmIDs: [...algorithms],
      }),
    );
    if (verified?.verified !== true) return rejected(notHeld);
    const { credential, aaguid, credentialDeviceType, origin } = verified.registrationInfo;
    if (credential.id !== id || publicKeyOf(credential.publicKey) === undefined) return rejected(notHeld);
    return {
      credentialId: credential.id,
      publicKey: text(credential.publicKey),
      signCount: credential.counter,
      aaguid,
      transports: [...new Set(transports)],
      backupEligible: credentialDeviceType === "multiDevice",
      rpId,
      origin,
    };
  },
};

const notHeld = "the key's answer does not hold";
const rejected = (why: string): Denial => ({ reason: "ProofRejected", message: why });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const isCanonical = (base64url: string): boolean => text(Buffer.from(base64url, "base64url")) === base64url;

async function quietly<T>(verify: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verify();
  } catch {
    return undefined;
  }
}

/**
 * Section 5.8.1.1 says byte by byte how a browser writes it; what comes after the four members is plain JSON. So whoever
 * compares bytes (section 5.8.1.2, the limited verification) and whoever parses see the same, and no member comes twice.
 */
function mistakeOfClient(
  clientDataJSON: string,
  type: string,
  challenge: Uint8Array,
  origins: readonly string[],
): string | undefined {
  const bytes = Buffer.from(clientDataJSON, "base64url");
  const said = bytes.toString("utf8");
  const parsed = parse(said);
  if (parsed === undefined || JSON.stringify(parsed) !== said || !Buffer.from(said).equals(bytes)) return notHeld;
  if (parsed["type"] !== type) return notHeld;
  if (parsed["challenge"] !== text(challenge)) return "the key was asked about something else";
  const { origin } = parsed;
  if (typeof origin !== "string" || !origins.includes(origin))
    return "the key was used at another page than the one it is enrolled at";
  if (parsed["crossOrigin"] !== false || parsed["topOrigin"] !== undefined)
    return "the key was used inside of another page";
  const written = `{"type":${JSON.stringify(type)},"challenge":"${text(challenge)}","origin":${JSON.stringify(origin)},"crossOrigin":false`;
  return said.startsWith(written) ? undefined : notHeld;
}

function parse(said: string): { readonly [member: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(said);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const flag = { present: 0x01, verified: 0x04, backupEligible: 0x08, backedUp: 0x10, reserved: 0x22 } as const;

/** Section 6.1 */
function mistakeOfFlags(flags = 0, backupEligible: boolean | undefined): string | undefined {
  const has = (bits: number): boolean => (flags & bits) !== 0;
  if (!has(flag.present) || !has(flag.verified)) return "the key did not verify you: it needs your PIN or fingerprint";
  if (has(flag.reserved) || (has(flag.backedUp) && !has(flag.backupEligible))) return notHeld;
  return has(flag.backupEligible) === (backupEligible === true) ? undefined : notHeld;
}
