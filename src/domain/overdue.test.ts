import { expect, test } from "vitest";
import { isOverdue } from "./overdue.ts";
import { parseInstant } from "./time.ts";

const now = parseInstant("2026-11-24T12:00:00Z");
const named = "elevate:fix:0f5b6c7d";
const binding = (annotation: string | undefined, change: { name?: string; creationTimestamp?: string } = {}) => ({
  metadata: {
    name: named,
    namespace: "shop",
    uid: "b1",
    resourceVersion: "1",
    creationTimestamp: "2026-11-24T11:00:00Z",
    ...(annotation === undefined ? {} : { annotations: { "kube-elevate.dev/expiration-time": annotation } }),
    ...change,
  },
});

test.each([
  ["past", "2026-11-24T11:59:59.999Z"],
  ["now", "2026-11-24T12:00:00.000Z"],
  ["missing", undefined],
  ["empty", ""],
  ["garbage", "soon"],
  ["of another zone", "2026-11-24T23:00:00+01:00"],
  ["without a zone", "2026-11-24T23:00:00"],
  ["on 30 February", "2027-02-30T12:00:00Z"],
])("EX35: a binding of ours whose expiration is %s is overdue, labels or not", (_when, annotation) => {
  expect(isOverdue(binding(annotation), now)).toBe(true);
});

test.each([
  ["2026-11-23T11:59:50Z", true],
  ["2026-11-23T11:59:51Z", false],
  ["", true],
  ["yesterday", true],
])(
  "EX35: an expiration far ahead keeps no binding longer than 24h: created at '%s', overdue is %s",
  (created, overdue) => {
    expect(isOverdue(binding("2099-01-01T00:00:00Z", { creationTimestamp: created }), now)).toBe(overdue);
  },
);

test("EX35: one that is not due is none of a sweeper's business", () => {
  expect(isOverdue(binding("2026-11-24T12:00:00.001Z"), now)).toBe(false);
});

test.each(["fix", "elevate:fix", "elevate:", "elevate::", "elevate:a:b:c", "my-elevate:a:b", "Elevate:a:b"])(
  "EX35: a binding named %j is somebody else's, however old it is",
  (name) => {
    expect(isOverdue(binding(undefined, { name, creationTimestamp: "2020-01-01T00:00:00Z" }), now)).toBe(false);
  },
);
