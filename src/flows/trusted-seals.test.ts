import { expect, test } from "vitest";
import { fakeTimers, settle } from "../../test/fakes/timers.ts";
import { instant } from "../domain/time.ts";
import { createTrustedSeals } from "./trusted-seals.ts";

/** A seal is good when it is the text of its key. */
function play() {
  const world = { now: instant(0), data: { "seal-key.a": "A" } as { [key: string]: string }, reads: 0, broken: false };
  const timers = fakeTimers(world);
  const told: string[] = [];
  const seals = createTrustedSeals({
    async read() {
      world.reads++;
      const { data } = world;
      await settle();
      if (world.broken) throw new Error("503");
      return { data, resourceVersion: "1" };
    },
    checkerOf: (keys) => ({ holds: (keyID, seal) => keys.get(keyID) === seal }),
    after: timers.after,
    log: { info: () => undefined, warn: () => undefined },
    announcer: { announce: ({ reason, message }) => told.push(`${reason}: ${message}`) },
  });
  const holds = (keyID: string, seal: string) => seals.holds(keyID, seal, new Uint8Array());
  return { world, timers, seals, holds, told };
}

test("a seal is checked by the key that its record names", async () => {
  const { seals, holds, timers } = play();
  expect(seals.check()).toBe("configmap kube-elevate-trust is not read yet");
  seals.start();
  await timers.advance(0);
  expect(seals.check()).toBeUndefined();
  expect([holds("a", "A"), holds("a", "B")]).toEqual([true, false]);
});

test("a key is unknown only by a reading that began after it was asked for", async () => {
  const { seals, holds, timers, world } = play();
  seals.start(); // its reading began before
  expect(() => holds("b", "B")).toThrow("seal key b is not known yet");
  world.data = { ...world.data, "seal-key.b": "B" };
  expect(() => holds("c", "C")).toThrow("seal key c is not known yet");
  await timers.advance(0);
  expect([holds("b", "B"), holds("c", "C")]).toEqual([true, false]);
});

test("a reading that began before the question says nothing about it", async () => {
  const answers: (() => void)[] = [];
  const seals = createTrustedSeals({
    read: async () => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return { data: {}, resourceVersion: "1" };
    },
    checkerOf: () => ({ holds: () => true }),
    after: () => () => undefined,
    log: { info: () => undefined, warn: () => undefined },
    announcer: { announce: () => undefined },
  });
  const holds = () => seals.holds("b", "B", new Uint8Array());
  seals.start();
  expect(holds).toThrow("not known yet");
  expect(answers).toHaveLength(2);
  answers[0]?.();
  await settle();
  expect(holds).toThrow("not known yet");
  answers[1]?.();
  await settle();
  expect(holds()).toBe(false);
});

test("while nothing can be read, what is known stays known, and what is not is neither good nor broken", async () => {
  const { seals, holds, timers, world } = play();
  seals.start();
  await timers.advance(0);
  world.broken = true;
  await timers.advance(20_000);
  expect(holds("a", "A")).toBe(true);
  expect(() => holds("b", "B")).toThrow("not known yet");
  await timers.advance(20_000);
  expect(() => holds("b", "B")).toThrow("not known yet");
  world.broken = false;
  await timers.advance(5_000);
  expect(holds("b", "B")).toBe(false);
});

test("a key that is taken away holds nothing within 5 s; after stop() nothing is read", async () => {
  const { seals, holds, timers, world } = play();
  seals.start();
  await timers.advance(0);
  world.data = {};
  await timers.advance(5_000);
  expect(() => holds("a", "A")).toThrow("not known yet");
  await timers.advance(0);
  expect(holds("a", "A")).toBe(false);
  seals.stop();
  const { reads } = world;
  await timers.advance(60_000);
  expect(world.reads).toBe(reads);
});

test("TA20: each change of the seal keys is told once, but for the first that are made", async () => {
  const { seals, timers, world, told } = play();
  world.data = {};
  seals.start();
  await timers.advance(5_000);
  world.data = { "seal-key.a": "A", url: "https://one" };
  await timers.advance(5_000);
  world.data = { "seal-key.a": "A", url: "https://other" };
  await timers.advance(5_000);
  expect(told).toEqual([]);
  world.data = { "seal-key.a": "A", "seal-key.b": "mallory's" };
  await timers.advance(15_000);
  expect(told).toEqual([expect.stringMatching(/^SealKeysChanged: .*: b is new\. /)]);
  world.data = { "seal-key.b": "another" };
  await timers.advance(5_000);
  expect(told.slice(1)).toEqual([expect.stringContaining(": a is gone, b is another one. ")]);
  world.data = {};
  await timers.advance(5_000);
  world.data = { "seal-key.b": "another", "seal-key.c": "mallory's" };
  await timers.advance(5_000);
  expect(told.slice(2)).toEqual([expect.stringContaining(": b is gone. "), expect.stringContaining("c is new. ")]);
});
