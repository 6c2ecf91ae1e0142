import { createHash } from "node:crypto";
import type { Authenticator } from "../../src/api/v1alpha1/authenticator.ts";
import type { ElevationPolicy } from "../../src/api/v1alpha1/elevation-policy.ts";

export const meta = { uid: "0123456789", resourceVersion: "", creationTimestamp: "2026-11-24T10:00:00Z" };
export const policy: ElevationPolicy = {
  metadata: { ...meta, name: "debug" },
  spec: {
    roleRef: { kind: "ClusterRole", name: "pod-debugger" },
    namespaceSelector: { matchLabels: { env: "prod" } },
    duration: { default: "30m", max: "1h" },
    authentication: { methods: ["TOTP"], timeout: "5m", totp: { maxDuration: "15m" } },
  },
};
export const codeVerifier = "v";
export const asked = {
  policyName: "debug",
  duration: "30m",
  requester: { username: "alice" },
  codeChallenge: createHash("sha256").update(codeVerifier).digest("base64url"),
};
export const totpOfAlice: Authenticator = {
  metadata: { ...meta, name: "616c696365.totp" },
  spec: {
    owner: { username: "alice" },
    method: "TOTP",
    codeChallenge: createHash("sha256").update("ticket").digest("base64url"),
    invitedBy: "ivy",
    expirationTime: "2026-11-25T10:00:00Z",
  },
};
