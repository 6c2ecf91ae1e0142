import { takeOutGuards } from "./guards.ts";
import type { Outcome } from "./outcome.ts";

// `make mutants`: takes guards out, one at a time, and shows the test that fails then. Groups: decide, guards, walls.

const groups: { readonly [group: string]: (only?: string) => Promise<readonly Outcome[]> } = {
  async decide() {
    await import("./decide.ts");
    return [];
  },
  guards: takeOutGuards,
  async walls() {
    const { loosenWalls } = await import("./walls.ts");
    return loosenWalls();
  },
};

const [asked = "", only] = process.argv.slice(2);
const chosen = asked === "" ? Object.keys(groups) : [asked];
const outcomes: Outcome[] = [];
for (const name of chosen) {
  const group = groups[name];
  if (group === undefined) throw new Error(`no group ${name}: ${Object.keys(groups).join(", ")}`);
  outcomes.push(...(await group(only)));
}
const missed = outcomes.filter(({ caughtBy }) => caughtBy === undefined);
for (const { what } of missed) console.log(`NOT CAUGHT: ${what}`);
console.log(`${String(outcomes.length)} guards taken out, ${String(missed.length)} not caught`);
if (missed.length > 0) process.exitCode = 1;
