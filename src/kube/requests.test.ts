import { afterEach, beforeEach, expect, test } from "vitest";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { connect, type KubeClient, type Tell } from "./client.ts";
import { createRequests } from "./requests.ts";

const request = (resourceVersion: string, more: object = {}): ElevationRequest => ({
  metadata: { name: "a", namespace: "shop", uid: "u1", resourceVersion, creationTimestamp: "" },
  spec: { policyName: "debug", requester: { username: "alice" } },
  ...more,
});

let api: ScriptedApi;
let client: KubeClient;
let live: ElevationRequest | undefined;
let lines: Parameters<Tell>[];
beforeEach(async () => {
  [live, lines] = [request("1"), []];
  api = await scriptedApi((_asked, response) => {
    if (live === undefined) json(response, status(404, "NotFound", "gone"), 404);
    else json(response, live);
  });
  client = connect({ kubeconfig: api.kubeconfig, tell: (...line) => void lines.push(line) });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

test("next: a hint of any kind is followed by a live read", async () => {
  const hinted = Promise.withResolvers<undefined>();
  const next = createRequests(client, { news: async () => hinted.promise }).next(request("1"), 60_000);
  live = request("2");
  hinted.resolve(undefined);
  expect(await next).toEqual(request("2"));
});

test("next: as it is when the time has passed, at once where there is none", async () => {
  const requests = createRequests(client);
  expect(await requests.next(request("1"), 40)).toEqual(request("1"));
  expect(await requests.next(request("1"), 0)).toEqual(request("1"));
});

test("next: gone is undefined, and so is another that took its name", async () => {
  const requests = createRequests(client, { news: async () => undefined });
  live = undefined;
  expect(await requests.next(request("1"), 1_000)).toBeUndefined();
  live = { ...request("9"), metadata: { ...request("9").metadata, uid: "u2" } };
  expect(await requests.next(request("1"), 1_000)).toBeUndefined();
});

test("what breaks its schema is as if it were not there, in a read and in a list, and is told", async () => {
  const poison = request("1", { status: { phase: "Godlike" } });
  const requests = createRequests(client);
  live = poison;
  expect(await requests.get("shop", "a")).toBeUndefined();
  api.script = (_asked, response) => json(response, { metadata: {}, items: [poison, request("2")] });
  expect(await requests.listOpen()).toEqual([request("2")]);
  expect(lines.map(([message]) => message)).toEqual(Array(2).fill("an object that breaks its schema is passed over"));
});

test.each([
  [409, "Conflict"],
  [404, "NotFound"],
])("a swap that meets %i %s is lost, and no error", async (code, reason) => {
  api.script = (_asked, response) => json(response, status(code, reason, "x"), code);
  expect(await createRequests(client).swapStatus(request("1"), { phase: "Pending" })).toBeUndefined();
});

test("a swap names the version seen, and is refused without one; what else fails throws", async () => {
  const requests = createRequests(client);
  const now = request("8", { status: { phase: "Active" } });
  api.script = (_asked, response) => json(response, now);
  expect(await requests.swapStatus(request("7"), { phase: "Active" })).toEqual(now);
  expect(api.asked[0]).toMatchObject({
    method: "PATCH",
    path: "/apis/kube-elevate.dev/v1alpha1/namespaces/shop/elevationrequests/a/status",
  });
  expect(JSON.parse(api.asked[0]?.body ?? "")).toEqual({
    metadata: { resourceVersion: "7" },
    status: { phase: "Active" },
  });
  await expect(requests.swapStatus(request(""), {})).rejects.toThrow("resourceVersion");
  api.script = (_asked, response) => json(response, status(422, "Invalid", "no such step of phase"), 422);
  await expect(requests.swapStatus(request("7"), {})).rejects.toThrow("no such step");
});
