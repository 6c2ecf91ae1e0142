import { takeOutGuards } from "./guards.ts";
import type { Outcome } from "./outcome.ts";
import { loosenWalls } from "./walls.ts";

// `make mutants`: takes guards out, one at a time, and names the test that fails then. After a group: what its guards are to
// have in their names.

const groups: { readonly [group: string]: (named: string) => Promise<readonly Outcome[]> } = {
  async decide() {
    await import("./decide.ts"); // fails by itself where one is not caught
    return [];
  },
  guards: takeOutGuards,
  admission: async (named) => loosenWalls(["admission"], named),
  crds: async (named) => loosenWalls(["crds"], named),
  walls: async (named) => loosenWalls(["admission", "crds"], named),
};
const all = ["decide", "guards", "walls"];

const [asked = "", named = ""] = process.argv.slice(2);
const outcomes: Outcome[] = [];
for (const name of asked === "" ? all : [asked]) {
  const group = groups[name];
  if (group === undefined) throw new Error(`there is no group ${name}: ${Object.keys(groups).join(", ")}`);
  outcomes.push(...(await group(named)));
}
const missed = outcomes.filter(({ caughtBy }) => caughtBy === undefined);
for (const { what } of missed) console.log(`NOT CAUGHT: ${what}`);
console.log(`${String(outcomes.length)} guards taken out, ${String(missed.length)} not caught`);
if (missed.length > 0) process.exitCode = 1;
