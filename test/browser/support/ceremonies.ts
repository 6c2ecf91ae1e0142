import { createHash, randomBytes } from "node:crypto";
import type { AssertCeremony, ConfirmCeremony, EnrollCeremony } from "../../../src/api/v1alpha1/ceremony.ts";
import type { RequestOptions } from "../../../src/api/v1alpha1/webauthn.ts";
import { challengePreimage, enrollmentPreimage } from "../../../src/domain/challenge.ts";

// What the plugin asks of the page, for a person with long names.

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const challengeOf = (preimage: Uint8Array): string => createHash("sha256").update(preimage).digest("base64url");
const state = (): string => text(randomBytes(16));
const username = "oidc:alice@example.com";
const cluster = { name: "prod-eu", uid: "c-1" };
const rpId = "localhost";

type Known = readonly string[];
const options = (challenge: string, credentialIds: Known): RequestOptions => ({
  challenge,
  rpId,
  allowCredentials: credentialIds.map((id) => ({ id, type: "public-key", transports: ["internal"] })),
  userVerification: "required",
});

/** Proves a request, by one of these credentials. */
export function requestCeremony(credentialIds: Known, changed: Partial<AssertCeremony> = {}): AssertCeremony {
  const metadata = { uid: "u-1", namespace: "payments", name: "payments-debug-7k2mx" };
  const spec = {
    policyName: "payments-debug",
    duration: "30m",
    justification: "INC-4312 checkout pods crash-looping",
    requester: { username, uid: "a", groups: ["devs"] },
  };
  const offer = {
    cluster,
    roleRef: { kind: "ClusterRole" as const, name: "pod-debugger" },
    rulesHash: "h",
    methods: [{ method: "WebAuthn" as const, duration: "30m" }],
    deadlineTime: new Date(Date.now() + 300_000).toISOString(),
    authorizedBy: "RBAC",
  };
  const given = { kind: "assert" as const, state: state(), request: { metadata, spec }, offer, ...changed };
  const challenge = challengeOf(challengePreimage(given.request, given.offer));
  return { options: options(challenge, credentialIds), ...given };
}

/** Enrolls a key; with `existing`, after one of these has confirmed it. */
export function enrollCeremony(existing?: Known, changed: Partial<EnrollCeremony> = {}): EnrollCeremony {
  const authenticator = authenticatorOf("WebAuthn");
  const challenge = challengeOf(enrollmentPreimage(cluster.uid, authenticator));
  return {
    kind: "enroll",
    state: state(),
    cluster,
    authenticator,
    options: {
      challenge,
      rp: { id: rpId, name: "kube-elevate prod-eu" },
      user: { id: text(randomBytes(16)), name: username, displayName: username },
      pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: [],
      authenticatorSelection: { residentKey: "discouraged", userVerification: "required" },
      attestation: "none",
    },
    ...(existing !== undefined && { existing: options(challenge, existing) }),
    ...changed,
  };
}

/** Confirms an authenticator app by one of these. */
export function confirmCeremony(existing: Known): ConfirmCeremony {
  const authenticator = authenticatorOf("TOTP");
  const challenge = challengeOf(enrollmentPreimage(cluster.uid, authenticator));
  return { kind: "confirm", state: state(), cluster, authenticator, existing: options(challenge, existing) };
}

function authenticatorOf<M extends "WebAuthn" | "TOTP">(method: M) {
  const slot = method === "TOTP" ? "totp" : "key-2";
  const name = `${Buffer.from(username).toString("hex")}.${slot}`;
  return { metadata: { uid: "k-2", name }, spec: { owner: { username }, method } };
}
