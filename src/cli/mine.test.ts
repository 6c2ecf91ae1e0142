import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mineIn } from "./mine.ts";

const alice = { server: "https://a", username: "alice" };
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mine-"));
});
afterEach(async () => rm(folder, { recursive: true }));

test("names are kept for each user of each server, the newest last, once each, for its owner's eyes alone", async () => {
  const mine = mineIn(join(folder, "cache"));
  for (const name of ["a", "b", "a"]) await mine.add(alice, { namespace: "n", name });
  expect(await mine.names(alice)).toEqual([
    { namespace: "n", name: "b" },
    { namespace: "n", name: "a" },
  ]);
  expect(await mine.names({ ...alice, server: "https://b" })).toEqual([]);
  expect(await mine.names({ ...alice, username: "bob" })).toEqual([]);
  const [file = "", ...others] = await readdir(join(folder, "cache"));
  expect(others).toEqual([]);
  expect((await stat(join(folder, "cache", file))).mode % 0o1000).toBe(0o600);
  expect(await readFile(join(folder, "cache", file), "utf8")).toBe(
    '[{"namespace":"n","name":"b"},{"namespace":"n","name":"a"}]\n',
  );
});

test("what is added at the same time is kept, all of it; the end of a grant as well, until it is forgotten", async () => {
  const mine = mineIn(folder);
  const until = "2026-11-24T03:57:07.000Z";
  const added = Array.from({ length: 20 }, (_, count) => ({ namespace: "n", name: `r${String(count)}`, until }));
  await Promise.all(added.map(async (one) => mine.add(alice, one)));
  expect(await mine.names(alice)).toEqual(added);
  await mine.add(alice, { namespace: "n", name: "r0" });
  expect((await mine.names(alice)).at(-1)).toEqual({ namespace: "n", name: "r0" });
});

test("a file that is no list of names is as good as none, and a folder that cannot be made is no error", async () => {
  const mine = mineIn(join(folder, "cache"));
  await mine.add(alice, { namespace: "n", name: "a" });
  const [file = ""] = await readdir(join(folder, "cache"));
  for (const text of [
    "",
    "{}",
    '[{"name":"--all"}]',
    '[{"namespace":"n","name":"-x"}]',
    '[{"namespace":"n","name":"x","until":1}]',
  ]) {
    await writeFile(join(folder, "cache", file), text);
    expect(await mine.names(alice)).toEqual([]);
  }
  const nowhere = mineIn("/dev/null/cache");
  await nowhere.add(alice, { namespace: "n", name: "a" });
  expect(await nowhere.names(alice)).toEqual([]);
});

test("it does not grow without end", async () => {
  const mine = mineIn(folder);
  for (let count = 0; count < 60; count += 1) await mine.add(alice, { namespace: "n", name: `r${String(count)}` });
  const names = await mine.names(alice);
  expect([names.length, names.at(-1)]).toEqual([50, { namespace: "n", name: "r59" }]);
});
