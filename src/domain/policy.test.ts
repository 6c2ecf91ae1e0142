import { expect, test } from "vitest";
import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type GateFacts, judge, refusesKey, selects } from "./policy.ts";

const meta = { uid: "u1", resourceVersion: "1", creationTimestamp: "2026-11-24T10:00:00Z" };
const request: ElevationRequest = {
  metadata: { ...meta, name: "fix", namespace: "shop" },
  spec: { policyName: "debug", requester: { username: "alice" } },
};
const policy: ElevationPolicy = {
  metadata: { ...meta, name: "debug" },
  spec: {
    roleRef: { kind: "ClusterRole", name: "pod-debugger" },
    namespaceSelector: { matchLabels: { env: "prod" } },
    duration: { default: "30m", max: "1h" },
    authentication: { methods: ["WebAuthn", "TOTP"] },
  },
};
const facts: GateFacts = {
  policy,
  namespaceLabels: { env: "prod" },
  use: { allowed: true, reason: "by RoleBinding oncall" },
  rulesHash: "r1",
  authenticator: undefined,
  entry: { clockOffMs: 0, admission: undefined, rehearsal: undefined },
};
const unprotected = {
  clockOffMs: 0,
  admission: { reason: "AdmissionUnprotected", message: "a wall is down" },
  rehearsal: undefined,
} as const;
const word = (changed: Partial<GateFacts>, asked: Partial<ElevationRequest["spec"]> = {}, namespace = "shop") => {
  const gates = judge(
    { ...request, metadata: { ...request.metadata, namespace }, spec: { ...request.spec, ...asked } },
    { ...facts, ...changed },
  );
  return gates.open ? "open" : gates.denial.reason;
};
const withSpec = (changed: Partial<ElevationPolicy["spec"]>): Partial<GateFacts> => ({
  policy: { ...policy, spec: { ...policy.spec, ...changed } },
});

test("TO15: what is offered is the policy's, TOTP capped at 15m where the policy is silent", () => {
  expect(judge(request, facts)).toEqual({
    open: true,
    authorizedBy: "by RoleBinding oncall",
    timeoutMs: 300_000,
    terms: {
      roleRef: policy.spec.roleRef,
      rulesHash: "r1",
      methods: [
        { method: "WebAuthn", duration: "30m" },
        { method: "TOTP", duration: "15m" },
      ],
    },
  });
  const longer = withSpec({ authentication: { methods: ["TOTP"], totp: { maxDuration: "45m" } } });
  expect(judge(request, { ...facts, ...longer })).toMatchObject({
    terms: { methods: [{ method: "TOTP", duration: "30m" }] },
  });
});

test.each([
  ["PolicyNotFound", { policy: undefined }],
  ["NamespaceNotSelected", { namespaceLabels: { env: "test" } }],
  ["NamespaceNotSelected", { namespaceLabels: undefined }],
  ["UseNotPermitted", { use: { allowed: false, reason: "" } }],
  ["RoleNotFound", { rulesHash: undefined }],
  ["ClockSkewed", { entry: { clockOffMs: 5_001, admission: undefined, rehearsal: undefined } }],
  ["ClockSkewed", { entry: { clockOffMs: -5_001, admission: undefined, rehearsal: undefined } }],
  ["open", { entry: { clockOffMs: 5_000, admission: undefined, rehearsal: undefined } }],
  ["open", { entry: { clockOffMs: -5_000, admission: undefined, rehearsal: undefined } }],
  [
    "BindNotPermitted",
    { entry: { clockOffMs: 0, admission: undefined, rehearsal: { reason: "BindNotPermitted", message: "" } } },
  ],
  ["AdmissionUnprotected", { entry: unprotected }],
  ["AdmissionUnprotected", { entry: unprotected, policy: undefined }], // it says most: before what the rest would say
  ["ClockSkewed", { entry: { ...unprotected, clockOffMs: 5_001 } }],
  ["open", { entry: undefined }],
] as const)("%s by %j", (expected, changed) => {
  expect(word(changed)).toBe(expected);
});

test("IA21: a duration is held to the policy's maximum and to a day, and one that cannot be read is too long", () => {
  expect(word({}, { duration: "1h" })).toBe("open");
  expect(word({}, { duration: "61m" })).toBe("DurationTooLong");
  expect(word({}, { duration: "soon" })).toBe("DurationTooLong");
  const wide = withSpec({ duration: { default: "30m", max: "48h" } });
  expect(word(wide, { duration: "24h" })).toBe("open");
  expect(word(wide, { duration: "24h1s" })).toBe("DurationTooLong");
  expect(word(withSpec({ duration: { default: "30m", max: "" } }))).toBe("DurationTooLong");
});

test("IA17: no policy reaches the namespaces of the system, or ours", () => {
  expect(word({}, {}, "kube-system")).toBe("NamespaceNotAllowed");
  expect(word({}, {}, "elevate-system")).toBe("NamespaceNotAllowed");
  expect(word({}, {}, "kubeless")).toBe("open");
});

test("the authenticator that proved must still be held, by UID", () => {
  const verification = {
    method: "TOTP" as const,
    authenticator: "616c696365.totp",
    authenticatorUID: "a1",
    verificationTime: "2026-11-24T10:01:00Z",
    keyID: "k1",
    seal: "s",
  };
  const proven: ElevationRequest = { ...request, status: { phase: "Granting", verification } };
  const held = {
    metadata: { ...meta, name: "616c696365.totp", uid: "a1" },
    spec: {
      owner: { username: "alice" },
      method: "TOTP" as const,
      codeChallenge: "",
      expirationTime: "2026-11-25T10:00:00Z",
    },
    status: { phase: "Active" as const },
  };
  const reason = (authenticator: GateFacts["authenticator"]) => {
    const gates = judge(proven, { ...facts, authenticator });
    return gates.open ? "open" : gates.denial.reason;
  };
  expect(reason(held)).toBe("open");
  expect(reason(undefined)).toBe("AuthenticatorWithdrawn");
  expect(reason({ ...held, metadata: { ...held.metadata, uid: "a2" } })).toBe("AuthenticatorWithdrawn");
  expect(reason({ ...held, spec: { ...held.spec, disabled: true } })).toBe("AuthenticatorWithdrawn");
  expect(reason({ ...held, status: { phase: "Pending" } })).toBe("AuthenticatorWithdrawn");
});

test.each([
  [{ matchLabels: {} }, true],
  [{ matchLabels: { env: "prod" } }, true],
  [{ matchLabels: { env: "prod", team: "a" } }, false],
  [{ matchExpressions: [{ key: "env", operator: "In", values: ["test", "prod"] }] }, true],
  [{ matchExpressions: [{ key: "env", operator: "In", values: ["test"] }] }, false],
  [{ matchExpressions: [{ key: "team", operator: "In", values: ["a"] }] }, false],
  [{ matchExpressions: [{ key: "env", operator: "NotIn", values: ["test"] }] }, true],
  [{ matchExpressions: [{ key: "env", operator: "NotIn", values: ["prod"] }] }, false],
  [{ matchExpressions: [{ key: "team", operator: "NotIn", values: ["a"] }] }, true],
  [{ matchExpressions: [{ key: "env", operator: "Exists" }] }, true],
  [{ matchExpressions: [{ key: "team", operator: "Exists" }] }, false],
  [{ matchExpressions: [{ key: "constructor", operator: "Exists" }] }, false],
  [{ matchExpressions: [{ key: "team", operator: "DoesNotExist" }] }, true],
  [{ matchExpressions: [{ key: "env", operator: "DoesNotExist" }] }, false],
  [{ matchLabels: { env: "prod" }, matchExpressions: [{ key: "team", operator: "Exists" }] }, false],
] as const)("the selector %j on env=prod: %s", (selector, expected) => {
  expect(selects(selector, { env: "prod" })).toBe(expected);
});

const refusalOfKey = (
  webauthn: ElevationPolicy["spec"]["authentication"]["webauthn"],
  key: Parameters<typeof refusesKey>[1],
) =>
  refusesKey({ ...policy, spec: { ...policy.spec, authentication: { methods: ["WebAuthn"], webauthn } } }, key)?.reason;

test("a policy names the keys that it takes: copied between devices or not, and of which models", () => {
  const model = "ee882879-721c-4913-9775-3dfcce97072a";
  const synced = { aaguid: model, backupEligible: true };
  expect(refusalOfKey(undefined, synced)).toBeUndefined();
  expect(refusalOfKey({ allowSynced: true }, synced)).toBeUndefined();
  expect(refusalOfKey({ allowSynced: false }, synced)).toBe("MethodNotAllowed");
  expect(refusalOfKey({ allowSynced: false }, { ...synced, backupEligible: false })).toBeUndefined();
  expect(refusalOfKey({ aaguids: [model] }, synced)).toBeUndefined();
  expect(refusalOfKey({ aaguids: [] }, synced)).toBeUndefined();
  expect(refusalOfKey({ aaguids: [model] }, { ...synced, aaguid: "00000000-0000-0000-0000-000000000000" })).toBe(
    "MethodNotAllowed",
  );
  expect(refusalOfKey({ aaguids: [model] }, {})).toBe("MethodNotAllowed");
});
