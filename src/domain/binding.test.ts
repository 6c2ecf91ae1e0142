import { expect, test } from "vitest";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { bindingFor, bindingName, compareBinding, type RoleBinding } from "./binding.ts";
import { parseInstant } from "./time.ts";

const expirationTime = "2026-11-24T10:15:00.000Z";
const roleRef = { kind: "ClusterRole" as const, name: "pod-debugger" };
const request: ElevationRequest = {
  metadata: {
    name: "fix",
    namespace: "shop",
    uid: "01234567-89ab-cdef-0123-456789abcdef",
    resourceVersion: "1",
    creationTimestamp: "2026-11-24T10:00:00Z",
  },
  spec: { policyName: "debug", requester: { username: "alice" } },
  status: {
    phase: "Granting",
    offer: {
      cluster: { name: "c", uid: "c1" },
      roleRef,
      rulesHash: "r1",
      methods: [{ method: "TOTP", duration: "15m" }],
      deadlineTime: "2026-11-24T10:05:00Z",
      authorizedBy: "",
    },
    grant: { bindingName: bindingName({ name: "fix", uid: "01234567-89ab" }), expirationTime },
  },
};
const wanted = bindingFor(request, roleRef, parseInstant(expirationTime));
const meta = { uid: "b1", resourceVersion: "2", creationTimestamp: "2026-11-24T10:01:00Z" };
const found: RoleBinding = { ...wanted, metadata: { ...wanted.metadata, ...meta } };
const withMeta = (changed: object): RoleBinding => ({ ...found, metadata: { ...found.metadata, ...changed } });

test("a binding is named for its request and the beginning of its UID", () => {
  expect(wanted.metadata.name).toBe("elevate:fix:01234567");
});

test("IA06: the one subject is the stamped requester, as a User", () => {
  expect(wanted.subjects).toEqual([{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "alice" }]);
});

test.each<[string, RoleBinding | undefined, string]>([
  ["what was made", found, "ours"],
  ["nothing", undefined, "absent"],
  [
    "one with labels and annotations of others",
    withMeta({
      labels: { ...wanted.metadata.labels, "argocd.argoproj.io/instance": "shop" },
      annotations: { ...wanted.metadata.annotations, note: "seen" },
    }),
    "ours",
  ],
  ["one that is being deleted", withMeta({ deletionTimestamp: "2026-11-24T10:02:00Z" }), "leaving"],
  ["one without our label", withMeta({ labels: {} }), "foreign"],
  ["one with no labels at all", withMeta({ labels: undefined }), "foreign"],
  [
    "a longer one",
    withMeta({
      annotations: { ...wanted.metadata.annotations, "kube-elevate.dev/expiration-time": "2026-11-25T10:15:00Z" },
    }),
    "foreign",
  ],
  [
    "one of another request",
    withMeta({ ownerReferences: [{ ...wanted.metadata.ownerReferences[0], uid: "u2" }] }),
    "foreign",
  ],
  ["one without an owner", withMeta({ ownerReferences: undefined }), "foreign"],
  ["one with a subject more", { ...found, subjects: [...wanted.subjects, ...wanted.subjects] }, "foreign"],
  ["one without subjects", { metadata: found.metadata, roleRef: wanted.roleRef }, "foreign"],
  [
    "one for somebody else",
    { ...found, subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "bob" }] },
    "foreign",
  ],
  ["one of another role", { ...found, roleRef: { ...wanted.roleRef, name: "admin" } }, "foreign"],
])("%s", (_, binding, expected) => {
  expect(compareBinding(binding, request)).toBe(expected);
});

test("a binding before the promise is foreign, and so is one without its request", () => {
  const { grant: _, ...status } = request.status ?? {};
  expect(compareBinding(found, { ...request, status })).toBe("foreign");
  expect(compareBinding(found, undefined)).toBe("foreign");
});
