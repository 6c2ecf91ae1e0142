import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import { connect, type KubeClient } from "./client.ts";
import { createInsisting, type Insisting } from "./insisting.ts";

let api: ScriptedApi;
let client: KubeClient;
let remove: Insisting;
let hanging: ServerResponse[];
beforeEach(async () => {
  hanging = [];
  api = await scriptedApi((_asked, response) => void hanging.push(response));
  // its own time limit is shorter than a slow answer takes here, and longer than anybody waits for one
  client = connect({ kubeconfig: api.kubeconfig, requestTimeoutMs: 300 });
  remove = createInsisting(client, { answerMs: 100, againMs: 100, patientMs: 60_000 });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

const won = (path: string, uid: string) => async (): Promise<boolean> =>
  (await remove(path, uid).catch(() => "late")) === "won";

test("EX39: a DELETE that hangs has failed soon, goes on behind for as long as a webhook may take, and is done when that says yes", async () => {
  await expect(remove("/x", "u1")).rejects.toThrow("DELETE /x is not answered yet");
  await new Promise((resolve) => setTimeout(resolve, 400)); // longer than the client's own limit
  expect(hanging.map((response) => response.destroyed)).toEqual([false]);
  for (const response of hanging) json(response, {});
  await eventually(() => hanging[0]?.writableFinished === true, 5, "it is answered");
});

test("EX39: while one hangs a further one is asked each time, given up soon, and done when nothing hangs any more", async () => {
  await expect(remove("/x", "u1")).rejects.toThrow("is not answered yet");
  for (const _ of [1, 2]) await expect(remove("/x", "u1")).rejects.toThrow("DELETE /x was not answered");
  await eventually(() => hanging.filter(({ destroyed }) => destroyed).length === 2, 5, "two are given up");
  expect(hanging[0]?.destroyed).toBe(false);
  api.script = (_asked, response) => json(response, {});
  await eventually(won("/x", "u1"), 5, "it is done");
});

test("EX39: many that hang hold few connections, and none that another needs", async () => {
  const names = Array.from({ length: 40 }, (_, index) => String(index));
  const all = await Promise.allSettled(names.map(async (name) => remove(`/hangs-${name}`, name)));
  expect(all.every(({ status: how }) => how === "rejected")).toBe(true);
  await eventually(() => api.connections.open === 8, 5, "eight go on");
  api.script = (_asked, response) => json(response, {});
  await eventually(won("/x", "another"), 5, "it is done");
});

test("who is told no is told at once; who was quicker is no error", async () => {
  remove = createInsisting(client, { answerMs: 60_000 });
  api.script = (_asked, response) => json(response, status(403, "Forbidden", "a webhook says no"), 403);
  await expect(remove("/x", "u1")).rejects.toThrow("a webhook says no");
  api.script = (_asked, response) => json(response, status(404, "NotFound", "gone"), 404);
  expect(await remove("/x", "u1")).toBe("lost");
});
