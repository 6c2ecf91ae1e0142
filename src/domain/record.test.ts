import { expect, test } from "vitest";
import type { ElevationRequest, Status } from "../api/v1alpha1/elevation-request.ts";
import { recordedOf } from "./record.ts";
import { parseInstant } from "./time.ts";

const verification = {
  method: "TOTP" as const,
  authenticator: "616c696365.totp",
  authenticatorUID: "a1",
  verificationTime: "2026-11-24T10:01:00.000Z",
  keyID: "k1",
  seal: "s",
  timeStep: 5,
};
const offer = {
  cluster: { name: "c", uid: "c1" },
  roleRef: { kind: "ClusterRole" as const, name: "pod-debugger" },
  rulesHash: "r1",
  methods: [{ method: "TOTP" as const, duration: "15m" }],
  deadlineTime: "2026-11-24T10:05:00.000Z",
  authorizedBy: "",
};
const pending: Status = { phase: "Pending", offer, verification };
const request = (status: Status, changed: Partial<ElevationRequest> = {}): ElevationRequest => ({
  metadata: { name: "fix", namespace: "shop", uid: "u1", resourceVersion: "1", creationTimestamp: "" },
  spec: { policyName: "debug", requester: { username: "alice" } },
  status,
  ...changed,
});
const proofOf = (status: Status, sealHolds = true) => {
  const recorded = recordedOf(request(status), sealHolds);
  return "proof" in recorded ? recorded.proof : undefined;
};
const broken = { seal: "broken" };

test("a proof under a seal that holds lasts what its own method was offered for, from its verification on", () => {
  const good = {
    seal: "good",
    at: parseInstant("2026-11-24T10:01:00Z"),
    until: parseInstant("2026-11-24T10:16:00Z"),
    terms: offer,
  };
  expect(proofOf(pending)).toEqual(good);
  const grant = { bindingName: "b", expirationTime: "2026-11-24T10:16:00.000Z" };
  expect(proofOf({ ...pending, phase: "Granting", grant })).toEqual(good);
});

test("TA01: a proof whose seal does not hold is broken, whatever the phase", () => {
  for (const phase of ["Pending", "Granting", "Active"] as const)
    expect(proofOf({ ...pending, phase }, false)).toEqual(broken);
});

test("TA22: an open record that has what only a later step writes has no proof; with what its own step wrote it has", () => {
  const grant = { bindingName: "b", expirationTime: "2026-11-24T10:16:00.000Z" };
  const begun = { ...grant, grantTime: "2026-11-24T10:01:01.000Z" };
  const endTime = "2026-11-24T10:02:00.000Z";
  expect(proofOf({ ...pending, grant })).toEqual(broken);
  expect(proofOf({ phase: "Pending", offer })).toBeUndefined();
  expect(proofOf({ phase: "Pending", offer, grant })).toEqual(broken);
  expect(proofOf({ phase: "Pending", offer, endTime })).toEqual(broken);
  expect(proofOf({ ...pending, phase: "Granting", grant })).toMatchObject({ seal: "good" });
  expect(proofOf({ ...pending, phase: "Granting", grant: begun })).toEqual(broken);
  expect(proofOf({ ...pending, phase: "Granting", grant, endTime })).toEqual(broken);
  expect(proofOf({ ...pending, phase: "Active", grant: begun })).toMatchObject({ seal: "good" });
  expect(proofOf({ ...pending, phase: "Active", grant: begun, endTime })).toEqual(broken);
});

test("TA01: a proof by what was not offered, or for a time that cannot be read, is broken", () => {
  expect(proofOf({ ...pending, verification: { ...verification, method: "WebAuthn" } })).toEqual(broken);
  const forEver = [{ method: "TOTP" as const, duration: "for ever" }];
  expect(proofOf({ ...pending, offer: { ...offer, methods: forEver } })).toEqual(broken);
  const { offer: _, ...withoutOffer } = pending;
  expect(proofOf(withoutOffer)).toEqual(broken);
  expect(proofOf({ phase: "Active", offer })).toEqual(broken);
});

test("who ends it is told apart: its requester, somebody else, and whoever deletes it, before all", () => {
  const ended = (by: string, metadata: Partial<ElevationRequest["metadata"]> = {}) => {
    const asked = request(pending);
    const spec = { ...asked.spec, termination: { by, justification: "enough" } };
    const recorded = recordedOf({ ...asked, metadata: { ...asked.metadata, ...metadata }, spec }, true);
    return "termination" in recorded ? recorded.termination : undefined;
  };
  expect(ended("alice")).toEqual({ phase: "Released", cause: { reason: "ReleasedByRequester" } });
  expect(ended("sre")).toEqual({ phase: "Revoked", cause: { reason: "Revoked", message: "by sre: enough" } });
  const deleted = { phase: "Revoked", cause: { reason: "RequestDeleted" } };
  expect(ended("alice", { deletionTimestamp: "2026-11-24T10:02:00Z" })).toEqual(deleted);
  expect(recordedOf(request(pending), true)).toMatchObject({ termination: undefined });
});
