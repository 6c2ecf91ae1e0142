import { expect, test } from "vitest";
import { fakeTimers, settle } from "../../test/fakes/timers.ts";
import { instant } from "../domain/time.ts";
import { createQueue } from "./queue.ts";

/** Jobs that go on until they are told to be done. */
function play(limits = { atOnce: 4, grantsAtOnce: 2 }) {
  const world = { now: instant(0) };
  const timers = fakeTimers(world);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = async (id: string): Promise<void> => {
    begun.push(id);
    await new Promise<void>((resolve) => {
      ends.set(id, resolve);
    });
  };
  const done = async (id: string): Promise<void> => {
    ends.get(id)?.();
    await settle();
  };
  return { queue: createQueue({ run, after: timers.after, ...limits }), begun, done, timers };
}

test("one key never runs twice at once, and what comes meanwhile runs once more", async () => {
  const { queue, begun, done } = play();
  for (let i = 0; i < 3; i++) queue.add("a", "grant");
  expect(begun).toEqual(["a"]);
  await done("a");
  expect(begun).toEqual(["a", "a"]);
  await done("a");
  expect(begun).toEqual(["a", "a"]);
});

test("EX34: an ending goes first, and no grant starts while its first try is under way", async () => {
  const { queue, begun, done } = play();
  for (const id of ["g1", "g2", "g3"]) queue.add(id, "grant");
  queue.add("e1", "end");
  expect(begun).toEqual(["g1", "g2", "e1"]); // the third grant waits for room, the ending does not
  await done("g1");
  expect(begun).toEqual(["g1", "g2", "e1"]); // there is room now, but an ending is under way
  queue.add("b1", "bound");
  expect(begun.at(-1)).toBe("b1");
  await done("e1");
  expect(begun.at(-1)).toBe("g3");
});

test("EX34: all that is due is asked to go before any record is closed, and grants wait for both", async () => {
  const { queue, begun, done } = play({ atOnce: 1, grantsAtOnce: 1 });
  const told: string[] = [];
  queue.add("e1", "end");
  queue.add("g", "grant");
  queue.add("e1", "close"); // runs: once more, afterwards
  for (const id of ["b", "e2", "e3"]) queue.add(id, id === "b" ? "bound" : "end");
  void queue.endings().then(() => told.push("ended"));
  for (const id of ["e1", "e2", "e3", "b"]) await done(id);
  expect([begun, told]).toEqual([["e1", "e2", "e3", "b", "e1"], []]);
  await done("e1");
  expect([begun.at(-1), told]).toEqual(["g", ["ended"]]);
});

test("what waits as a grant and is overdue meanwhile goes before the others", async () => {
  const { queue, begun, done } = play({ atOnce: 1, grantsAtOnce: 1 });
  for (const id of ["a", "b", "c"]) queue.add(id, "grant");
  queue.add("c", "end");
  await done("a");
  expect(begun).toEqual(["a", "c"]);
});

test("grants wait for an ending that hangs, but not for ever", async () => {
  const { queue, begun, timers } = play();
  queue.add("e", "end");
  queue.add("g", "grant");
  await timers.advance(999);
  expect(begun).toEqual(["e"]);
  await timers.advance(1);
  expect(begun).toEqual(["e", "g"]);
});

test("endings() is told when the last is done, stop() when nothing runs, and then nothing starts", async () => {
  const { queue, begun, done } = play();
  const told: string[] = [];
  queue.add("e", "end");
  queue.add("b", "bound");
  void queue.endings().then(() => told.push("ended"));
  await settle();
  expect(told).toEqual([]);
  await done("e");
  expect(told).toEqual(["ended"]);
  void queue.stop().then(() => told.push("stopped"));
  queue.add("x", "end");
  await done("b");
  expect(told).toEqual(["ended", "stopped"]);
  expect(begun).toEqual(["e", "b"]);
});

test("DS01: many of one share hold up no other: it waits for one of each, at any rank, also where it runs once more", async () => {
  const { queue, begun, done } = play({ atOnce: 2, grantsAtOnce: 1 });
  for (let i = 0; i < 1_000; i++) queue.add(`a${String(i)}`, "grant", "alice");
  queue.add("a0", "grant", "alice");
  queue.add("b0", "grant", "bob");
  await done("a0");
  await done("a1");
  expect(begun).toEqual(["a0", "a1", "b0"]);
  queue.add("b0", "grant", "bob"); // while it runs
  await done("b0");
  await done("a2");
  expect(begun.slice(3)).toEqual(["a2", "b0"]);
});
