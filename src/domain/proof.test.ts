import { array, assert, constantFrom, property } from "fast-check";
import { expect, test } from "vitest";
import type { Authenticator, TotpState } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest, Status } from "../api/v1alpha1/elevation-request.ts";
import { attemptKey, attemptTotp, enrollable, provable } from "./proof.ts";
import { formatInstant, type Instant, later, parseInstant } from "./time.ts";

const now = parseInstant("2026-11-24T10:00:00Z");
const minute = 60_000;
const step = 1000;
const failed = (consecutive: number, total: number, lockedUntil?: Instant): TotpState => ({
  lastTimeStep: step,
  failures: { consecutive, total, ...(lockedUntil && { lockedUntilTime: formatInstant(lockedUntil) }) },
});
const wrong = (state: TotpState, at: Instant) => attemptTotp(state, () => undefined, at);
const right = (state: TotpState, timeStep: number, at: Instant = now) => attemptTotp(state, () => timeStep, at);
const mustNotLook = (): never => {
  throw new Error("the code was looked at");
};

test("TO05: a code of a step that was used, or of one before, is refused and changes nothing", () => {
  const state = failed(3, 5);
  for (const used of [step, step - 1]) {
    const { next, denial, timeStep } = right(state, used);
    expect({ next, reason: denial?.reason, timeStep }).toEqual({ next: state, reason: "ProofAlreadyUsed" });
  }
  const taken = right(state, step + 1);
  expect(taken).toEqual({
    next: { lastTimeStep: step + 1, failures: { consecutive: 0, total: 5 } },
    timeStep: step + 1,
  });
});

test("TO06: nine wrong codes cost nothing, the tenth a minute, each further one twice that, up to an hour", () => {
  let state = failed(0, 0);
  let at = now;
  const waits: number[] = [];
  for (let count = 1; count <= 18; count++) {
    const { next, denial } = wrong(state, at);
    expect(denial?.reason).toBe("ProofRejected");
    expect(next.failures).toMatchObject({ consecutive: count, total: count });
    const { lockedUntilTime } = next.failures;
    waits.push(lockedUntilTime === undefined ? 0 : (parseInstant(lockedUntilTime) - at) / minute);
    at = lockedUntilTime === undefined ? at : parseInstant(lockedUntilTime);
    state = next;
  }
  expect(waits).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test("TO06: while locked no code is looked at; at the end of the lock the next one is", () => {
  const until = later(now, minute);
  const state = failed(10, 10, until);
  const locked = attemptTotp(state, mustNotLook, later(until, -1));
  expect(locked).toMatchObject({ next: state, denial: { reason: "AuthenticatorLocked" }, lockedUntil: until });
  const opened = right(state, step + 1, until);
  expect(opened.denial).toBeUndefined();
  expect(opened.next.failures).toEqual({ consecutive: 0, total: 10 });
});

test("TO14: the hundredth wrong code in its life locks for good, whatever came between; no wait opens it", () => {
  const last = wrong(failed(0, 99), now);
  expect(last.next.failures.total).toBe(100);
  const locked = attemptTotp(last.next, mustNotLook, later(now, 10 * 365 * 24 * 60 * minute));
  expect(locked.denial?.reason).toBe("AuthenticatorLocked");
  expect(locked.denial?.message).toContain("ask for a new ticket");
  expect(locked.lockedUntil).toBeUndefined();
  expect(right(failed(0, 99), step + 1).next.failures).toEqual({ consecutive: 0, total: 99 });
});

test("TO06, TO14: no life of attempts passes ten failures in a row without a wait, nor a hundred in all", () => {
  const acts = array(constantFrom("right", "wrong", "used", "wait"), { maxLength: 400 });
  assert(
    property(acts, (life) => {
      let state = failed(0, 0);
      let at = now;
      let looks = 0;
      for (const act of life) {
        if (act === "wait") {
          at = later(at, 3_600_000);
          continue;
        }
        const before = looks;
        const found = { right: state.lastTimeStep + 1, used: state.lastTimeStep, wrong: undefined }[act];
        const { next, denial, timeStep } = attemptTotp(
          state,
          () => {
            looks++;
            return found;
          },
          at,
        );
        const looked = looks > before;
        const { consecutive, total } = state.failures;
        if (looked) expect(total).toBeLessThan(100);
        if (looked && consecutive >= 10) expect(at >= parseInstant(state.failures.lockedUntilTime)).toBe(true);
        expect(next.failures.total - total).toBe(looked && act === "wrong" ? 1 : 0);
        expect(timeStep !== undefined).toBe(looked && act === "right");
        expect(denial === undefined).toBe(timeStep !== undefined);
        state = next;
      }
    }),
    { numRuns: 300 },
  );
});

const offer = {
  cluster: { name: "c", uid: "c1" },
  roleRef: { kind: "ClusterRole" as const, name: "debug" },
  rulesHash: "r1",
  methods: [{ method: "TOTP" as const, duration: "15m" }],
  deadlineTime: formatInstant(now),
  authorizedBy: "",
};
const request = (status?: Status, spec: Partial<ElevationRequest["spec"]> = {}): ElevationRequest => ({
  metadata: { name: "fix", namespace: "shop", uid: "u1", resourceVersion: "1", creationTimestamp: "" },
  spec: { policyName: "debug", requester: { username: "alice" }, ...spec },
  ...(status && { status }),
});
const asked = (subject: ElevationRequest, at: Instant = now): string => {
  const answer = provable(subject, "TOTP", at);
  return "reason" in answer ? answer.reason : "offer";
};

test("EX23: a proof is taken until the deadline, at its very millisecond too, and never after", () => {
  const pending = request({ phase: "Pending", offer });
  expect(asked(pending)).toBe("offer");
  expect(asked(pending, later(now, 1))).toBe("DeadlinePassed");
  const unreadable = request({ phase: "Pending", offer: { ...offer, deadlineTime: "2026-11-24T11:00:00" } });
  expect(asked(unreadable)).toBe("DeadlinePassed");
});

test("HT16: nothing is awaited before the offer, nor once the request is on its way or ended", () => {
  expect(asked(request())).toBe("NotReady");
  for (const phase of ["Granting", "Active", "Expired", "Released", "Revoked", "Denied", "TimedOut"] as const)
    expect(asked(request({ phase, offer }))).toBe("RequestEnded");
  expect(asked(request({ phase: "Pending" }))).toBe("RequestEnded");
  expect(asked(request({ phase: "Pending", offer }, { termination: { by: "alice" } }))).toBe("RequestEnded");
});

test("TO11: a method that is not offered is refused with those that are", () => {
  const webauthn = { ...offer, methods: [{ method: "WebAuthn" as const, duration: "30m" }] };
  expect(provable(request({ phase: "Pending", offer: webauthn }), "TOTP", now)).toEqual({
    reason: "MethodNotAllowed",
    message: "policy debug does not take TOTP, but WebAuthn",
  });
});

const invited = (status?: Authenticator["status"], spec: Partial<Authenticator["spec"]> = {}): Authenticator => ({
  metadata: { name: "616c696365.totp", uid: "u1", resourceVersion: "1", creationTimestamp: "" },
  spec: {
    owner: { username: "alice" },
    method: "TOTP",
    codeChallenge: "",
    expirationTime: formatInstant(now),
    invitedBy: "ivy",
    ...spec,
  },
  ...(status && { status }),
});

test("EN12, EN13: a ticket opens a Pending authenticator until its time, and never an Active or disabled one", () => {
  expect(enrollable(invited(), now)).toBeUndefined();
  expect(enrollable(invited({ phase: "Pending" }), now)).toBeUndefined();
  expect(enrollable(invited(), later(now, 1))?.reason).toBe("TicketExpired");
  expect(enrollable(invited(undefined, { expirationTime: "soon" }), now)?.reason).toBe("TicketExpired");
  expect(enrollable(invited({ phase: "Active" }), now)?.reason).toBe("CallerUnknown");
  expect(enrollable(invited(undefined, { disabled: true }), now)?.reason).toBe("CallerUnknown");
});

test("TA22: what was sealed stays enrolled, though somebody sets it back to Pending", () => {
  expect(enrollable(invited({ phase: "Pending", keyID: "k1" }), now)).toBeUndefined();
  expect(enrollable(invited({ phase: "Pending", keyID: "k1", seal: "s" }), now)?.reason).toBe("CallerUnknown");
});

test.each([
  [0, 0, undefined], // it keeps no count
  [0, 1, undefined],
  [7, 8, undefined],
  [7, 7, "ProofAlreadyUsed"],
  [7, 6, "ProofRejected"],
  [7, 0, "ProofRejected"],
])("WA13: of a key that was last at %i, the count %i is %s", (stored, shown, reason) => {
  expect(attemptKey(stored, shown)?.reason).toBe(reason);
});
