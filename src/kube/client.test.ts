import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import { ApiError } from "./api-error.ts";
import { type ConnectOptions, connect, type KubeClient } from "./client.ts";
import { core, rbac } from "./paths.ts";

let api: ScriptedApi;
let client: KubeClient;
const connected = (options: ConnectOptions = {}): KubeClient => connect({ kubeconfig: api.kubeconfig, ...options });
const failing = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => error,
  );

beforeEach(async () => {
  api = await scriptedApi((_asked, response) => json(response, { metadata: {}, items: [] }));
  client = connected();
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

test("a thousand requests, one after another, take one connection, or a second when the first was not quite free", async () => {
  for (let i = 0; i < 1_000; i++) await client.get(core("namespaces"), "shop");
  expect(api.asked).toHaveLength(1_000);
  expect(api.connections.opened).toBeLessThanOrEqual(2);
});

test("a DELETE, which has a body, leaves its connection to the next", async () => {
  for (let i = 0; i < 100; i++) await client.remove("/api/v1/namespaces/shop", { propagationPolicy: "Background" });
  expect(api.asked).toHaveLength(100);
  expect(api.connections.opened).toBeLessThanOrEqual(2);
});

test("many at once share a bounded number of connections", async () => {
  await Promise.all(Array.from({ length: 200 }, () => client.get(core("namespaces"), "shop")));
  expect(api.asked).toHaveLength(200);
  expect(api.connections.opened).toBeLessThanOrEqual(32);
});

test("not found is undefined, by the API server's word alone: a proxy's page is an error", async () => {
  api.script = (_asked, response) => json(response, status(404, "NotFound", `namespaces "shop" not found`), 404);
  expect(await client.get(core("namespaces"), "shop")).toBeUndefined();
  api.script = (_asked, response) => void response.writeHead(404).end("404 page not found\n");
  expect(await client.get(core("namespaces"), "shop")).toBeUndefined();
  api.script = (_asked, response) => void response.writeHead(404).end("<html>nginx</html>");
  expect(await failing(client.get(core("namespaces"), "shop"))).toMatchObject({ code: 404, reason: "" });
});

test.each(["", ".", "..", "a/b", "../../api/v1/secrets/x", "a%2fb"])(
  "nothing is asked about the name %j",
  async (name) => {
    expect(await client.get(core("namespaces"), name)).toBeUndefined();
    expect(api.asked).toHaveLength(0);
  },
);

test("a name with a colon reaches the API server as it is", async () => {
  await client.get(rbac("rolebindings", "shop"), "elevate:a:01234567");
  expect(decodeURIComponent(api.asked[0]?.path ?? "")).toMatch(/\/rolebindings\/elevate:a:01234567$/);
});

test("a list is read to its last page", async () => {
  const pages = [
    { metadata: { continue: "2" }, items: ["a"] },
    { metadata: { continue: "3" }, items: null },
  ];
  api.script = (_asked, response) =>
    json(response, pages.shift() ?? { metadata: { resourceVersion: "9" }, items: ["b"] });
  expect(await client.list(core("namespaces"), { labelSelector: "x" })).toEqual({
    items: ["a", "b"],
    resourceVersion: "9",
  });
  expect(api.asked.map(({ query }) => [query["labelSelector"], query["continue"], query["limit"]])).toEqual([
    ["x", undefined, "100"],
    ["x", "2", "100"],
    ["x", "3", "100"],
  ]);
});

test("an error holds the first line of the answer, its words, and no token", async () => {
  const token = randomBytes(16).toString("hex");
  await api.writeToken(token);
  await client.close();
  client = connected();
  const details = { causes: [{ reason: "NamespaceTerminating", message: "m", field: "f" }, { message: "no word" }] };
  const told = status(403, "Forbidden", "not allowed:\n{every rule of the role}", { details });
  api.script = (_asked, response) => json(response, told, 403);
  const error = await failing(client.create(core("namespaces"), {}));
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({
    code: 403,
    reason: "Forbidden",
    message: "not allowed:",
    causes: ["NamespaceTerminating"],
  });
  expect(api.asked[0]?.authorization).toBe(`Bearer ${token}`);
  expect(JSON.stringify(error) + String(error)).not.toMatch(new RegExp(`${token}|every rule`));
});

test("a server that does not answer is given up in time", async () => {
  await client.close();
  client = connected({ requestTimeoutMs: 100 });
  api.script = () => undefined;
  expect(await failing(client.get(core("namespaces"), "shop"))).toMatchObject({
    message: "GET /api/v1/namespaces/shop was not answered",
    cause: { message: "nothing within 100 ms" },
  });
  expect(api.asked).toHaveLength(1);
});

test("a read is tried again when the server is in trouble or the connection is cut", async () => {
  const faults: ((response: Parameters<ScriptedApi["script"]>[1]) => unknown)[] = [
    (response) => json(response, status(503, "ServiceUnavailable", "later"), 503),
    (response) => response.destroy(),
  ];
  api.script = (_asked, response) => void (faults.shift() ?? ((r) => json(r, { here: true })))(response);
  expect(await client.get(core("namespaces"), "shop")).toEqual({ here: true });
  expect(api.asked).toHaveLength(3);
});

test("a write is tried again only when it was refused unjudged, and then not before the server says", async () => {
  const begun = performance.now();
  api.script = (_asked, response) =>
    api.asked.length === 1
      ? json(response, status(429, "TooManyRequests", "slow down"), 429, { "Retry-After": "1" })
      : json(response, {});
  await client.patch(core("namespaces"), {});
  expect(api.asked).toHaveLength(2);
  expect(performance.now() - begun).toBeGreaterThan(700);
  api.script = (_asked, response) => json(response, status(500, "InternalError", "x"), 500);
  await failing(client.patch(core("namespaces"), {}));
  await failing(client.create(core("namespaces"), {}));
  expect(api.asked).toHaveLength(4);
});

test("whoever is told to come back much later is told so, at once", async () => {
  api.script = (_asked, response) =>
    json(response, status(429, "TooManyRequests", "later"), 429, { "Retry-After": "60" });
  expect(await failing(client.get(core("namespaces"), "shop"))).toMatchObject({ code: 429, retryAfterMs: 60_000 });
  expect(api.asked).toHaveLength(1);
});

test("a token that was changed on disk is read again when the old one is refused", async () => {
  api.script = ({ authorization }, response) =>
    authorization === "Bearer second"
      ? json(response, { ok: true })
      : json(response, status(401, "Unauthorized", "no"), 401);
  expect(await failing(client.get(core("namespaces"), "shop"))).toMatchObject({ code: 401 });
  await api.writeToken("second");
  expect(await client.get(core("namespaces"), "shop")).toEqual({ ok: true });
});

test("the API server's clock is known by its answers, and ends go by the later clock", async () => {
  let own = Date.parse("2026-11-24T10:00:00Z");
  let elapsed = 0;
  await client.close();
  client = connected({ ownClock: () => own, elapsedMs: () => elapsed });
  expect([client.serverNow(), client.now()]).toEqual([undefined, own]);
  const date = "Tue, 24 Nov 2026 10:00:07 GMT";
  api.script = (_asked, response) => json(response, {}, 200, { Date: date });
  expect(await client.clockOffMs()).toBe(-7_000);
  expect(api.asked.map(({ path }) => path)).toEqual(["/version"]);
  elapsed = 500;
  own = Date.parse("2026-11-24T10:00:00.500Z");
  expect([client.serverNow(), client.now()]).toEqual([Date.parse(date) + 500, Date.parse(date) + 500]);
  expect(await client.clockOffMs()).toBe(-7_000);
  own = Date.parse("2026-11-24T11:00:00Z");
  expect(client.now()).toBe(own);
});

test.each(["https:", "HTTPS:", "hTTps:"])(
  "DS08: a kubeconfig that has certificates not checked is refused, in words that say what to do: %s",
  async (scheme) => {
    const unchecked = (await readFile(api.kubeconfig, "utf8")).replace("http:", scheme);
    const file = `${api.kubeconfig}.unchecked`;
    await writeFile(file, unchecked, { mode: 0o600 });
    expect(() => connect({ kubeconfig: file })).toThrow(
      /^insecure-skip-tls-verify is refused: .*certificate-authority/,
    );
    await writeFile(file, unchecked.replace('"insecure-skip-tls-verify":true', '"insecure-skip-tls-verify":false'));
    await connect({ kubeconfig: file }).close();
  },
);

test("DS08: nor is one taken that came later, when the token was refused: no call goes by it, now or afterwards", async () => {
  const before = await readFile(api.kubeconfig, "utf8");
  api.script = (_asked, response) => json(response, status(401, "Unauthorized", "no"), 401);
  await writeFile(api.kubeconfig, before.replace("http:", "https:"));
  const refused = /^insecure-skip-tls-verify is refused/;
  const call = async () => client.create(core("namespaces"), {});
  await expect(call()).rejects.toThrow(refused);
  client.kubeConfig.readAnew(); // as a second later
  await expect(call()).rejects.toThrow("POST /api/v1/namespaces was not answered");
  await expect(client.kubeConfig.way()).rejects.toThrow(refused);
  expect(api.asked).toHaveLength(1);
});
