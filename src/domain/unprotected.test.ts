import { expect, test } from "vitest";
import { instant, later, parseInstant } from "./time.ts";
import { unprotected } from "./unprotected.ts";

const request = {
  metadata: {
    name: "fix",
    namespace: "shop",
    uid: "u1",
    resourceVersion: "1",
    creationTimestamp: "2026-11-24T10:00:00Z",
  },
  spec: { policyName: "debug", requester: { username: "alice" } },
};
const made = parseInstant(request.metadata.creationTimestamp);
const word = (hole: string | undefined, protectedSince = instant(0)) =>
  unprotected(request, { hole, protectedSince })?.reason;

test("IA12: while there is a hole no request is believed, however old its walls are", () => {
  expect(word(undefined)).toBeUndefined();
  expect(word("x is not there")).toBe("AdmissionUnprotected");
  expect(unprotected(request, { hole: "x".repeat(2_000), protectedSince: made })?.message).toHaveLength(1_024);
});

test("IA30: a request made before the walls stood is refused, and one of that very instant is not", () => {
  expect(word(undefined, made)).toBeUndefined();
  expect(word(undefined, later(made, 1))).toBe("AdmissionUnprotected");
  const timeless = { ...request, metadata: { ...request.metadata, creationTimestamp: "yesterday" } };
  expect(unprotected(timeless, { hole: undefined, protectedSince: made })?.reason).toBe("AdmissionUnprotected");
});
