import { verifyAuthenticationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";
import { isoCBOR } from "@simplewebauthn/server/helpers";
import type { Denial } from "../domain/reasons.ts";
import type { WebAuthn } from "../flows/ports.ts";
import { isBackupEligible, mistakeOfAuthenticator } from "./authenticator-data.ts";
import { isFilled } from "./cbor.ts";
import { mistakeOfClient } from "./client-data.ts";
import { algorithms, isSignedBy, publicKeyOf } from "./cose.ts";
import { sha256 } from "./digest.ts";

// WebAuthn Level 3, sections 7.1 and 7.2, by @simplewebauthn/server. What is stricter here than there stands here: an
// answer has one spelling, is no frame's, and bears no flag that the specification does not know. Its errors are never
// told: they repeat what was sent.

export const webauthn: WebAuthn = {
  async assert({ challenge, credential, userId }, answer) {
    const { credentialId, publicKey, rpId, origin, backupEligible = false } = credential;
    const { id, rawId = id, response } = answer;
    const { clientDataJSON, authenticatorData, signature, userHandle } = response;
    if (id !== credentialId || rawId !== id) return rejected("another key answered than the one that was asked");
    if (typeof userHandle === "string" && userHandle !== userId)
      return rejected("the key says that it is somebody else's");
    const [data, client] = [bytes(authenticatorData), bytes(clientDataJSON)];
    const mistake =
      mistakeOfClient(clientDataJSON, { type: "webauthn.get", challenge, origins: [origin] }) ??
      mistakeOfAuthenticator(data, "webauthn.get");
    if (mistake !== undefined) return rejected(mistake);
    if (isBackupEligible(data) !== backupEligible) return rejected("the key is not the one that was enrolled");
    const key = publicKeyOf(bytes(publicKey));
    if (key === undefined || ![id, clientDataJSON, authenticatorData, signature].every(isOnlySpelling))
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
        credential: { id, publicKey: Uint8Array.from(bytes(publicKey)), counter: 0 }, // counted by domain/proof
      }),
    );
    const isHeld =
      verified?.verified === true && isSignedBy(key, Buffer.concat([data, sha256(client)]), bytes(signature));
    if (!isHeld) return rejected(notHeld);
    const evidence = { credentialId, publicKey, rpId, origin, authenticatorData, clientDataJSON, signature };
    return { evidence, signCount: verified.authenticationInfo.newCounter };
  },

  async register({ challenge, rpId, origins }, answer) {
    const { id, rawId = id, response } = answer;
    const { clientDataJSON, attestationObject, transports = [] } = response;
    const data = authenticatorDataOf(bytes(attestationObject));
    const mistake =
      mistakeOfClient(clientDataJSON, { type: "webauthn.create", challenge, origins }) ??
      (data && mistakeOfAuthenticator(data, "webauthn.create"));
    if (mistake !== undefined) return rejected(mistake);
    if (data === undefined || rawId !== id || ![id, clientDataJSON, attestationObject].every(isOnlySpelling))
      return rejected(notHeld);
    const verified = await quietly(async () =>
      verifyRegistrationResponse({
        response: {
          id,
          rawId,
          type: "public-key",
          clientExtensionResults: {},
          response: { clientDataJSON, attestationObject: text(unattested(data)) },
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
    const isHeld = credential.id === id && bytes(id).length <= idBytesMax;
    if (!isHeld || publicKeyOf(credential.publicKey) === undefined) return rejected(notHeld);
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
const idBytesMax = 1023; // section 7.1
const rejected = (why: string): Denial => ({ reason: "ProofRejected", message: why });
const text = (given: Uint8Array): string => Buffer.from(given).toString("base64url");
const bytes = (base64url: string): Buffer => Buffer.from(base64url, "base64url");
const isOnlySpelling = (base64url: string): boolean => text(bytes(base64url)) === base64url;

function authenticatorDataOf(attestationObject: Uint8Array): Uint8Array | undefined {
  if (!isFilled(attestationObject, 0, 1)) return undefined;
  const found = isoCBOR.decodeFirst<unknown>(Uint8Array.from(attestationObject));
  const data: unknown = found instanceof Map ? found.get("authData") : undefined;
  return data instanceof Uint8Array ? data : undefined;
}

/**
 * No attestation is asked for, and a browser takes away what comes all the same (section 5.1.3); where it did not, this
 * does. So no certificate that a stranger wrote is parsed, and no address in it is called.
 */
const unattested = (authData: Uint8Array): Uint8Array =>
  isoCBOR.encode(
    new Map<string, string | Uint8Array | Map<string, string>>([
      ["fmt", "none"],
      ["attStmt", new Map<string, string>()],
      ["authData", authData],
    ]),
  );

async function quietly<T>(verify: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verify();
  } catch {
    return undefined;
  }
}
