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
  api = await scriptedApi(({ query }, response) => {
    if (query["watch"] !== undefined) response.writeHead(200).flushHeaders();
    else if (live === undefined) json(response, status(404, "NotFound", "gone"), 404);
    else json(response, live);
  });
  client = connect({ kubeconfig: api.kubeconfig, tell: (...line) => void lines.push(line) });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

/** The watch says something once it is asked, whatever it is. */
const hinting = (line: string): void => {
  const { script } = api;
  api.script = (asked, response) => {
    script(asked, response);
    if (asked.query["watch"] !== undefined) response.write(`${line}\n`);
  };
};

test("next: a hint of any kind is followed by a live read", async () => {
  hinting('{"type":"MODIFIED","object":{}}');
  const next = createRequests(client).next(request("1"), 2_000);
  live = request("2");
  expect(await next).toEqual(request("2"));
  expect(api.asked[0]?.query).toMatchObject({
    fieldSelector: "metadata.name=a",
    resourceVersion: "1",
    timeoutSeconds: "3",
  });
  await api.untilOpen(1); // the watch's own connection is closed; the other is kept
});

test("next: as it is when the time has passed, at once where there is none, and no connection stays", async () => {
  const requests = createRequests(client);
  expect(await requests.next(request("1"), 40)).toEqual(request("1"));
  expect(await requests.next(request("1"), 0)).toEqual(request("1"));
  await Promise.all(Array.from({ length: 20 }, () => requests.next(request("1"), 30)));
  await client.close();
  await api.untilOpen(0);
});

test("next: gone is undefined, and so is another that took its name", async () => {
  hinting('{"type":"DELETED","object":{}}');
  const requests = createRequests(client);
  live = undefined;
  expect(await requests.next(request("1"), 1_000)).toBeUndefined();
  live = { ...request("9"), metadata: { ...request("9").metadata, uid: "u2" } };
  expect(await requests.next(request("1"), 1_000)).toBeUndefined();
});

test("next: where it cannot watch it asks again and again, and says so in the log", async () => {
  const { script } = api;
  api.script = (asked, response) => {
    if (asked.query["watch"] === undefined) return script(asked, response);
    if (api.asked.length > 2) live = request("2");
    return json(response, status(410, "Expired", "too old"), 410);
  };
  expect(await createRequests(client).next(request("1"), 5_000)).toEqual(request("2"));
  expect(lines.length).toBeGreaterThan(0);
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
  api.script = (_asked, response) => json(response, request("8"));
  expect(await requests.swapStatus(request("7"), { phase: "Active" })).toEqual(request("8"));
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
