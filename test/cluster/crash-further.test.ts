import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { drift, isSwept, type Life, lives, nameOf } from "./crash/further.ts";
import { type Fault, faults, type Lane, openLanes, reached } from "./crash/lane.ts";
import type { World } from "./crash/life.ts";
import { type Lived, tableOf } from "./crash/table.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { type Person, totpOf } from "./support/endpoint.ts";
import { withoutGuard } from "./support/guard.ts";
import { madeTwice, writesOf } from "./support/history.ts";
import { checkInvariants } from "./support/invariants.ts";

// The crash points of what is around a grant: enrollment, wrong codes, bindings changed or deleted by hand, retention,
// invitations, the sweeper. Each life is lived once, and again for each of its own writes and each fault.

const people = Array.from({ length: 50 }, (_none, index) => `person-${String(index)}`);
const newcomers = Array.from({ length: 40 }, (_none, index) => `newcomer-${String(index)}`);
const cluster = useControlPlane({
  installed: "samples",
  users: [...people, ...newcomers].map((name) => ({ name, groups: ["devs"] })),
});
const lived: Lived[] = [];
const failed: string[] = [];
let lanes: readonly Lane[] = [];
let enrolled: Person[] = [];
let world: World;

beforeAll(async () => {
  ({ lanes, world, enrolled } = await openLanes(cluster, 6, people));
}, 180_000);

type Try = { readonly life: Life; readonly call?: string; readonly fault?: Fault };

function takePerson(life: Life): Person {
  const newcomer = life.enrolled ? undefined : newcomers.shift();
  const person = newcomer === undefined ? enrolled.shift() : { username: newcomer, ticket: "", seed: "" };
  if (person === undefined) throw new Error("more lives than people");
  return person;
}

/** Returns the calls that were made. */
async function play(lane: Lane, { life, call, fault }: Try): Promise<readonly string[]> {
  const person = takePerson(life);
  const about = { request: nameOf(person), authenticator: totpOf(person.username) };
  const isPoint = call !== undefined && fault !== undefined && !isSwept(call);
  const armed = lane.arm(about, isPoint ? { call, fault } : undefined);
  await life.live(world, lane, fault === undefined ? { person } : { person, fault });
  if (isPoint) await reached(armed);
  const { last } = life;
  if (call === undefined && last !== undefined)
    await eventually(() => armed.calls.includes(last), 30, `${life.life}: the last Event is written`);
  return armed.calls;
}

async function inLanes(tries: readonly Try[], each: (lane: Lane, one: Try) => Promise<void>): Promise<void> {
  const waiting = [...tries];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { life, call = "no", fault = "fault" } = next;
        const where = `${lane.namespace} ${life.life}: ${call}, ${fault}`;
        await each(lane, next).catch((error: unknown) => failed.push(`${where}: ${String(error)}`));
      }
    }),
  );
}

async function failuresOf(all: readonly Life[]): Promise<readonly string[]> {
  const began = performance.now();
  const points: Try[] = [];
  await inLanes(
    all.map((life) => ({ life })),
    async (lane, { life }) => {
      const calls = life.own(await play(lane, { life }));
      process.stderr.write(`${life.life}: ${calls.join(", ")}\n`);
      points.push(...calls.flatMap((call) => faults.map((fault) => ({ life, call, fault }))));
    },
  );
  await inLanes(points, async (lane, { life, call, fault }) => {
    const from = performance.now();
    if (call === undefined || fault === undefined) return;
    await play(lane, { life, call, fault });
    lived.push({ life: life.life, fault, ms: performance.now() - from });
  });
  process.stderr.write(`${tableOf(lived.splice(0), performance.now() - began)}\n`);
  return failed.splice(0);
}

test("EX05: enrollment, wrong codes, a binding deleted by hand, retention, invitations, the sweeper: each write never made, or its reply never heard", async () => {
  expect(await failuresOf(lives)).toEqual([]);
}, 300_000);

test("EX05, EX30: a binding changed by hand: each write of its end never made, or its reply never heard", async () => {
  expect(await withoutGuard(cluster, async () => failuresOf([drift]))).toEqual([]);
}, 120_000);

test("I1 to I6, I8 to I10 hold in all of it, and nothing is written any more", async () => {
  const { plane } = cluster;
  const before = writesOf(await readFile(plane.auditLog, "utf8")).length;
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // longer than from one list to the next
  const log = await readFile(plane.auditLog, "utf8");
  expect(writesOf(log)).toHaveLength(before);
  expect(await checkInvariants(plane, { downs: lanes.flatMap(({ downs }) => downs) })).toEqual([]);
  expect(madeTwice(log)).toEqual([]);
});
