import { generateKeyPairSync } from "node:crypto";
import type { ElevationRequest, Verification } from "../../src/api/v1alpha1/elevation-request.ts";
import { challengePreimage, sealPreimage } from "../../src/domain/challenge.ts";
import { sha256 } from "../../src/mfa/digest.ts";
import { sealer } from "../../src/mfa/seals.ts";
import { webauthnOptions } from "../../src/mfa/webauthn-options.ts";
import { type Algorithm, type Said, securityKey } from "../fakes/security-key.ts";

const origin = "https://elevate.example.com";
const rpId = "elevate.example.com";
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
export const sealKeys = new Map([["k1", publicKey.export({ type: "spki", format: "pem" }).toString()]]);

const offer = {
  cluster: { name: "prod-eu", uid: "0b7e6e5c-3f0a-4d3e-9a52-6f7a1c2d3e4f" },
  roleRef: { kind: "ClusterRole" as const, name: "pod-debugger" },
  rulesHash: "Jd8ABbE3EK0BTIyPxbm2ZTnNfNI-zRpvlVVoSwhfzBk",
  methods: [
    { method: "WebAuthn" as const, duration: "30m" },
    { method: "TOTP" as const, duration: "15m" },
  ],
  deadlineTime: "2026-11-24T10:05:00.000Z",
  authorizedBy: 'RBAC: allowed by RoleBinding "oncall/payments"',
};
const metadata = {
  name: "payments-debug-7k2mx",
  namespace: "payments",
  uid: "5f1c1a9e-8d2b-4c57-b1de-1b6f0a9c7e21",
  resourceVersion: "7",
  creationTimestamp: "2026-11-24T10:00:00Z",
};
const spec = {
  policyName: "payments-debug",
  duration: "30m",
  justification: "INC-4312 Pods stürzen ab €🔥",
  requester: { username: "oidc:alice@example.com", uid: "u-1", groups: ["devs", "system:authenticated"] },
};

/** A record as the verifier and the controller leave it, proven by a key in software, under a seal. */
export function recordBy(
  algorithm: Algorithm = "ES256",
  said: Said = {},
): ElevationRequest & { readonly kind: string } {
  const key = securityKey({ origin, algorithm });
  const asked = { metadata, spec };
  const credential = { credentialId: text(key.credentialId), publicKey: text(key.publicKey), rpId, origin };
  const options = webauthnOptions.request({ challenge: sha256(challengePreimage(asked, offer)), rpId }, [credential]);
  const { authenticatorData, clientDataJSON, signature } = key.get(options, said).response;
  return sealed({
    method: "WebAuthn",
    webauthn: { ...credential, authenticatorData, clientDataJSON, signature },
    authenticator: "616c696365.key-1",
  });
}

/** The same by a code. */
export const recordByCode = (): ReturnType<typeof recordBy> =>
  sealed({ method: "TOTP", timeStep: 59_850_483, authenticator: "616c696365.totp" });

function sealed(proof: Pick<Verification, "method" | "webauthn" | "timeStep" | "authenticator">) {
  const unsealed = { ...proof, authenticatorUID: "a-1", verificationTime: "2026-11-24T10:01:30.250Z", keyID: "k1" };
  const seal = sealer(new Map([["k1", pem]])).seal("k1", sealPreimage(sha256, { metadata, spec }, offer, unsealed));
  const lasts = proof.method === "TOTP" ? "2026-11-24T10:16:30.250Z" : "2026-11-24T10:31:30.250Z";
  const status = {
    phase: "Expired" as const,
    reason: "Expired",
    endTime: lasts,
    offer,
    verification: { ...unsealed, seal },
    grant: {
      bindingName: "elevate:payments-debug-7k2mx:5f1c1a9e",
      expirationTime: lasts,
      grantTime: "2026-11-24T10:01:30.300Z",
    },
  };
  return { apiVersion: "kube-elevate.dev/v1alpha1", kind: "ElevationRequest", metadata, spec, status };
}
