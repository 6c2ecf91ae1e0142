import { expect, test } from "vitest";
import { fakeAdmission } from "../../test/fakes/admission.ts";
import { asked, meta } from "../../test/fakes/objects.ts";
import { fakeTimers, settle } from "../../test/fakes/timers.ts";
import { formatInstant, later, parseInstant } from "../domain/time.ts";
import type { AdmissionObjects, Pace } from "./ports.ts";
import { createProtection } from "./protection.ts";

// One replica or two that watch an admission in memory, by a clock and timers that the test moves.

const start = parseInstant("2026-11-24T10:00:00Z");
const second = 1_000;

function play(change: (objects: AdmissionObjects) => AdmissionObjects = (objects) => objects) {
  const world = { now: start };
  const timers = fakeTimers(world);
  const admission = fakeAdmission();
  const replica = () => {
    const told: string[] = [];
    const lines: string[] = [];
    let changes = 0;
    const line = (_fields: object, message: string): number => lines.push(message);
    const protection = createProtection({
      admission: change(admission.objects),
      clock: () => world.now,
      elapsedMs: () => world.now - start,
      after: timers.after,
      log: { info: line, warn: line },
      announcer: { announce: ({ reason, message }) => told.push(`${reason}: ${message}`) },
      onChange: () => changes++,
    });
    return { ...protection, told, lines, changes: () => changes };
  };
  const made = (ms: number) => ({
    metadata: { ...meta, namespace: "shop", name: "fix", creationTimestamp: formatInstant(later(start, ms)) },
    spec: asked,
  });
  return { world, timers, ...admission, objects: admission, replica, made };
}
/** A replica that has looked, two seconds and more ago. */
async function standing() {
  const played = play();
  const replica = played.replica();
  replica.start();
  await played.timers.advance(5 * second);
  played.asked.length = 0;
  return { ...played, one: replica };
}
const word = async (refusal: Promise<{ readonly reason: string } | undefined>) => (await refusal)?.reason ?? "believed";

test("IA30: with none kept it takes requests of two seconds later, is not ready before, and keeps what it saw", async () => {
  const { replica, timers, made, kept, asked: calls } = play();
  const one = replica();
  expect(one.check()).toBe("admission was not looked at yet");
  expect(one.remembers(made(0))).toBeUndefined();
  one.start();
  await settle();
  expect(calls).toEqual(["versions", "differences", "probe", "swap"]);
  expect(kept()).toEqual({ versions: "v1", protectedSince: "2026-11-24T10:00:02.000Z" });
  expect(one.check()).toBe("requests are believed from 2026-11-24T10:00:02.000Z on");
  expect(await word(one.refuses(made(1_999)))).toBe("AdmissionUnprotected");
  expect(await word(one.refuses(made(2_000)))).toBe("believed");
  await timers.advance(2 * second);
  expect(one.check()).toBeUndefined();
  expect(one.told).toEqual([]); // a first install is no news
});

test("IA30: a replica that starts later goes on with what was kept, at once", async () => {
  const { replica, timers, made, kept } = await standing();
  const before = kept();
  const two = replica();
  await timers.advance(second);
  expect(await word(two.refuses(made(2_000)))).toBe("believed");
  expect([two.check(), two.told, kept()]).toEqual([undefined, [], before]);
});

test("IA12: a hole is found within 5 s: nothing is granted, it is told once, and no versions are kept", async () => {
  const { world, objects, timers, one, made, kept } = await standing();
  objects.stored.versions = "v2";
  objects.stored.holes.push("a wall is down", "and another");
  await timers.advance(5 * second);
  expect(one.hole()).toBe("a wall is down; and 1 more");
  expect(one.check()).toBe("a wall is down; and 1 more");
  expect(one.remembers(made(4_000))?.message).toContain("a wall is down; and 1 more");
  expect([kept(), one.changes()]).toEqual([{ state: "admission was not as shipped" }, 2]);
  await timers.advance(20 * second);
  expect(one.told).toEqual(["AdmissionUnprotected: nothing is granted: a wall is down; and 1 more"]);

  Object.assign(objects.stored, { versions: "v3", holes: [] });
  await timers.advance(5 * second);
  expect([one.hole(), one.changes()]).toEqual([undefined, 3]);
  expect(one.told.slice(1)).toEqual([
    expect.stringContaining("AdmissionProtected: admission (v3) changed, and is as shipped"),
  ]);
  expect(await word(one.refuses(made(world.now - start - second)))).toBe("AdmissionUnprotected");
  expect(await word(one.refuses(made(world.now - start + 2 * second)))).toBe("believed");
});

test("IA12: a read that was wrong heals, with no other version, and begins anew", async () => {
  const { world, objects, timers, one, made } = await standing();
  Object.assign(objects.stored, { versions: "v2", holes: ["a kind is not there"] });
  await timers.advance(5 * second);
  expect(one.hole()).toBe("a kind is not there");
  objects.stored.holes = [];
  await timers.advance(5 * second);
  expect(one.hole()).toBeUndefined();
  expect(await word(one.refuses(made(4 * second)))).toBe("AdmissionUnprotected");
  expect(await word(one.refuses(made(world.now - start + 2 * second)))).toBe("believed");
});

test("IA12: what is absent is a hole, also where it was there again when the objects were read", async () => {
  const { objects, timers, one } = await standing();
  objects.stored.versions = "policy a uid 1\nbinding b -";
  await timers.advance(5 * second);
  expect(one.hole()).toBe("binding b is not there");
});

test("IA30: off and on again between two looks: no hole, and no request from before is believed", async () => {
  const { objects, timers, one, made, kept } = await standing();
  expect(await word(one.refuses(made(4 * second)))).toBe("believed");
  objects.stored.versions = "v3";
  await timers.advance(5 * second);
  expect(one.hole()).toBeUndefined();
  expect(await word(one.refuses(made(4 * second)))).toBe("AdmissionUnprotected");
  expect(kept()).toEqual({ versions: "v3", protectedSince: "2026-11-24T10:00:12.000Z" });
  expect(one.told).toEqual([expect.stringContaining("requests made before 2026-11-24T10:00:12.000Z are denied")]);
});

test("IA30: the same with no replica running: whoever starts denies what is older, and tells it", async () => {
  const { objects, one, replica, made } = await standing();
  one.stop();
  objects.stored.versions = "v3";
  const two = replica();
  expect(await word(two.refuses(made(4 * second)))).toBe("AdmissionUnprotected");
  expect(two.told).toHaveLength(1);
});

test("IA12: a hole that is cured while no replica runs is told as cured by whoever starts", async () => {
  const { objects, timers, one, replica } = await standing();
  Object.assign(objects.stored, { versions: "v2", holes: ["a wall is down"] });
  await timers.advance(5 * second);
  one.stop();
  Object.assign(objects.stored, { versions: "v3", holes: [] });
  const two = replica();
  await two.look();
  expect(two.told).toEqual([expect.stringContaining("AdmissionProtected: admission changed, and is as shipped")]);
});

test("IA30: what changed is named, of many the first", async () => {
  const { objects, timers, one } = await standing();
  for (const generation of [1, 2]) {
    const lines = Array.from({ length: 12 }, (_, i) => `policy p${String(i)} uid ${String(i < 2 ? 1 : generation)}`);
    objects.stored.versions = lines.join("\n");
    await timers.advance(5 * second);
  }
  expect(one.told.at(-1)).toContain("admission (policy p2, policy p3, policy p4");
  expect(one.told.at(-1)).toContain("policy p9 and 2 more) changed");
});

test("IA31: what is kept is emptied or set by hand: begun anew and kept again; gone: begun anew, once", async () => {
  const { objects, timers, one, made, kept, replica } = await standing();
  objects.put({});
  await timers.advance(5 * second);
  expect(kept()).toEqual({ versions: "v1", protectedSince: "2026-11-24T10:00:12.000Z" });
  expect(await word(one.refuses(made(9 * second)))).toBe("AdmissionUnprotected");
  objects.put({ versions: "v1", protectedSince: "2026-11-24T10:00:00.000Z" });
  await timers.advance(5 * second);
  expect(await word(one.refuses(made(9 * second)))).toBe("AdmissionUnprotected"); // it remembers
  objects.drop();
  await timers.advance(5 * second);
  expect(await word(one.refuses(made(19 * second)))).toBe("AdmissionUnprotected");
  await timers.advance(30 * second);
  expect(await word(one.refuses(made(22 * second)))).toBe("believed");
  expect(one.lines).toContain("configmap kube-elevate-seen is gone: apply it again");
  expect(await word(replica().refuses(made(22 * second)))).toBe("AdmissionUnprotected");
});

test("IA33: what is stored and not enforced the probe finds, within 5 min, and it probes until it is refused again", async () => {
  const { objects, timers, one, made, asked: calls, kept } = await standing();
  objects.stored.probe = "the probe was let through";
  await timers.advance(294 * second);
  expect([one.hole(), calls.includes("probe")]).toEqual([undefined, false]);
  await timers.advance(10 * second);
  expect([one.hole(), kept()?.["versions"]]).toEqual(["the probe was let through", undefined]);
  calls.length = 0;
  await timers.advance(10 * second);
  expect(calls.filter((call) => call === "probe")).toHaveLength(2);
  objects.stored.probe = undefined;
  await timers.advance(5 * second);
  expect(one.hole()).toBeUndefined();
  expect(await word(one.refuses(made(300 * second)))).toBe("AdmissionUnprotected");
});

test("IA34: a field that is not known is told once, and denies nobody", async () => {
  const { replica, objects, timers, made } = play();
  objects.stored.extras.push("spec.evaluationMode is new");
  const one = replica();
  one.start();
  await timers.advance(30 * second);
  expect(one.told).toEqual(["AdmissionExtended: not known to this version: spec.evaluationMode is new"]);
  expect([one.check(), await word(one.refuses(made(2 * second)))]).toEqual([undefined, "believed"]);
});

test("looks of several requests at once are one look, that of this second does, and one that is older does not", async () => {
  const { one, timers, made, asked: calls } = await standing();
  await timers.advance(2 * second); // between two looks of its own
  await Promise.all([1, 2, 3].map(async () => one.refuses(made(3 * second))));
  expect(calls.filter((call) => call === "versions")).toHaveLength(1);
  await timers.advance(second);
  await one.refuses(made(3 * second));
  expect(calls.filter((call) => call === "versions")).toHaveLength(1);
  await timers.advance(1);
  await one.refuses(made(3 * second));
  expect(calls.filter((call) => call === "versions")).toHaveLength(2);
});

test("who comes while a look hangs waits for one that began later, and all who do for the same", async () => {
  const hanging: (() => void)[] = [];
  const { replica, timers, made, world, objects } = play((all) => ({
    ...all,
    async versions() {
      const versions = objects.stored.versions;
      await new Promise<void>((resolve) => void hanging.push(resolve));
      return versions;
    },
  }));
  const one = replica();
  void one.refuses(made(0));
  await settle();
  await timers.advance(2 * second);
  objects.stored.versions = "v2";
  const others = [one.refuses(made(4 * second)), one.refuses(made(4 * second))].map(word);
  await settle();
  expect(hanging).toHaveLength(1);
  hanging[0]?.();
  await settle();
  expect(hanging).toHaveLength(2);
  hanging[1]?.();
  expect(await Promise.all(others)).toEqual(["believed", "believed"]);
  expect(world.now).toBe(later(start, 2 * second));
});

test("who asks for a look after a moment waits for one that begins then, and all who do for the same", async () => {
  const { one, made, objects, asked: calls } = await standing();
  objects.stored.versions = "v2"; // in the second of the last look
  expect(await word(one.refuses(made(4 * second)))).toBe("believed");
  const words = [1, 2, 3].map(async () => word(one.refuses(made(4 * second), one.moment())));
  expect(await Promise.all(words)).toEqual(words.map(() => "AdmissionUnprotected"));
  const earlier = one.moment() - 1;
  expect(await word(one.refuses(made(4 * second), earlier))).toBe("AdmissionUnprotected");
  expect(calls.filter((call) => call === "versions")).toHaveLength(1);
});

test("a look that nobody waits for takes its time; who comes before it has begun hurries it", async () => {
  const paces: Pace[] = [];
  const hanging: (() => void)[] = [];
  const { replica, timers, made } = play((all) => ({
    ...all,
    async versions(pace) {
      paces.push(pace);
      await new Promise<void>((resolve) => void hanging.push(resolve));
      return all.versions(pace);
    },
  }));
  const one = replica();
  one.start();
  await timers.advance(2 * second);
  const two = [one.refuses(made(4 * second)), one.refuses(made(4 * second), one.moment())];
  hanging[0]?.();
  await settle();
  hanging[1]?.();
  await Promise.all(two);
  await timers.advance(5 * second); // its own turn again
  expect(paces).toEqual(["one by one", "all at once", "one by one"]);
});

test("a look that is not answered is no answer: it throws, and the next one may be answered", async () => {
  let down = true;
  const { replica, timers, made } = play((all) => ({
    ...all,
    versions: async (pace) => (down ? Promise.reject(new Error("no answer")) : all.versions(pace)),
  }));
  const one = replica();
  one.start();
  await expect(one.refuses(made(0))).rejects.toThrow("no answer");
  await timers.advance(20 * second);
  expect(one.lines).toEqual(["admission could not be looked at, which is tried again"]);
  down = false;
  await timers.advance(7 * second);
  expect(await word(one.refuses(made(27 * second)))).toBe("believed");
  down = true;
  await timers.advance(10 * second);
  await expect(one.refuses(made(27 * second))).rejects.toThrow("no answer");
  expect(one.check()).toBeUndefined();
  await timers.advance(60 * second);
  expect(one.check()).toMatch(/^admission was not looked at for \d\d s$/);
});

test("two replicas that see a change at once agree: one keeps its time, and both go by the later one", async () => {
  const { objects, timers, one, replica, made, kept } = await standing();
  const two = replica();
  two.start();
  await settle();
  objects.stored.versions = "v2";
  await timers.advance(10 * second);
  const since = parseInstant(kept()?.["protectedSince"]);
  for (const replicas of [one, two]) {
    expect(await word(replicas.refuses(made(since - start - 1)))).toBe("AdmissionUnprotected");
    expect(await word(replicas.refuses(made(since - start)))).toBe("believed");
  }
  expect([...one.told, ...two.told]).toHaveLength(2); // each saw it itself
});
