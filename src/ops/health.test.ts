import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Check, serveHealth } from "./health.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((health) => health.close()));
});

async function get(checks: { readonly [name: string]: Check }, path: string): Promise<{ code: number; text: string }> {
  const health = await serveHealth({ port: 0, address: "127.0.0.1", checks });
  open.push(health);
  const response = await fetch(`http://127.0.0.1:${health.port}${path}`);
  return { code: response.status, text: await response.text() };
}

const checks = { keys: () => "the Secret is incomplete", endpoint: () => undefined };

test("ready when every check is content", async () => {
  expect(await get({ keys: () => undefined }, "/readyz")).toEqual({ code: 200, text: "ok\n" });
});

test("not ready says which check is not content, and why", async () => {
  expect(await get(checks, "/readyz")).toEqual({ code: 503, text: "[-] keys: the Secret is incomplete\nnot ready\n" });
});

test("verbose lists all checks", async () => {
  const text = "[-] keys: the Secret is incomplete\n[+] endpoint ok\nnot ready\n";
  expect(await get(checks, "/readyz?verbose")).toEqual({ code: 503, text });
});

test("live asks no check: a restart would cure nothing", async () => {
  expect(await get(checks, "/livez")).toEqual({ code: 200, text: "ok\n" });
});

test.each(["/", "/metrics", "/livez/", "/readyz/keys"])("nothing is at %s", async (path) => {
  expect((await get(checks, path)).code).toBe(404);
});

test("a port that is taken is an error, not a silence", async () => {
  const first = await serveHealth({ port: 0, address: "127.0.0.1", checks });
  open.push(first);
  await expect(serveHealth({ port: first.port, address: "127.0.0.1", checks })).rejects.toThrow("EADDRINUSE");
});

test("HT02: whoever holds a hundred connections open keeps no kubelet out", async () => {
  const health = await serveHealth({ port: 0, address: "127.0.0.1", checks });
  open.push(health);
  const idle = await Promise.all(Array.from({ length: 100 }, async () => connected(health.port)));
  const response = await fetch(`http://127.0.0.1:${health.port}/livez`, { signal: AbortSignal.timeout(3_000) });
  expect(response.status).toBe(200);
  await expect.poll(() => idle.filter((socket) => socket.destroyed).length).toBeGreaterThanOrEqual(36);
  for (const socket of idle) socket.destroy();
});

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}
