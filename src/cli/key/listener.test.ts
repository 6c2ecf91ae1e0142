import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import type { Endpoint } from "../endpoint.ts";
import { Interrupted } from "../errors.ts";
import { listenOnce } from "./listener.ts";
import { servePage } from "./local-page.ts";

// Real sockets: what else of this machine, or a page in its browser, can do to the port.

const state = "A".repeat(22);
const answerWith = (said: string, more: object = {}): string =>
  Buffer.from(JSON.stringify({ state: said, ...more })).toString("base64url");
const good = `/?state=${state}&answer=${answerWith(state)}`;

async function listening(forMs = 60_000) {
  const stop = new AbortController();
  const listener = await listenOnce(state, forMs, stop.signal);
  onTestFinished(() => {
    listener.close();
  });
  return { listener, stop, ask: async (path: string, how: How = {}) => ask(listener.port, path, how) };
}

type How = { readonly method?: string; readonly host?: string };
type Said = { readonly code: number; readonly text: string; readonly headers: NodeJS.Dict<string | string[]> };
async function ask(port: number, path: string, { method = "GET", host }: How = {}): Promise<Said> {
  const headers = { host: host ?? `127.0.0.1:${String(port)}` };
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ code: response.statusCode ?? 0, text, headers: response.headers }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("HT14: another Host, path, method, state or form is refused and changes nothing; then the answer is taken, once", async () => {
  const { listener, ask: said } = await listening();
  const { port } = listener;
  const wrong: readonly (readonly [string, How?])[] = [
    [good, { host: `evil.example:${String(port)}` }],
    [good, { host: `localhost:${String(port)}` }],
    [good, { host: "127.0.0.1" }],
    [good, { method: "POST" }],
    [good, { method: "OPTIONS" }],
    [good.replace("/?", "/callback?")],
    [good.replace("/?", "//?")],
    ["/"],
    [`/?state=${"B".repeat(22)}&answer=${answerWith("B".repeat(22))}`],
    [`/?state=${state}&answer=${answerWith("B".repeat(22))}`],
    [`/?state=${state}&answer=rubbish`],
    [`/?state=${state}&answer=${answerWith(state, { webauthn: { id: "x" } })}`],
    [`/?answer=${answerWith(state)}`],
    [`http://evil.example${good}`],
  ];
  for (const [path, how] of wrong) {
    const { code, text, headers } = await said(path, how);
    expect({ path, how, code, text }).toEqual({ path, how, code: 404, text: "" });
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
  const taken = await said(good);
  expect([taken.code, taken.text, taken.headers["cache-control"]]).toEqual([204, "", "no-store"]);
  expect(await listener.outcome).toEqual({ state });
  expect((await said(good)).code).toBe(404);
});

test("HT14: it listens at 127.0.0.1 and at no other address of this machine", async () => {
  const { listener } = await listening();
  const others = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ address }) => address !== "127.0.0.1" && !address.startsWith("fe80:"));
  const reached = await Promise.all(
    ["127.0.0.1", ...others.map(({ address }) => address)].map(
      async (host) =>
        new Promise((resolve) => {
          const socket = connect({ host, port: listener.port }, () => {
            socket.destroy();
            resolve(host);
          });
          socket.on("error", () => resolve(undefined));
        }),
    ),
  );
  expect(reached.filter((host) => host !== undefined)).toEqual(["127.0.0.1"]);
});

test("HT14: two windows, two ports; no answer in time is none, and Ctrl-C ends the waiting", async () => {
  const [one, two] = [await listening(), await listening(1)];
  expect(one.listener.port).not.toBe(two.listener.port);
  expect(await two.listener.outcome).toBeUndefined();
  one.stop.abort();
  await expect(one.listener.outcome).rejects.toThrow(Interrupted);
  const { listener } = await listening();
  listener.close();
  await expect(ask(listener.port, good)).rejects.toThrow(/ECONNREFUSED/);
});

test("HT14: the page of localhost is served to that name alone, and never beside another one who has its port", async () => {
  const headers = { "content-type": "text/html" };
  const endpoint: Pick<Endpoint, "file"> = { file: async (path) => Promise.resolve({ body: path, headers }) };
  const { listener } = await listening();
  await expect(servePage(endpoint, listener.port)).rejects.toThrow(
    /cannot be served: .*EADDRINUSE.* What else uses this port\?/,
  );
  listener.close();
  const page = await servePage(endpoint, listener.port);
  onTestFinished(() => {
    page.close();
  });
  const host = `localhost:${String(listener.port)}`;
  expect(await ask(listener.port, "/page.js", { host })).toMatchObject({ code: 200, text: "/page.js" });
  expect(await ask(listener.port, "/", { host: "evil.example" })).toMatchObject({ code: 404 });
  expect(await ask(listener.port, "/else", { host })).toMatchObject({ code: 404 });
  expect(await ask(listener.port, "/", { host, method: "POST" })).toMatchObject({ code: 404 });
});
