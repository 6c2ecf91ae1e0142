import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { get } from "node:http";
import dotI from "@dot-i/k8s-operator";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { json, type ScriptedApi, scriptedApi } from "../../test/fakes/scripted-api.ts";
import type { Heard, RequestKey } from "../flows/ports.ts";
import { connect, type KubeClient } from "./client.ts";
import { createRequestWatch, ElevationOperator } from "./operator.ts";

// The fence around @dot-i/k8s-operator. A new version of it must not bring in anything that nobody looked at.

/** Used as they are, or reached by nothing that we call. */
const kept = [
  "constructor",
  "start",
  "stop",
  "handleResourceFinalizer", // writes by setResourceFinalizers alone
  "applyAxiosKubeConfigAuth",
  "applyGaxiosKubeConfigAuth",
  "resourceStatusRequest", // private, for the two overridden ones
  "errorToJson",
];
const overridden = [
  "watchResource",
  "getCustomResourceApiUri",
  "registerCustomResourceDefinition",
  "setResourceStatus",
  "patchResourceStatus",
  "setResourceFinalizers",
];

let api: ScriptedApi;
let client: KubeClient;
beforeEach(async () => {
  api = await scriptedApi(({ query }, response) => {
    if (query["watch"] === undefined) json(response, { metadata: { resourceVersion: "1" }, items: [request] });
    else response.writeHead(200).flushHeaders();
  });
  client = connect({ kubeconfig: api.kubeconfig });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

const key: RequestKey = { namespace: "shop", name: "debug-1", uid: "u1" };
const request = {
  apiVersion: "kube-elevate.dev/v1alpha1",
  kind: "ElevationRequest",
  metadata: { ...key, resourceVersion: "1" },
};

test("each member of the base class is kept knowingly or overridden", () => {
  const names = Object.getOwnPropertyNames(dotI.default.prototype).toSorted();
  expect(names).toEqual([...kept, ...overridden].toSorted());
  expect(overridden.filter((name) => !Object.hasOwn(ElevationOperator.prototype, name))).toEqual([]);
});

test.each(overridden.filter((name) => name !== "watchResource"))("%s refuses to work", async (name) => {
  const operator = new ElevationOperator(client, () => undefined);
  const member: unknown = Reflect.get(operator, name);
  if (typeof member !== "function") throw new Error(`${name} is no method`);
  await expect(async () => {
    await Reflect.apply(member, operator, []);
  }).rejects.toThrow("not used");
});

test("it tells of open requests alone, resolves when the first were told, and reaches the network by our client only", async () => {
  // gaxios and node-fetch, which the base class brings along, use node:http; our client does not
  const others: unknown[] = [];
  const see = (seen: unknown): void => void others.push(seen);
  const fetched = vi.spyOn(globalThis, "fetch");
  subscribe("http.client.request.start", see);
  const watch = createRequestWatch(client);
  const hints: RequestKey[] = [];
  await watch.start((hint) => void hints.push(hint));
  expect(hints).toEqual([key]);
  await expect(watch.start(() => undefined)).rejects.toThrow("started before");
  await watch.stop();
  expect([others, fetched.mock.calls]).toEqual([[], []]);
  await new Promise((resolve) => get("http://127.0.0.1:9", resolve).on("error", resolve)); // the eye is open
  expect(others).toHaveLength(1);
  unsubscribe("http.client.request.start", see);
  expect(api.asked[0]).toMatchObject({
    path: "/apis/kube-elevate.dev/v1alpha1/elevationrequests",
    query: {
      fieldSelector:
        "status.phase!=Expired,status.phase!=Released,status.phase!=Revoked,status.phase!=Denied,status.phase!=TimedOut",
    },
  });
});

test("a hint says with which version it was heard, whether the request left the open ones, and who made it", async () => {
  const spec = { requester: { username: "alice" } };
  const odd = [undefined, null, "x", {}, { requester: null }, { requester: { username: 1 } }];
  const items = [
    { ...request, spec },
    ...odd.map((each, i) => ({ ...request, metadata: { ...request.metadata, uid: `odd${String(i)}` }, spec: each })),
  ];
  api.script = ({ query }, response) => {
    if (query["watch"] === undefined) return json(response, { metadata: { resourceVersion: "1" }, items });
    const left = { ...request, metadata: { ...request.metadata, resourceVersion: "2" } };
    response.writeHead(200).write(`${JSON.stringify({ type: "DELETED", object: left })}\n`);
  };
  const watch = createRequestWatch(client);
  const heard: (Heard | undefined)[] = [];
  await watch.start((_key, one) => void heard.push(one));
  await vi.waitFor(() => expect(heard).toHaveLength(items.length + 1));
  expect(heard).toEqual([
    { resourceVersion: "1", left: false, requester: "alice" },
    ...odd.map(() => ({ resourceVersion: "1", left: false, requester: undefined })),
    { resourceVersion: "2", left: true, requester: undefined },
  ]);
  await watch.stop();
});

test("stop before start, and stop while it cannot list, do not hang", async () => {
  await createRequestWatch(client).stop();
  api.script = () => undefined;
  const watch = createRequestWatch(client);
  const started = watch.start(() => undefined);
  await vi.waitFor(() => expect(api.asked).toHaveLength(1));
  await watch.stop();
  await started;
});
