import { afterEach, beforeEach, expect, test } from "vitest";
import { json, type ScriptedApi, scriptedApi } from "../../test/fakes/scripted-api.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { connect, type KubeClient } from "./client.ts";
import { type Hearing, hearRequests } from "./hearing.ts";
import { createRequests } from "./requests.ts";

let api: ScriptedApi;
let client: KubeClient;
let hearing: Hearing;
let live: ElevationRequest;
let send: (line: object) => void;

const request = (resourceVersion: string, phase: "Pending" | "Active" = "Pending"): ElevationRequest => ({
  metadata: { namespace: "shop", name: "a", uid: "u1", resourceVersion, creationTimestamp: "2026-11-24T10:00:00Z" },
  spec: { policyName: "p", requester: { username: "alice" } },
  status: { phase },
});
const isActive = ({ status: told }: ElevationRequest): boolean => told?.phase === "Active";
const reads = (): number => api.asked.filter(({ path }) => path.endsWith("/elevationrequests/a")).length;
const foreverMs = 3_600_000; // a test that waits for so long fails

beforeEach(async () => {
  const open = Promise.withResolvers<void>();
  live = request("1");
  api = await scriptedApi((asked, response) => {
    if (asked.query["watch"] === "true") {
      response.writeHead(200).flushHeaders();
      send = (line) => void response.write(`${JSON.stringify(line)}\n`);
      open.resolve();
    } else if (asked.path.endsWith("/a")) json(response, live);
    else json(response, { metadata: { resourceVersion: "1" }, items: [] });
  });
  client = connect({ kubeconfig: api.kubeconfig });
  hearing = hearRequests(client);
  await open.promise;
});
afterEach(async () => {
  await hearing.stop();
  await client.close();
  await api[Symbol.asyncDispose]();
});

test("who waits is told of what it waits for, and reads nothing", async () => {
  const next = createRequests(client, hearing).next(request("1"), foreverMs, isActive);
  send({ type: "MODIFIED", object: request("1", "Active") }); // no news
  send({ type: "MODIFIED", object: request("2") }); // news, and not enough
  live = request("3", "Active");
  send({ type: "MODIFIED", object: live });
  expect(await next).toEqual(request("3", "Active"));
  expect(reads()).toBe(0);
});

test("what was heard before anybody waited is news as well", async () => {
  live = request("2", "Active");
  send({ type: "MODIFIED", object: live });
  const passedOn = createRequests(client, hearing).next(
    { ...request("1"), metadata: { ...request("1").metadata, uid: "u2" } },
    50,
  );
  expect(await passedOn).toBeUndefined(); // by now the line was read
  expect(await hearing.news(request("1"), foreverMs, isActive)).toBeUndefined();
});

test("a request that is open no more is looked at", async () => {
  const news = hearing.news(request("1"), foreverMs, () => false);
  send({ type: "DELETED", object: request("2") });
  expect(await news).toBeUndefined();
});

test("where nothing is heard, the request is polled", async () => {
  const next = createRequests(client, hearing).next(request("1"), foreverMs, isActive);
  live = request("2", "Active");
  expect(await next).toEqual(request("2", "Active"));
});
