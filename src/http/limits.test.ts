import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { usualLimits } from "./limits.ts";

test("HT02, HT12: the limits are those that SECURITY.md states", async () => {
  const text = await readFile(new URL("../../SECURITY.md", import.meta.url), "utf8");
  const stated = (pattern: RegExp): readonly number[] => {
    const [, ...figures] = pattern.exec(text) ?? [];
    return figures.map((figure) => Number(figure.replaceAll(",", "")));
  };
  const { headersMs, requestMs, silentMs, connections, perAddress, overall, windowMs } = usualLimits;
  expect(
    stated(/closed after (\d+) s \(headers\), (\d+) s \(body\), (\d+) s \(answer not read\); at ([\d,]+) connections/),
  ).toEqual([headersMs / 1_000, requestMs / 1_000, silentMs / 1_000, connections]);
  expect(stated(/from one address \(([\d,]+) posts in (\d+) s\), or from all together \(([\d,]+)\)/)).toEqual([
    perAddress,
    windowMs / 1_000,
    overall,
  ]);
});
