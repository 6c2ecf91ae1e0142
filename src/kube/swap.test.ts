import { afterEach, beforeEach, expect, test } from "vitest";
import { json, type ScriptedApi, scriptedApi } from "../../test/fakes/scripted-api.ts";
import { connect, type KubeClient } from "./client.ts";
import { swap } from "./swap.ts";

let api: ScriptedApi;
let client: KubeClient;
let stored: object;
beforeEach(async () => {
  api = await scriptedApi((_asked, response) => json(response, stored));
  client = connect({ kubeconfig: api.kubeconfig });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

const status = { phase: "Active", gone: null, unsaid: undefined, totp: { lastTimeStep: 7 }, words: [{ a: "x" }, "y"] };
const asWritten = { phase: "Active", totp: { lastTimeStep: 7, more: 1 }, words: [{ a: "x", filled: "in" }, "y"] };
const write = async () => swap(client, "/a", { metadata: { resourceVersion: "1" } }, { status });

test("what is stored may have more than was written", async () => {
  stored = { metadata: {}, status: { ...asWritten, unsaid: "as before" } };
  expect(await write()).toBe("won");
});

test("nothing may be left of what was taken away whole", async () => {
  stored = { metadata: {} };
  expect(await swap(client, "/a", { metadata: { resourceVersion: "1" } }, { data: { a: null, b: null } })).toBe("won");
});

test.each<[string, object]>([
  [".status.phase", { phase: "Pending" }],
  [".status.gone", { gone: "still there" }],
  [".status.totp.lastTimeStep", { totp: { lastTimeStep: 6 } }],
  [".status.totp.lastTimeStep", { totp: undefined }],
  [".status.totp", { totp: "7" }],
  [".status.words.0.a", { words: [{ a: "z" }, "y"] }],
  [".status.words", { words: [{ a: "x" }, "y", "z"] }],
  [".status.words", { words: { 0: { a: "x" }, 1: "y" } }],
])("what was stored otherwise is no swap, and it says what: %s", async (path, change) => {
  stored = { metadata: {}, status: { ...asWritten, ...change } };
  await expect(write()).rejects.toThrow(`/a:${path} was stored otherwise than it was written`);
});
