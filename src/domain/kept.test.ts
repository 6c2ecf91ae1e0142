import { expect, test } from "vitest";
import { asked, meta, totpOfAlice } from "../../test/fakes/objects.ts";
import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest, Status } from "../api/v1alpha1/elevation-request.ts";
import { isLapsed, isPastRetention } from "./kept.ts";
import { parseInstant } from "./time.ts";

const now = parseInstant("2026-11-24T12:00:00Z");
const month = 720 * 3_600_000;
const request = (status: Status): ElevationRequest => ({
  metadata: { ...meta, name: "fix", namespace: "shop" },
  spec: asked,
  status,
});

test.each(["Expired", "Released", "Revoked", "Denied", "TimedOut"] as const)(
  "EX36: a request that is %s goes at endTime + retention, and not before",
  (phase) => {
    expect(isPastRetention(request({ phase, endTime: "2026-10-25T12:00:00.000Z" }), month, now)).toBe(true);
    expect(isPastRetention(request({ phase, endTime: "2026-10-25T12:00:00.001Z" }), month, now)).toBe(false);
  },
);

test.each([undefined, "", "long ago", "2020-02-30T12:00:00Z", "2020-01-01T12:00:00+01:00"])(
  "EX36: an end that cannot be read, as %j, is never past",
  (endTime) => {
    expect(
      isPastRetention(request({ phase: "Expired", ...(endTime === undefined ? {} : { endTime }) }), month, now),
    ).toBe(false);
  },
);

test.each([undefined, "Pending", "Granting", "Active"] as const)(
  "EX36: an open request is never past, whatever else it says: %s",
  (phase) => {
    const status = { ...(phase === undefined ? {} : { phase }), endTime: "2020-01-01T00:00:00.000Z" };
    expect(isPastRetention(request(status), month, now)).toBe(false);
  },
);

const invitation = (expirationTime: string, change: Partial<Authenticator["spec"]> = {}): Authenticator => ({
  ...totpOfAlice,
  spec: { ...totpOfAlice.spec, expirationTime, ...change },
});
const late = "2026-11-24T12:00:00Z";

test("EN16: an invitation lapses when its time is over, with or without a status", () => {
  expect(isLapsed(invitation(late), now)).toBe(true);
  expect(isLapsed({ ...invitation(late), status: { phase: "Pending" } }, now)).toBe(true);
  expect(isLapsed(invitation("2026-11-24T12:00:01Z"), now)).toBe(false);
});

test("EN16: one that is Active or disabled does not lapse", () => {
  expect(isLapsed({ ...invitation(late), status: { phase: "Active", keyID: "k", seal: "s" } }, now)).toBe(false);
  expect(isLapsed(invitation(late, { disabled: true }), now)).toBe(false);
});
