import { expect, test } from "vitest";
import type { RoleBinding } from "../domain/binding.ts";
import { parseInstant } from "../domain/time.ts";
import type { SweptBindings } from "./ports.ts";
import { sweep } from "./sweep.ts";

const now = parseInstant("2026-11-24T12:00:00Z");
const past = "2026-11-24T11:59:00Z";

const binding = (name: string, expiration: string): RoleBinding => ({
  metadata: {
    name,
    namespace: "shop",
    uid: `uid of ${name}`,
    resourceVersion: "1",
    creationTimestamp: "2026-11-24T11:00:00Z",
    annotations: { "kube-elevate.dev/expiration-time": expiration },
  },
});

function play(...there: readonly RoleBinding[]) {
  const world = {
    bindings: new Map(there.map((each) => [each.metadata.uid, each])),
    lists: 0,
    listFails: false,
    removed: [] as string[],
    /** What DELETE does to this one, instead of deleting it. */
    faults: new Map<string, () => void>(),
  };
  const bindings: SweptBindings = {
    async listAll() {
      world.lists++;
      if (world.listFails) throw new Error("503");
      return [...world.bindings.values()];
    },
    async remove({ metadata: { name, uid } }) {
      world.removed.push(name);
      const fault = world.faults.get(name);
      if (fault !== undefined) fault();
      else world.bindings.delete(uid);
    },
  };
  const lines: string[] = [];
  const line = (fields: object, message: string): unknown =>
    lines.push("binding" in fields ? `${String(fields.binding)}: ${message}` : message);
  const run = async (): Promise<boolean> => sweep({ bindings, clock: () => now, log: { info: line, warn: line } });
  return { world, lines, run };
}

test("EX35: what is overdue goes, what is not due and what is somebody else's stays, and it says so", async () => {
  const { world, lines, run } = play(
    binding("elevate:a:0", past),
    binding("elevate:b:0", "2026-11-24T12:30:00Z"),
    binding("elevate:c:0", "whenever"),
    binding("theirs", past),
  );
  expect(await run()).toBe(true);
  expect([...world.bindings.values()].map(({ metadata }) => metadata.name)).toEqual(["elevate:b:0", "theirs"]);
  expect(lines).toEqual(["elevate:a:0: an overdue binding is gone", "elevate:c:0: an overdue binding is gone"]);
});

test("nothing overdue costs one list", async () => {
  const { world, lines, run } = play(binding("elevate:b:0", "2026-11-24T12:30:00Z"));
  expect(await run()).toBe(true);
  expect([world.lists, world.removed, lines]).toEqual([1, [], ["no binding is overdue"]]);
});

test("EX35: one that is refused holds up no other, and the pass says that it did not end all", async () => {
  const many = Array.from({ length: 40 }, (_, index) => binding(`elevate:n${index}:0`, past));
  const { world, lines, run } = play(binding("elevate:a:0", past), ...many);
  world.faults.set("elevate:a:0", () => {
    throw new Error("a webhook says no");
  });
  expect(await run()).toBe(false);
  expect([...world.bindings.values()].map(({ metadata }) => metadata.name)).toEqual(["elevate:a:0"]);
  expect(lines).toContain("elevate:a:0: an overdue binding could not be deleted");
  expect(lines).toContain("elevate:a:0: an overdue binding is still there");
});

test("the answer to DELETE is not believed: one that a finalizer keeps is not gone", async () => {
  const { world, run } = play(binding("elevate:a:0", past));
  world.faults.set("elevate:a:0", () => undefined);
  expect(await run()).toBe(false);
});

test("one that somebody else deleted meanwhile is gone, whatever DELETE said", async () => {
  const { world, run } = play(binding("elevate:a:0", past));
  world.faults.set("elevate:a:0", () => {
    world.bindings.clear();
    throw new Error("nothing within 15000 ms");
  });
  expect(await run()).toBe(true);
});

test("a list that fails is no pass: neither the first nor the second", async () => {
  const { world, run } = play(binding("elevate:a:0", past));
  world.listFails = true;
  await expect(run()).rejects.toThrow("503");
  expect(world.removed).toEqual([]);
  world.listFails = false;
  world.faults.set("elevate:a:0", () => {
    world.listFails = true;
  });
  await expect(run()).rejects.toThrow("503");
});
