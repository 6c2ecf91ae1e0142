import { assert, asyncProperty, integer, scheduler } from "fast-check";
import { expect, test } from "vitest";
import { provingGround } from "../../test/fakes/proving.ts";
import { later, parseInstant } from "../domain/time.ts";
import type { Requests } from "./ports.ts";
import { prove } from "./prove.ts";
import { reconcile } from "./reconcile.ts";

test("RC07: a proof around the deadline, under two controllers, in whatever order calls land: one answer, never Active by a later proof", async () => {
  const outcomes = new Set<string>();
  await assert(
    asyncProperty(scheduler(), integer({ min: 0, max: 8 }), async (order, msBefore) => {
      const { offered, verifier, controller, body, get, world } = provingGround();
      const key = await offered("fix");
      const deadline = parseInstant((await get("fix"))?.offer?.deadlineTime);
      world.now = later(deadline, -msBefore);
      /** Each call takes a millisecond. */
      const slowly = (requests: Requests): Requests => ({
        ...requests,
        get: order.scheduleFunction(async (...given: Parameters<Requests["get"]>) => {
          world.now = later(world.now, 1);
          return requests.get(...given);
        }),
        swapStatus: order.scheduleFunction(async (...given: Parameters<Requests["swapStatus"]>) => {
          world.now = later(world.now, 1);
          return requests.swapStatus(...given);
        }),
      });
      const proving = verifier();
      const proof = prove({ ...proving, requests: slowly(proving.requests) }, key, body("fix"), 0);
      const controllers = [1, 2].map(async () => {
        for (let looks = 0; looks < 3; looks++)
          await reconcile({ ...controller, requests: slowly(controller.requests) }, key, {});
      });
      const [answer] = await order.waitFor(Promise.all([proof, ...controllers]));
      world.now = later(world.now, 1_000);
      await reconcile(controller, key, {});
      const { phase, reason, verification } = (await get("fix")) ?? {};
      if (phase === "Active") expect(parseInstant(verification?.verificationTime)).toBeLessThanOrEqual(deadline);
      else expect([phase, reason]).toEqual(["TimedOut", "DeadlinePassed"]);
      const word = "message" in answer ? answer.reason : "proven";
      if (word === "proven") expect(phase).toBe("Active");
      else expect([phase, word === "DeadlinePassed" || word === "RequestEnded"]).toEqual(["TimedOut", true]);
      outcomes.add(`${String(phase)} ${word}`);
    }),
    { numRuns: 200, seed: 7 },
  );
  expect([...outcomes]).toEqual(expect.arrayContaining(["Active proven", "TimedOut DeadlinePassed"]));
});
