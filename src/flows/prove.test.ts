import { assert, asyncProperty, scheduler } from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { provingGround, verifierOf } from "../../test/fakes/proving.ts";
import { formatInstant, later, parseInstant } from "../domain/time.ts";
import type { VerifierPorts } from "./ports.ts";
import { prove } from "./prove.ts";
import { activeTotp } from "./spend.ts";

// Waits are timers of the fake requests: time passes at once where a test says so. The cluster's clock is another.

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const wordOf = (answer: Awaited<ReturnType<typeof prove>>): string =>
  "message" in answer ? answer.reason : answer.phase;

test("HT17: the answer comes when the grant is Active, with its end and its binding; again: the same, no code looked at", async () => {
  const { offered, verifier, settle, body, pass, looked, world } = provingGround();
  const key = await offered("fix");
  pass(60_000);
  const answer = prove(verifier(), key, body("fix"));
  await vi.advanceTimersByTimeAsync(1); // the verification has landed
  await settle("fix");
  const active = {
    method: "TOTP",
    verificationTime: formatInstant(world.now),
    phase: "Active",
    expirationTime: formatInstant(later(world.now, 15 * 60_000)),
    bindingName: "elevate:fix:uid-fix",
  };
  expect(await answer).toEqual(active);
  expect(looked).toHaveBeenCalledTimes(1);

  pass(120_000);
  expect(await prove(verifier(), key, body("fix", "000000"))).toEqual(active);
  expect(looked).toHaveBeenCalledTimes(1);
  expect(wordOf(await prove(verifier(), key, body("other")))).toBe("CallerUnknown");
});

test("TO15: what is proven by TOTP lasts its own maximum, from the verification on", async () => {
  const { offered, verifier, settle, body, get } = provingGround();
  await prove(verifier(), await offered("fix"), body("fix"), 0);
  await settle("fix");
  const { offer, verification, grant } = (await get("fix")) ?? {};
  expect(offer?.methods).toEqual([{ method: "TOTP", duration: "15m" }]);
  expect(verification?.keyID).toBe(verifier().sealer.newestKeyID);
  expect(parseInstant(grant?.expirationTime) - parseInstant(verification?.verificationTime)).toBe(15 * 60_000);
});

test("HT17: with no controller the answer comes after ten seconds, with the phase reached", async () => {
  const { offered, verifier, body } = provingGround();
  const answer = prove(verifier(), await offered("fix"), body("fix"));
  const answered = vi.fn<() => void>();
  void answer.then(answered);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(answered).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toEqual({ method: "TOTP", verificationTime: "2026-11-24T10:00:00.000Z", phase: "Pending" });
});

test("HT17: a proof that the controller denies is answered with the end and its reason", async () => {
  const { offered, verifier, settle, body, world } = provingGround();
  const answer = prove(verifier(), await offered("fix"), body("fix"));
  await vi.advanceTimersByTimeAsync(1);
  world.useAllowed = false;
  await settle("fix");
  expect(await answer).toMatchObject({ method: "TOTP", phase: "Denied", reason: "UseNotPermitted" });
});

test("HT11: wrong verifier, another request's, unclaimed, unknown request: one answer", async () => {
  const { offered, verifier, body, looked, attempts } = provingGround();
  const key = await offered("fix");
  await offered("other");
  const unclaimed = await offered("bare", { codeChallenge: "" });
  const answers = [
    await prove(verifier(), key, body("nobody")),
    await prove(verifier(), key, body("other")),
    await prove(verifier(), unclaimed, body("bare")),
    await prove(verifier(), { namespace: "shop", name: "none" }, body("none")),
  ];
  expect(answers.map(wordOf)).toEqual(answers.map(() => "CallerUnknown"));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(looked).not.toHaveBeenCalled();
  expect(attempts).toHaveLength(answers.length);
});

test("TO07: a thousand wrong codes without the verifier: none looked at, none counted, no lock", async () => {
  const { offered, verifier, body, looked, totpStatus } = provingGround();
  const key = await offered("fix");
  for (let count = 0; count < 1000; count++)
    await prove(verifier(), key, { ...body("thief"), totp: { code: "123456" } });
  expect(looked).not.toHaveBeenCalled();
  expect((await totpStatus())?.totp?.failures).toEqual({ consecutive: 0, total: 0 });
  expect(wordOf(await prove(verifier(), key, body("fix"), 0))).toBe("Pending");
});

test("TO11: where the policy wants WebAuthn the code is not looked at, nor used, nor counted", async () => {
  const { offered, verifier, body, looked, totpStatus } = provingGround({
    authentication: { methods: ["WebAuthn"], timeout: "5m" },
  });
  const before = await totpStatus();
  expect(wordOf(await prove(verifier(), await offered("fix"), body("fix")))).toBe("MethodNotAllowed");
  expect(looked).not.toHaveBeenCalled();
  expect(await totpStatus()).toEqual(before);
});

test("EX23: a proof at the deadline is taken, one a millisecond later is not, and its code is still good", async () => {
  const { offered, verifier, body, pass, get, looked } = provingGround();
  const [late, punctual] = [await offered("late"), await offered("punctual")];
  const deadline = parseInstant((await get("late"))?.offer?.deadlineTime);
  const atDeadline = pass(deadline - parseInstant("2026-11-24T10:00:00Z"));
  const ports = { ...verifier(), clock: () => later(atDeadline, 1) };
  expect(wordOf(await prove(ports, late, body("late")))).toBe("DeadlinePassed");
  expect(looked).not.toHaveBeenCalled();
  expect((await get("late"))?.verification).toBeUndefined();
  expect(wordOf(await prove(verifier(), punctual, body("punctual"), 0))).toBe("Pending");
});

test("HT16: a proof without an offer is never taken", async () => {
  const { ask, verifier, body, looked } = provingGround();
  ask("fix");
  expect(wordOf(await prove(verifier(), { namespace: "shop", name: "fix" }, body("fix")))).toBe("NotReady");
  expect(looked).not.toHaveBeenCalled();
});

test("TO02: a used code at another verifier, for another request: ProofAlreadyUsed, never counted, fifty times over", async () => {
  const { offered, verifier, body, get, totpStatus } = provingGround();
  const [one, two] = [await offered("one"), await offered("two")];
  await prove(verifier(), one, body("one"), 0);
  for (let count = 0; count < 50; count++) {
    const again = prove(verifier(), two, body("two"));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(wordOf(await again)).toBe("ProofAlreadyUsed");
  }
  expect((await get("two"))?.verification).toBeUndefined();
  expect((await totpStatus())?.totp?.failures).toEqual({ consecutive: 0, total: 0 });
});

test("TO03: one code for two requests, fifty times at two verifiers: one verification", async () => {
  const { offered, verifier, body, get } = provingGround();
  const keys = [await offered("one"), await offered("two")];
  const verifiers = [verifier(), verifier()];
  const tries = Array.from({ length: 50 }, async (_, index) => {
    const [key, ports] = [keys[index % 2], verifiers[(index >> 1) % 2]];
    if (key === undefined || ports === undefined) throw new Error("there are two of each");
    return prove(ports, key, body(key.name), 0);
  });
  const all = Promise.all(tries);
  await vi.advanceTimersByTimeAsync(2_000);
  const words = (await all).map(wordOf);
  expect(words.filter((word) => word === "Pending")).toHaveLength(25); // the one request's, all with the same answer
  expect(words.filter((word) => word === "ProofAlreadyUsed")).toHaveLength(25);
  const verified = [await get("one"), await get("two")].filter((status) => status?.verification !== undefined);
  expect(verified).toHaveLength(1);
});

test("RC01, TO03: one proof posted three times for one request: one verification, one answer, in whatever order calls land", async () => {
  vi.useRealTimers();
  await assert(
    asyncProperty(scheduler(), async (order) => {
      const { offered, verifier, body, get, totpStatus, cluster } = await ground();
      const key = await offered("fix");
      const scheduled = (ports: VerifierPorts): VerifierPorts => ({
        ...ports,
        requests: {
          ...ports.requests,
          get: order.scheduleFunction(cluster.requests.get),
          swapStatus: order.scheduleFunction(cluster.requests.swapStatus),
        },
        authenticators: {
          ...ports.authenticators,
          get: order.scheduleFunction(cluster.authenticators.get),
          swapStatus: order.scheduleFunction(cluster.authenticators.swapStatus),
        },
      });
      const replicas = [verifier(), verifier(), verifier()];
      for (const replica of replicas.slice(1)) await activeTotp(replica, "alice"); // as by a challenge: it is remembered
      const tries = replicas.map(async (replica) => prove(scheduled(replica), key, body("fix"), 0));
      const answers = await order.waitFor(Promise.all(tries));
      const { verification } = (await get("fix")) ?? {};
      for (const answer of answers)
        expect(answer).toEqual({ method: "TOTP", verificationTime: verification?.verificationTime, phase: "Pending" });
      expect((await totpStatus())?.totp?.failures).toEqual({ consecutive: 0, total: 0 });
    }),
    { numRuns: 200 },
  );
});

test("RC01: two good codes at once for one request: the first verification stands, both are told of it", async () => {
  const { offered, verifier, body, get, pass, codeNow } = provingGround();
  const key = await offered("fix");
  const earlier = codeNow();
  pass(30_000);
  const ports = verifier();
  let first: string | undefined;
  const overtaken = afterSpending(ports, async () => {
    await prove(ports, key, body("fix"), 0);
    first = (await get("fix"))?.verification?.seal;
  });
  const answer = await prove(overtaken, key, body("fix", earlier), 0);
  expect(answer).toMatchObject({ verificationTime: (await get("fix"))?.verification?.verificationTime });
  expect(first).toBeDefined();
  expect((await get("fix"))?.verification?.seal).toBe(first);
});

/** A proving ground, and its ports as functions that need no `this`. */
async function ground() {
  const made = provingGround();
  const { requests, authenticators } = made.verifier();
  return {
    ...made,
    cluster: {
      requests: {
        get: async (...given: Parameters<typeof requests.get>) => requests.get(...given),
        swapStatus: async (...given: Parameters<typeof requests.swapStatus>) => requests.swapStatus(...given),
      },
      authenticators: {
        get: async (...given: Parameters<typeof authenticators.get>) => authenticators.get(...given),
        swapStatus: async (...given: Parameters<typeof authenticators.swapStatus>) =>
          authenticators.swapStatus(...given),
      },
    },
  };
}

test("a request that changes between the code and its verification is proven all the same, with one code", async () => {
  const { offered, verifier, body, requests, get, looked } = provingGround();
  const key = await offered("fix");
  const ports = verifier();
  const touching = afterSpending(ports, async () => {
    const request = await requests.get("fix");
    if (request !== undefined) requests.put({ ...request, metadata: { ...request.metadata, generation: 2 } });
  });
  expect(wordOf(await prove(touching, key, body("fix"), 0))).toBe("Pending");
  expect((await get("fix"))?.verification?.method).toBe("TOTP");
  expect(looked).toHaveBeenCalledTimes(1);
});

test("a request that is released, replaced or deleted between the code and its verification is not proven", async () => {
  for (const change of ["release", "replace", "delete"]) {
    const { offered, verifier, body, requests, get } = provingGround();
    const key = await offered("fix");
    const ports = afterSpending(verifier(), async () => {
      const request = await requests.get("fix");
      if (request === undefined) return;
      if (change === "delete") await requests.remove(request.metadata);
      if (change === "replace") requests.put({ ...request, metadata: { ...request.metadata, uid: "another" } });
      if (change === "release") requests.put({ ...request, spec: { ...request.spec, termination: { by: "alice" } } });
    });
    expect(wordOf(await prove(ports, key, body("fix")))).toBe("RequestEnded");
    expect((await get("fix"))?.verification).toBeUndefined();
  }
});

test("a request that is deleted while its answer is awaited is told as ended, also when another takes its name", async () => {
  for (const replaced of [false, true]) {
    const { offered, verifier, body, requests, get } = provingGround();
    const key = await offered("fix");
    const answer = prove(verifier(), key, body("fix"));
    await vi.advanceTimersByTimeAsync(1);
    const request = await requests.get("fix");
    const phase = "Active" as const;
    if (request === undefined || !replaced) await requests.remove(key);
    else
      requests.put({
        ...request,
        metadata: { ...request.metadata, uid: "another" },
        status: { ...(await get("fix")), phase },
      });
    expect(wordOf(await answer)).toBe("RequestEnded");
  }
});

test("TO06: a locked authenticator is refused with the time at which it opens", async () => {
  const { offered, verifier, body, pass } = provingGround();
  const key = await offered("fix");
  for (let count = 0; count < 10; count++)
    expect(wordOf(await prove(verifier(), key, body("fix", "000000")))).toBe("ProofRejected");
  const now = pass(10_000);
  const refused = await prove(verifier(), key, body("fix"));
  expect(refused).toMatchObject({ reason: "AuthenticatorLocked", lockedUntil: later(now, 50_000) });
});

test("each attempt is told with its word, and never with a code or a verifier", async () => {
  const { offered, verifier, body, attempts } = provingGround();
  const key = await offered("fix");
  await prove(verifier(), key, body("fix", "424242"), 0);
  await prove(verifier(), key, body("fix"), 0);
  expect(attempts).toEqual([
    { attempt: "prove", about: "shop/fix", result: "ProofRejected" },
    { attempt: "prove", about: "shop/fix", result: "ProofAccepted" },
  ]);
  expect(JSON.stringify(attempts)).not.toMatch(new RegExp(`424242|${verifierOf("fix")}`));
});

/** What happens in the cluster right after the code was spent. */
function afterSpending(ports: VerifierPorts, act: () => Promise<void>): VerifierPorts {
  return {
    ...ports,
    authenticators: {
      ...ports.authenticators,
      async swapStatus(seen, patch) {
        const outcome = await ports.authenticators.swapStatus(seen, patch);
        await act();
        return outcome;
      },
    },
  };
}
