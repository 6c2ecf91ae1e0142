import { expect, test } from "vitest";
import { asked, meta } from "../../test/fakes/objects.ts";
import type { Status } from "../api/v1alpha1/elevation-request.ts";
import { expiringFrom } from "./expiring.ts";
import { parseInstant } from "./time.ts";

const bindingName = "elevate:fix:01234567";
const granted = (grantTime: string, status: Partial<Status> = {}) => ({
  metadata: { ...meta, namespace: "shop", name: "fix" },
  spec: asked,
  status: {
    phase: "Active" as const,
    grant: { bindingName, grantTime, expirationTime: "2026-11-24T10:10:00.000Z" },
    ...status,
  },
});

test("a grant of 10 minutes is told to end from its fifth minute on, one of 5 minutes or less never", () => {
  const fifth = parseInstant("2026-11-24T10:05:00.000Z");
  expect(expiringFrom(granted("2026-11-24T10:00:00.000Z"))).toBe(fifth);
  expect(expiringFrom(granted("2026-11-24T10:04:59.999Z"))).toBe(fifth);
  expect(expiringFrom(granted("2026-11-24T10:05:00.000Z"))).toBeUndefined();
  expect(expiringFrom(granted("2026-11-24T10:07:00.000Z"))).toBeUndefined();
});

test("what gives no access is not told to end", () => {
  expect(expiringFrom(undefined)).toBeUndefined();
  for (const phase of ["Pending", "Granting", "Revoked", "Expired"] as const)
    expect(expiringFrom(granted("2026-11-24T10:00:00.000Z", { phase }))).toBeUndefined();
});
