import type { RequestOptions } from "../api/v1alpha1/webauthn.ts";
import type { Credential, WebAuthnOptions } from "../flows/ports.ts";
import { algorithms } from "./cose.ts";

/** The forms that a browser parses (WebAuthn Level 3, parseCreationOptionsFromJSON and parseRequestOptionsFromJSON). */
export const webauthnOptions: WebAuthnOptions = {
  userIdOf: ({ metadata }) => text(Buffer.from(metadata.uid)),
  request: ({ challenge, rpId }, allowed) => ({
    challenge: text(challenge),
    rpId,
    allowCredentials: allowed.map(descriptor),
    userVerification: "required",
  }),
  creation: ({ challenge, rpId, rpName }, { authenticator, excluded }) => {
    const { username } = authenticator.spec.owner;
    return {
      challenge: text(challenge),
      rp: { id: rpId, name: rpName },
      user: { id: webauthnOptions.userIdOf(authenticator), name: username, displayName: username },
      pubKeyCredParams: algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: excluded.map(descriptor),
      // the object knows which keys there are, so none needs to be found on the device
      authenticatorSelection: { residentKey: "discouraged", userVerification: "required" },
      attestation: "none",
    };
  },
};

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

const descriptor = ({ credentialId, transports }: Credential): RequestOptions["allowCredentials"][number] => ({
  id: credentialId,
  type: "public-key",
  ...(transports !== undefined && { transports }),
});
