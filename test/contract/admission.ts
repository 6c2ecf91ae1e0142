import { expect, test } from "vitest";
import type { AdmissionObjects } from "../../src/flows/ports.ts";

// What the watch of admission relies on, of admission in memory and of the real one.

export type AdmissionWorld = {
  readonly objects: AdmissionObjects;
  /** One object is written by an admin so that it refuses less; then as it was shipped. */
  readonly weaken: () => Promise<void>;
  readonly mend: () => Promise<void>;
};

const present = <T>(object: T | undefined): T => object ?? expect.fail("it is not there");

export function holdAdmission(world: () => AdmissionWorld): void {
  test("ports: admission as shipped differs in nothing, is probed without a trace, and is the same version each time", async () => {
    const { objects } = world();
    expect(await objects.differences()).toEqual({ holes: [], extras: [] });
    expect([await objects.probe(), await objects.probe()]).toEqual([undefined, undefined]);
    expect(await objects.versions("all at once")).toBe(await objects.versions("one by one"));
  });

  test("ports: each change of admission is another version, one that was changed back is none that was before", async () => {
    const { objects, weaken, mend } = world();
    const shipped = await objects.versions("one by one");
    await weaken();
    const weakened = await objects.versions("one by one");
    expect((await objects.differences()).holes).toHaveLength(1);
    await mend();
    expect(new Set([shipped, weakened, await objects.versions("one by one")]).size).toBe(3);
    expect(await objects.differences()).toEqual({ holes: [], extras: [] });
  });

  test("ports: what is kept is replaced whole, by one of many, and lost on what changed meanwhile", async () => {
    const { objects } = world();
    const before = present(await objects.seen());
    const outcomes = await Promise.all(
      ["a", "b", "c"].map(async (versions) => objects.swapSeen(before, { versions, protectedSince: "x" })),
    );
    expect(outcomes.toSorted()).toEqual(["lost", "lost", "won"]);
    const kept = present(await objects.seen());
    expect(Object.keys(kept.data).toSorted()).toEqual(["protectedSince", "versions"]);
    expect(await objects.swapSeen(kept, {})).toBe("won");
    expect((await objects.seen())?.data).toEqual({});
    expect(await objects.swapSeen(kept, { versions: "d" })).toBe("lost");
  });
}
