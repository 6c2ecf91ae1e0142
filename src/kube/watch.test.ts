import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import { connect, type KubeClient } from "./client.ts";
import { type Named, type WatchEvent, type Watching, type WatchOptions, watch } from "./watch.ts";

// The API server is scripted: objects that a list shows, and open watches that a test writes lines into.

const collection = "/apis/kube-elevate.dev/v1alpha1/elevationrequests";
const quick = { pauseMs: 1, backoffMs: 1, backoffMsMax: 5 };
const object = (name: string, resourceVersion = "1"): Named => ({
  metadata: { name, namespace: "shop", uid: `uid-${name}`, resourceVersion },
});

let api: ScriptedApi;
let client: KubeClient;
let listed: Named[];
let open: ServerResponse[];
let since: (string | undefined)[];
let lists: number;
let watching: Watching | undefined;
let told: string[];
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): number => unhandled.push(error);

const tellIt = ({ type, object: { metadata } }: WatchEvent): void => void told.push(`${type} ${metadata.name}`);
const start = (options: Partial<WatchOptions> = {}): Watching => {
  watching = watch(client, {
    collection,
    onEvent: tellIt,
    ...options,
    times: { ...quick, ...options.times },
  });
  return watching;
};
const send = (type: string, sent: unknown): void =>
  void open.at(-1)?.write(`${JSON.stringify({ type, object: sent })}\n`);
const until = async (holds: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(holds()).toBe(true), { interval: 2, timeout: 4_000 });
/** As many watches were begun in all, and told the API server where to go on from. */
const watches = async (count: number): Promise<void> => until(() => since.length >= count);

beforeEach(async () => {
  [listed, open, since, lists, told, watching] = [[], [], [], 0, [], undefined];
  process.on("unhandledRejection", onUnhandled);
  api = await scriptedApi(({ query }, response) => {
    if (query["watch"] === undefined) {
      lists += 1;
      return json(response, { metadata: { resourceVersion: String(100 * lists) }, items: listed });
    }
    response.writeHead(200, { "Content-Type": "application/json" }).flushHeaders();
    open.push(response);
    since.push(query["resourceVersion"]);
  });
  client = connect({ kubeconfig: api.kubeconfig });
});
afterEach(async () => {
  await watching?.stop();
  await client.close();
  await api[Symbol.asyncDispose]();
  process.off("unhandledRejection", onUnhandled);
  if (unhandled.length > 0) throw new Error("a rejection was not handled", { cause: unhandled.splice(0) });
});

test("what is there is told before it is synced, what comes afterwards", async () => {
  listed = [object("a"), object("b")];
  await start({ query: { fieldSelector: "status.phase!=Expired" } }).synced;
  expect(told).toEqual(["ADDED a", "ADDED b"]);
  await watches(1);
  send("ADDED", object("c", "101"));
  send("MODIFIED", object("a", "102"));
  send("DELETED", object("b", "103"));
  await until(() => told.length === 5);
  expect(told.slice(2)).toEqual(["ADDED c", "MODIFIED a", "DELETED b"]);
  expect(since).toEqual(["100"]);
  expect(api.asked.map(({ query }) => query["fieldSelector"])).toEqual(Array(2).fill("status.phase!=Expired"));
});

test("after the API server ended a watch it goes on from the last bookmark", async () => {
  await start().synced;
  await watches(1);
  send("ADDED", object("a", "101"));
  send("BOOKMARK", { metadata: { resourceVersion: "777" } });
  open[0]?.end();
  await watches(2);
  expect(since).toEqual(["100", "777"]);
  expect([told, lists]).toEqual([["ADDED a"], 1]);
});

test("after a cut in the middle of a line it goes on from the last whole event", async () => {
  await start().synced;
  await watches(1);
  send("ADDED", object("a", "101"));
  await until(() => told.length === 1);
  open[0]?.write('{"type":"ADDED","object":{"metadata":{"name":"b"');
  open[0]?.destroy();
  await watches(2);
  send("ADDED", object("b", "102"));
  await until(() => told.length === 2);
  expect([since, lists]).toEqual([["100", "101"], 1]);
});

test.each([
  ["an expired version", () => send("ERROR", status(410, "Expired", "too old resource version"))],
  ["another error in the stream", () => send("ERROR", status(500, "InternalError", "etcd is ill"))],
])("after %s it lists anew and tells of what vanished meanwhile", async (_what, fault) => {
  listed = [object("a"), object("b")];
  await start().synced;
  await watches(1);
  listed = [object("a"), object("c")];
  told.length = 0;
  fault();
  await watches(2);
  expect(told).toEqual(["MODIFIED a", "ADDED c", "DELETED b"]);
  expect(since).toEqual(["100", "200"]);
});

test("410 as the answer to a watch leads to a list, too", async () => {
  const { script } = api;
  let refused = 0;
  api.script = (asked, response) =>
    asked.query["watch"] !== undefined && ++refused === 1
      ? json(response, status(410, "Expired", "too old"), 410)
      : script(asked, response);
  await start().synced;
  await watches(1);
  expect([lists, since]).toEqual([2, ["200"]]);
});

test.each([["garbage"], ["{}"], ["null"], ['{"type":"ADDED","object":{"metadata":{"resourceVersion":"5"}}}']])(
  "a line %j is passed over: it goes on, and lists when it helps nothing else",
  async (line) => {
    await start().synced;
    for (const turn of [1, 2, 3]) {
      await watches(turn);
      open.at(-1)?.write(`${line}\n`);
    }
    await watches(4);
    send("ADDED", object("a", "301"));
    await until(() => told.length === 1);
    expect([since, lists]).toEqual([["100", "100", "100", "200"], 2]);
  },
);

test("a silent connection is taken for dead and replaced", async () => {
  await start({ times: { ...quick, idleMs: 30 } }).synced;
  await watches(3);
  expect([...new Set(since)]).toEqual(["100"]);
  await until(() => api.connections.open <= 3); // the dead ones are closed on our side
});

test("a bookmark is a sign of life", async () => {
  await start({ times: { ...quick, idleMs: 150 } }).synced;
  await watches(1);
  for (let i = 0; i < 6; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    send("BOOKMARK", { metadata: { resourceVersion: String(200 + i) } });
  }
  expect(since).toEqual(["100"]);
});

test("a server that ends every watch at once is not asked without a pause", async () => {
  const { script } = api;
  api.script = (asked, response) => {
    script(asked, response);
    if (asked.query["watch"] !== undefined) response.end();
  };
  const begun = performance.now();
  await start({ times: { ...quick, pauseMs: 40 } }).synced;
  await watches(6);
  expect(performance.now() - begun).toBeGreaterThan(5 * 40 * 0.5 * 0.9);
});

test("a list that fails is tried again until it works, and only then is it synced", async () => {
  const { script } = api;
  let left = 9; // the client itself tries four times
  api.script = (asked, response) =>
    left-- > 0 ? json(response, status(403, "Forbidden", "not yet"), 403) : script(asked, response);
  listed = [object("a")];
  await start().synced;
  expect([told, left < 0]).toEqual([["ADDED a"], true]);
});

test("a handler that throws or rejects loses its own event alone", async () => {
  const handled: string[] = [];
  listed = [object("throws"), object("rejects"), object("a")];
  const onEvent = ({ object: { metadata } }: WatchEvent): void | Promise<void> => {
    if (metadata.name === "throws") throw new Error("no");
    if (metadata.name === "rejects") return Promise.reject(new Error("no"));
    handled.push(metadata.name);
    return undefined;
  };
  await start({ onEvent }).synced;
  expect(handled).toEqual(["a"]);
});

test("letters that lie in two chunks arrive whole", async () => {
  await start().synced;
  await watches(1);
  const bytes = Buffer.from(`${JSON.stringify({ type: "ADDED", object: object("zoë", "101") })}\n`);
  const middle = bytes.indexOf(0xc3) + 1;
  open[0]?.write(bytes.subarray(0, middle));
  await new Promise((resolve) => setTimeout(resolve, 20));
  open[0]?.write(bytes.subarray(middle));
  await until(() => told.length === 1);
  expect(told).toEqual(["ADDED zoë"]);
});

test("stop ends it at once in each of its states, and nothing is told or left open afterwards", async () => {
  const silent = api.script;
  api.script = () => undefined;
  const listing = start();
  await until(() => api.asked.length === 1);
  await listing.stop();
  await listing.synced; // whoever waits for it does not wait for ever
  api.script = silent;
  const second = start();
  await second.synced;
  await watches(1);
  const begun = performance.now();
  await second.stop();
  expect(performance.now() - begun).toBeLessThan(200);
  send("ADDED", object("late", "101"));
  await api.untilOpen(1); // that of the list, kept alive
  expect(told).toEqual([]);
});
