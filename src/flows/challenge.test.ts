import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { totpOfAlice } from "../../test/fakes/objects.ts";
import { provingGround } from "../../test/fakes/proving.ts";
import { parseInstant } from "../domain/time.ts";
import { challenge } from "./challenge.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const fix = { namespace: "shop", name: "fix" };
const reasonOf = (answer: Awaited<ReturnType<typeof challenge>>): string =>
  "reason" in answer ? answer.reason : "offer";

test("HT16: who asks right after the request was made gets the offer as soon as it is there", async () => {
  const { ask, settle, verifier, body, get } = provingGround();
  ask("fix");
  const answer = challenge(verifier(), fix, body("fix"));
  await vi.advanceTimersByTimeAsync(9_999);
  await settle("fix");
  expect(await answer).toEqual({ offer: (await get("fix"))?.offer, methods: ["TOTP"] });
});

test("HT16: without an offer the answer is NotReady, after ten seconds", async () => {
  const { ask, verifier, body } = provingGround();
  ask("fix");
  const answer = challenge(verifier(), fix, body("fix"));
  const answered = vi.fn<() => void>();
  void answer.then(answered);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(answered).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(reasonOf(await answer)).toBe("NotReady");
});

test("HT16: changes that bring no offer do not lengthen the wait", async () => {
  const { ask, verifier, body, requests, world } = provingGround();
  ask("fix");
  const answer = challenge(verifier(), fix, body("fix"));
  const request = await requests.get("fix");
  for (let second = 0; second < 10; second++) {
    await vi.advanceTimersByTimeAsync(1_000);
    world.now = parseInstant(new Date(world.now + 1_000).toISOString());
    if (request !== undefined) requests.put(request);
  }
  await vi.advanceTimersByTimeAsync(0);
  expect(reasonOf(await answer)).toBe("NotReady");
  expect(vi.getTimerCount()).toBe(0);
});

test("HT11: wrong verifier, another request's, unclaimed, unknown: one answer, at once", async () => {
  const { ask, verifier, body } = provingGround();
  ask("fix");
  ask("bare", { codeChallenge: "" });
  const answers = [
    await challenge(verifier(), fix, body("other")),
    await challenge(verifier(), { ...fix, name: "bare" }, body("bare")),
    await challenge(verifier(), { ...fix, name: "none" }, body("none")),
  ];
  expect(answers.map(reasonOf)).toEqual(answers.map(() => "CallerUnknown"));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
});

test("a request that was denied, is deleted meanwhile or past its deadline gets no challenge", async () => {
  const { ask, settle, offered, verifier, body, world, requests, pass } = provingGround();
  world.useAllowed = false;
  await offered("denied");
  expect(reasonOf(await challenge(verifier(), { ...fix, name: "denied" }, body("denied")))).toBe("RequestEnded");
  world.useAllowed = true;
  ask("gone");
  const answer = challenge(verifier(), { ...fix, name: "gone" }, body("gone"));
  await vi.advanceTimersByTimeAsync(1);
  await requests.remove({ name: "gone", uid: "uid-gone" });
  expect(reasonOf(await answer)).toBe("RequestEnded");
  ask("fix");
  await settle("fix");
  pass(5 * 60_000);
  expect(reasonOf(await challenge(verifier(), fix, body("fix")))).toBe("offer");
  pass(1);
  expect(reasonOf(await challenge(verifier(), fix, body("fix")))).toBe("DeadlinePassed");
});

test("the methods are those of the offer that the requester has an Active authenticator for", async () => {
  const { offered, verifier, body, authenticators } = provingGround({
    authentication: { methods: ["WebAuthn", "TOTP"], timeout: "5m" },
  });
  await offered("fix");
  expect(await challenge(verifier(), fix, body("fix"))).toMatchObject({ methods: ["TOTP"] });
  authenticators.put(totpOfAlice);
  const answer = await challenge(verifier(), fix, body("fix"));
  expect(answer).toMatchObject({ methods: [] });
  expect("offer" in answer && answer.offer.methods.map(({ method }) => method)).toEqual(["WebAuthn", "TOTP"]);
});
