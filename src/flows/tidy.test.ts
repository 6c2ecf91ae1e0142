import { expect, test } from "vitest";
import { asked, meta, totpOfAlice } from "../../test/fakes/objects.ts";
import { fakeTimers, settle } from "../../test/fakes/timers.ts";
import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { formatInstant, later, parseInstant } from "../domain/time.ts";
import type { Kept } from "./ports.ts";
import { createTidying } from "./tidy.ts";

const start = parseInstant("2026-11-24T10:00:00Z");
const hour = 3_600_000;

const ended = (name: string, hoursAgo: number): ElevationRequest => ({
  metadata: { ...meta, name, namespace: "shop" },
  spec: asked,
  status: { phase: "Expired", reason: "Expired", endTime: formatInstant(later(start, -hoursAgo * hour)) },
});
const invited = (name: string, hoursFromNow: number): Authenticator => ({
  metadata: { ...meta, name },
  spec: { ...totpOfAlice.spec, expirationTime: formatInstant(later(start, hoursFromNow * hour)) },
});

/** Pages of two. What is deleted here is what was deleted by the very object that was seen. */
function fakeKept<T extends { readonly metadata: { readonly name: string } }>(there: readonly T[]) {
  const world = {
    objects: [...there],
    rounds: 0,
    read: 0,
    broken: false,
    onRemove: async (_object: T): Promise<"won" | "lost"> => "won",
  };
  const kept: Kept<T> = {
    async *pages() {
      world.rounds++;
      if (world.broken) throw new Error("503");
      const all = [...world.objects];
      while (all.length > 0) {
        world.read++;
        yield all.splice(0, 2);
      }
    },
    async remove(object) {
      const outcome = await world.onRemove(object);
      if (outcome === "won") world.objects = world.objects.filter((each) => each !== object);
      return outcome;
    },
  };
  const names = (): readonly string[] => world.objects.map(({ metadata }) => metadata.name);
  return { world, kept, names };
}

function play({
  requests = [],
  authenticators = [],
}: {
  readonly requests?: readonly ElevationRequest[];
  readonly authenticators?: readonly Authenticator[];
}) {
  const world = { now: start };
  const timers = fakeTimers(world);
  const records = fakeKept(requests);
  const invitations = fakeKept(authenticators);
  const lines: string[] = [];
  const line = (_fields: object, message: string): unknown => lines.push(message);
  const tidying = createTidying({
    requests: records.kept,
    authenticators: invitations.kept,
    retentionMs: 720 * hour,
    clock: () => world.now,
    after: timers.after,
    log: { info: line, warn: line },
  });
  return { timers, records, invitations, lines, tidying };
}

test("EX36: what ended 720h ago goes soon after the start, the rest within the hour after its time", async () => {
  const { timers, records, lines, tidying } = play({
    requests: [ended("old", 800), ended("due", 720), ended("soon", 719.5), ended("young", 24)],
  });
  tidying.start();
  await timers.advance(9_999);
  expect(records.world.rounds).toBe(0);
  await timers.advance(1_000);
  expect(records.names()).toEqual(["soon", "young"]);
  await timers.advance(hour + 1_000);
  expect(records.names()).toEqual(["young"]);
  expect(lines.filter((line) => line === "records whose retention was over are deleted")).toHaveLength(2);
  await tidying.stop();
});

test("EX06: 60 days at a time: no timer is longer than an hour, none fires at once, and history is read hourly", async () => {
  const { timers, records, tidying } = play({ requests: [ended("young", 0)] });
  tidying.start();
  await timers.advance(25 * 24 * hour);
  expect(records.names()).toEqual(["young"]);
  await timers.advance(35 * 24 * hour);
  expect(records.names()).toEqual([]);
  expect(Math.max(...timers.delays)).toBe(hour);
  expect(Math.min(...timers.delays)).toBeGreaterThan(0);
  expect(records.world.rounds).toBeLessThanOrEqual(60 * 24 + 1);
  await tidying.stop();
});

test("there is a pause after each page", async () => {
  const { timers, records, tidying } = play({ requests: ["a", "b", "c", "d", "e"].map((name) => ended(name, 800)) });
  tidying.start();
  await timers.advance(10_000);
  expect([records.world.read, records.names()]).toEqual([1, ["c", "d", "e"]]);
  await timers.advance(50);
  expect([records.world.read, records.names()]).toEqual([2, ["e"]]);
  await tidying.stop();
});

test("EN16: an invitation that ran out goes within 5 min", async () => {
  const { timers, invitations, tidying } = play({ authenticators: [invited("soon", 0.05), invited("later", 48)] });
  tidying.start();
  await timers.advance(11_000);
  expect(invitations.names()).toEqual(["soon", "later"]);
  await timers.advance(300_000);
  expect(invitations.names()).toEqual(["later"]);
  await tidying.stop();
});

test("one that is refused, and one that somebody changed meanwhile, hold up no other; next hour they are tried again", async () => {
  const { timers, records, lines, tidying } = play({ requests: ["a", "b", "c", "d"].map((name) => ended(name, 800)) });
  records.world.onRemove = async ({ metadata: { name } }) => {
    if (name === "a") throw new Error("a webhook says no");
    return name === "b" ? "lost" : "won";
  };
  tidying.start();
  await timers.advance(11_000);
  expect(records.names()).toEqual(["a", "b"]);
  expect(lines).toEqual(["records whose retention was over are deleted", "some could not be deleted"]);
  records.world.onRemove = async () => "won";
  await timers.advance(hour);
  expect(records.names()).toEqual([]);
  await tidying.stop();
});

test("a list that fails is told, and the next round tries again; the other chore goes on", async () => {
  const { timers, records, invitations, lines, tidying } = play({
    requests: [ended("old", 800)],
    authenticators: [invited("late", -1)],
  });
  records.world.broken = true;
  tidying.start();
  await timers.advance(11_000);
  expect([records.names(), invitations.names()]).toEqual([["old"], []]);
  expect(lines).toContain("a round failed; the next tries again");
  records.world.broken = false;
  await timers.advance(hour);
  expect(records.names()).toEqual([]);
  await tidying.stop();
});

test("stop: nothing more is deleted, no timer is left, and it waits for the deletion under way", async () => {
  const { timers, records, tidying } = play({ requests: ["a", "b", "c"].map((name) => ended(name, 800)) });
  const held = Promise.withResolvers<"won">();
  records.world.onRemove = async () => held.promise;
  tidying.start();
  await timers.advance(10_000);
  let over = false;
  const stopped = tidying.stop().then(() => (over = true));
  await settle();
  expect(over).toBe(false);
  held.resolve("won");
  await stopped;
  expect([records.names(), timers.armed()]).toEqual([["b", "c"], 0]);
});

test("stopped before its first round, and before its start, it does nothing", async () => {
  const { timers, records, tidying } = play({ requests: [ended("old", 800)] });
  tidying.start();
  await settle();
  await tidying.stop();
  tidying.start();
  await timers.advance(2 * hour);
  expect([records.world.rounds, timers.armed()]).toEqual([0, 0]);
});
