import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { bindingsPath } from "../contract/bodies.ts";
import { type Armed, faults, type Lane, openLanes, type Point, reached } from "./crash/lane.ts";
import { type Ending, endings, isAllowed, live, terminate, type World } from "./crash/life.ts";
import { type Lived, tableOf } from "./crash/table.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { type Person, totpOf } from "./support/endpoint.ts";
import { madeTwice, writesOf } from "./support/history.ts";
import { checkInvariants, extentOf } from "./support/invariants.ts";
import { must } from "./support/lives.ts";

// Each life of a request is lived once, its writes are numbered, and lived again for each of them and each fault. A kill
// "after" is one before the next write as well, for what the process knew dies with it; both are tried all the same.

const people = Array.from({ length: 130 }, (_none, index) => `person-${String(index)}`);
const cluster = useControlPlane({
  installed: "samples",
  users: people.map((name) => ({ name, groups: ["devs"] })),
});
let lanes: readonly Lane[] = [];
let enrolled: Person[] = [];
let world: World;

beforeAll(async () => {
  ({ lanes, world, enrolled } = await openLanes(cluster, 6, people));
}, 180_000);

type Life = { readonly ending: Ending; readonly point?: Point };
type Fault = { readonly ending: Ending; readonly point: Extract<Point, { fault: unknown }> };

const takePerson = (): Person => {
  const person = enrolled.shift();
  if (person === undefined) throw new Error("more lives than people");
  return person;
};

/** Returns the calls that were made. */
async function play(
  lane: Lane,
  name: string,
  { ending, point }: Life,
  person: Person = takePerson(),
): Promise<readonly string[]> {
  const armed: Armed = lane.arm({ request: name, authenticator: totpOf(person.username) }, point);
  const { status } = await live(world, lane, { person, name, ending });
  expect(status?.phase).toBe(ending);
  expect(await isAllowed(world, lane.namespace, person.username)).toBe(false);
  if (point === undefined) await eventually(() => armed.calls.includes(lastCall), 10, "the last Event is written");
  else await reached(armed);
  return armed.calls;
}

const create = "controller POST rolebindings";
const lastCall = "controller POST events Close";

test("EX05a, EX20, RC03: every life, with each of its writes never made or its reply never heard: it ends as it should", async () => {
  const began = performance.now();
  const [lane] = lanes;
  if (lane === undefined) throw new Error("no lane");
  const lives: Fault[] = [];
  const told: string[] = [];
  const lived: Lived[] = [];
  await Promise.all(
    endings.map(async (ending, index) => {
      const calls = await play(lanes[index] ?? lane, `whole-${ending.toLowerCase()}`, { ending });
      expect(new Set(calls).size, "each write is made once").toBe(calls.length);
      for (const fault of faults) lives.push(...calls.map((call) => ({ ending, point: { call, fault } })));
      told.push(`${ending}: ${calls.join(", ")}`);
    }),
  );
  const waiting = lives.map((life, index) => ({ life, name: `life-${String(index)}` }));
  // a lost code costs up to 30 s: those lives first, so that nobody waits for them in the end
  waiting.sort(
    (a, b) => Number(b.life.point.call.includes("verifier")) - Number(a.life.point.call.includes("verifier")),
  );
  const failed: string[] = [];
  await Promise.all(
    lanes.map(async (at) => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { life, name } = next;
        const where = `${at.namespace}/${name} ${life.ending}: ${life.point.call}, ${life.point.fault}`;
        const from = performance.now();
        await play(at, name, life).catch((error: unknown) => failed.push(`${where}: ${String(error)}`));
        lived.push({ life: life.ending, fault: life.point.fault, ms: performance.now() - from });
      }
    }),
  );
  process.stderr.write(`${told.toSorted().join("\n")}\n${tableOf(lived, performance.now() - began)}\n`);
  expect(failed).toEqual([]);
}, 600_000);

test("RC04: released or revoked between the last read and the create: what was made is gone, and it never was Active", async () => {
  const [one, two] = lanes;
  if (one === undefined || two === undefined) throw new Error("no lanes");
  await Promise.all([expectRaced(one, "Released"), expectRaced(two, "Revoked")]);
});

test("RC04: gone between the last read and the create: what was made is gone at once", async () => {
  const [lane] = lanes;
  if (lane === undefined) throw new Error("no lane");
  const person = takePerson();
  // nobody but these may delete it now; a namespace that ends does it so
  const collector = "system:serviceaccount:kube-system:generic-garbage-collector";
  const meanwhile = async (): Promise<void> => {
    await cluster.kubectl("admin", "delete", "elev", "gone", "-n", lane.namespace, "--as", collector);
  };
  const armed = lane.arm({ request: "gone", authenticator: totpOf(person.username) }, { call: create, meanwhile });
  await expect(live(world, lane, { person, name: "gone", ending: "Released" })).rejects.toThrow(/not found/);
  await reached(armed);
  const isBound = async (): Promise<boolean> =>
    JSON.stringify(await must(world.plane, "admin", "GET", bindingsPath(lane.namespace))).includes("elevate:gone:");
  await eventually(async () => !(await isBound()), 5, "the binding is gone");
  expect(await isAllowed(world, lane.namespace, person.username)).toBe(false);
});

test("I1 to I6, I8 to I10 hold in all of it, and nothing is written any more", async () => {
  const { plane } = cluster;
  const before = writesOf(await readFile(plane.auditLog, "utf8")).length;
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // longer than from one list to the next
  expect(writesOf(await readFile(plane.auditLog, "utf8")).length).toBe(before);
  expect(await checkInvariants(plane, { downs: lanes.flatMap(({ downs }) => downs) })).toEqual([]);
  const log = await readFile(plane.auditLog, "utf8");
  expect(madeTwice(log), "RC03: one binding a request, and one Event a step of it").toEqual([]);
  const { requests, bindings } = extentOf(log);
  process.stderr.write(`invariants over ${String(requests)} requests, ${String(bindings)} bindings\n`);
  expect(bindings).toBeGreaterThan(requests / 2);
});

async function expectRaced(lane: Lane, ending: Ending): Promise<void> {
  const person = takePerson();
  const about = { namespace: lane.namespace, name: `raced-${ending.toLowerCase()}` };
  const by = ending === "Released" ? person.username : "sre";
  const meanwhile = async (): Promise<void> => terminate(world.plane, by, about);
  const calls = await play(lane, about.name, { ending, point: { call: create, meanwhile } }, person);
  expect(calls).toContain("controller DELETE rolebindings");
  expect(calls).not.toContain("controller PATCH elevationrequests/status Active");
}
