import { type Arbitrary, array, assert, asyncProperty, constantFrom, record } from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Method } from "../../src/api/v1alpha1/meta.ts";
import { terminalPhases } from "../../src/api/v1alpha1/phases.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { leavesOf, tampered } from "./leaves.ts";
import { type Life, liveOnce, type Moment, moments, type Seen } from "./lives.ts";
import { requestRows } from "./requests.ts";

const methods = ["WebAuthn", "TOTP"] as const;
const leaves = [...leavesOf("elevationrequests", "spec"), ...leavesOf("elevationrequests", "status")];
const lives = new Map<Method, Life>();
const untouched = new Map<string, Seen>();

beforeAll(async () => {
  for (const method of methods) {
    const life = await liveOnce(method);
    lives.set(method, life);
    for (const moment of moments) untouched.set(method + moment, await life.liveOn(moment, life.at(moment)));
  }
});

test("the life that is written to, left alone, is granted and ends in time, whenever its processes start anew", () => {
  for (const [at, { refused, soon, end, bound, made }] of untouched) {
    const isCut = at.endsWith("cut");
    expect([at, refused, soon, end]).toEqual([
      at,
      undefined,
      isCut ? "Revoked/BindingRemoved" : "Active/BindingCreated",
      isCut ? "Revoked/BindingRemoved" : "Expired/Expired",
    ]);
    expect([at, bound.map((grant) => grant !== undefined)]).toEqual([
      at,
      isCut ? Array(4).fill(false) : [true, true, true, false],
    ]);
    if (!isCut) for (const grant of made) expect(grant).toEqual(bound[0]);
  }
});

test("TA22: every field of a request is judged", () => {
  expect([...new Set(requestRows.map(({ leaf }) => leaf))].toSorted()).toEqual(leaves.toSorted());
});

test.each(requestRows.map((row) => [row.leaf, row.value, row] as const))(
  "TA21, TA22: guards off, %s written as %j: refused at the next decision, or nothing changes",
  async (_leaf, _value, row) => {
    const { method = "WebAuthn" } = row;
    const became: { [moment: string]: string } = {};
    const expected: { [moment: string]: string } = {};
    for (const moment of moments) {
      const from = lifeOf(method).at(moment);
      const request = tampered(from.request, row.leaf, row.value);
      if (JSON.stringify(request) === JSON.stringify(from.request)) continue;
      const seen = await lifeOf(method).liveOn(moment, { ...from, request });
      became[moment] = outcomeOf(seen, seenUntouched(method, moment));
      expected[moment] = row.becomes[moment] ?? "nothing";
    }
    expect(became).toEqual(expected);
    const changesNothing = Object.entries(became).some(([moment, word]) => moment !== "cut" && word === "nothing");
    expect(row.why !== undefined).toBe(changesNothing || Object.values(became).includes("as asked"));
  },
);

test("TA22: whatever is written into whatever fields of its status, the proof's requester gets the proof's role until then at most", async () => {
  const inStatus = leaves.filter((leaf) => leaf.startsWith("status."));
  const values = [...requestRows.map(({ value }) => value), undefined, "", "other", 0, true, [], {}];
  const write = record({ leaf: constantFrom(...inStatus), value: constantFrom(...values) });
  const writes: Arbitrary<{ leaf: string; value: unknown }[]> = array(write, { minLength: 1, maxLength: 4 });
  await assert(
    asyncProperty(constantFrom(...moments), writes, async (moment, written) => {
      const life = lifeOf("WebAuthn");
      const from = life.at(moment);
      const request = written.reduce((object, { leaf, value }) => tampered(object, leaf, value), from.request);
      const seen = await life.liveOn(moment, { ...from, request });
      const [allowed] = seenUntouched("WebAuthn", "active").bound;
      for (const grant of [...seen.made, ...seen.bound]) {
        if (grant === undefined) continue;
        expect({ to: grant.to, role: grant.role }).toEqual({ to: allowed?.to, role: allowed?.role });
        expect(parseInstant(grant.until)).toBeLessThanOrEqual(life.until);
      }
      expect(seen.bound.at(-1)).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

function lifeOf(method: Method): Life {
  const life = lives.get(method);
  if (life === undefined) throw new Error(`nobody lived by ${method}`);
  return life;
}
function seenUntouched(method: Method, moment: Moment): Seen {
  const seen = untouched.get(method + moment);
  if (seen === undefined) throw new Error(`nobody lived by ${method}`);
  return seen;
}

/** In the words of the table. */
function outcomeOf(seen: Seen, left: Seen): string {
  const same = (["refused", "bound", "made"] as const).every(
    (field) => JSON.stringify(seen[field]) === JSON.stringify(left[field]),
  );
  if (same && isOver(seen.end) && isOver(left.end)) return "nothing";
  const granted = seen.bound.some((grant) => grant !== undefined);
  if (!seen.readable && !granted) return "passed over";
  if (isOver(seen.soon) && !granted) return seen.closed ? seen.soon : "ended as written";
  if (seen.refused !== undefined && !granted)
    return isOver(seen.end) && seen.refused === "DeadlinePassed" ? seen.end : `refused: ${seen.refused}`;
  if (isOver(seen.end)) return "ends earlier";
  return "as asked";
}

const isOver = (word: string): boolean => terminalPhases.some((phase) => word.startsWith(`${phase}/`));
