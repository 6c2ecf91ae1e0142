import { beforeAll, expect, test } from "vitest";
import type { Method } from "../../src/api/v1alpha1/meta.ts";
import { factorRows } from "./authenticators.ts";
import { factorAt, stages, worthOf } from "./factors.ts";
import { leavesOf, tampered } from "./leaves.ts";
import { type Life, liveOnce } from "./lives.ts";

const methods = ["WebAuthn", "TOTP"] as const;
const lives = new Map<Method, Life>();

beforeAll(async () => {
  for (const method of methods) lives.set(method, await liveOnce(method));
});

test("TA22: every field of an authenticator is judged", () => {
  const leaves = [...leavesOf("authenticators", "spec"), ...leavesOf("authenticators", "status")];
  expect([...new Set(factorRows.map(({ leaf }) => leaf))].toSorted()).toEqual(leaves.toSorted());
});

test.each(factorRows.map((row) => [row.leaf, row.value, row] as const))(
  "TA09, TA22: guards off, %s written as %j: refused where it is used, or nothing changes",
  async (_leaf, _value, row) => {
    for (const method of row.method === undefined ? methods : [row.method]) {
      const life = lives.get(method);
      if (life === undefined) throw new Error(`nobody lived by ${method}`);
      const became: { [stage: string]: string } = {};
      const expected: { [stage: string]: string } = {};
      for (const stage of stages) {
        const factor = factorAt(life, stage);
        if (factor === undefined) continue;
        const written = tampered(factor, row.leaf, row.value);
        if (JSON.stringify(written) === JSON.stringify(factor)) continue;
        const left = await worthOf(life, stage, factor);
        const worth = await worthOf(life, stage, written);
        became[stage] = worth === left ? "nothing" : worth;
        const awaited = row.becomes[stage] ?? "nothing";
        expected[stage] = awaited === left ? "nothing" : awaited;
      }
      expect([method, became]).toEqual([method, expected]);
    }
  },
);
