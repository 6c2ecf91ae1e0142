import { beforeEach, expect, test } from "vitest";
import { asked, meta } from "../../test/fakes/objects.ts";
import type { ElevationRequest, Status } from "../api/v1alpha1/elevation-request.ts";
import { tellingOfDeletions } from "./deletions.ts";
import type { Requests } from "./ports.ts";

const offer = {
  cluster: { name: "test", uid: "c1" },
  roleRef: { kind: "ClusterRole" as const, name: "pod-debugger" },
  rulesHash: "r1",
  methods: [{ method: "TOTP" as const, duration: "30m" }],
  deadlineTime: "2026-11-24T10:05:00.000Z",
  authorizedBy: "RBAC",
};
const grant = { bindingName: "elevate:fix:01234567", expirationTime: "2026-11-24T10:30:00.000Z" };
const active: ElevationRequest = {
  metadata: { ...meta, namespace: "shop", name: "fix" },
  spec: { ...asked, justification: "INC-1" },
  status: { phase: "Active", offer, grant },
};
const line = {
  namespace: "shop",
  name: "fix",
  uid: meta.uid,
  reason: "RequestDeleted",
  requester: "alice",
  policy: "debug",
  role: "ClusterRole/pod-debugger",
  binding: grant.bindingName,
  expirationTime: grant.expirationTime,
  justification: "INC-1",
};

let found: ElevationRequest | undefined;
let written: ElevationRequest | undefined;
let told: object[];
let requests: Requests;
beforeEach(() => {
  [found, written, told] = [active, active, []];
  const world: Requests = {
    get: async () => found,
    listOpen: async () => [],
    swapStatus: async () => written,
    next: async () => undefined,
  };
  requests = tellingOfDeletions(world, { info: (fields) => void told.push(fields), warn: () => undefined });
});

const look = async (): Promise<unknown> => requests.get("shop", "fix");
const closed: Status = { phase: "Revoked", reason: "RequestDeleted", endTime: "2026-11-24T10:10:00.000Z" };

test("EX37: a request that is gone while it gave access is told of once: who, what, until when", async () => {
  await look();
  found = undefined;
  await look();
  await look();
  expect(told).toEqual([line]);
});

test("EX37: another one in its place is no less a deletion", async () => {
  await look();
  found = { ...active, metadata: { ...active.metadata, uid: "another" }, status: {} };
  await look();
  expect(told).toEqual([line]);
});

test("EX37: one that is deleted and that a finalizer keeps is told of as its record is closed, and not when it is gone", async () => {
  const leaving = { ...active, metadata: { ...active.metadata, deletionTimestamp: "2026-11-24T10:09:59Z" } };
  await look();
  found = leaving;
  await look();
  written = undefined;
  await requests.swapStatus(leaving, closed);
  expect(told).toEqual([]);
  written = active;
  await requests.swapStatus(leaving, closed);
  found = undefined;
  await look();
  expect(told).toEqual([line]);
});

test("nothing is told of a request that ended, or that gave no access yet", async () => {
  found = { ...active, status: { phase: "Pending", offer } };
  await look();
  found = active;
  await look();
  await requests.swapStatus(active, { phase: "Active", reason: "UnbindFailing" });
  await requests.swapStatus(active, closed);
  found = undefined;
  await look();
  found = active;
  await look();
  found = { ...active, status: { ...active.status, ...closed } };
  await look();
  found = undefined;
  await look();
  expect(told).toEqual([]);
});
