import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import {
  connected,
  heard,
  newCertificate,
  proof,
  serve,
  spoken,
  tls,
  verified,
  verifyPath,
} from "../../test/fakes/served.ts";
import type { Page } from "./page.ts";

// Who takes time and room: connections that say nothing, say it slowly, or do not listen. Where a limit is a time, it is a
// short one here.

const type = "Content-Type: application/json";
const open = `POST ${verifyPath} HTTP/1.1\r\nHost: x\r\n${type}\r\n`;
const unfinished = `${open}Content-Length: 99\r\n\r\n{`;
const closed = async (socket: Socket): Promise<void> => void (await heard(socket));

/** So many connections, each of which says this as soon as it can. */
async function crowd(port: number, count: number, text: string) {
  let left = count;
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const to = { host: "127.0.0.1", port };
    const socket = text === "" ? connect(to) : connectTls({ ...to, ca: tls.cert, servername: "localhost" });
    socket.write(text);
    const gone = (): void => {
      left -= 1;
    };
    socket
      .on("error", () => undefined)
      .once("close", gone)
      .resume();
    sockets.push(socket);
    if (i % 50 === 49) await once(socket, "connect"); // more at once are lost to the kernel, which tells nobody
  }
  return {
    left: () => left,
    end() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
const waiting = { timeout: 30_000 };

test.each([
  ["that open nothing but TCP", ""],
  ["whose headers have no end", `${open}X-A`],
  ["whose body has no end", unfinished],
])(
  "HT02: of connections %s, no more are kept than there may be; who asks is answered meanwhile",
  async (_what, text) => {
    const { port, post, calls } = await serve({}, { connections: 20 });
    const others = await crowd(port, 60, text);
    await expect.poll(others.left, waiting).toBe(20);
    for (let i = 0; i < 5; i++) expect((await post()).status).toBe(200);
    expect(others.left()).toBeLessThan(20);
    expect(calls).toHaveLength(5);
    others.end();
  },
);

test("HT02: 2,000 idle connections: 1,000 are kept, honest callers are served, and after their time there is none", async () => {
  const { port, post } = await serve({}, { headersMs: 3_000 });
  const idle = await crowd(port, 2_000, "");
  await expect.poll(idle.left, waiting).toBeLessThanOrEqual(1_000);
  expect((await post()).status).toBe(200);
  await expect.poll(idle.left, waiting).toBe(0);
});

test("HT02: an answer that is waited for is not cut off by those who come", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof verified>();
  const started = Promise.withResolvers<void>();
  const { port, post } = await serve(
    {
      prove: () => {
        started.resolve();
        return promise;
      },
    },
    { connections: 5 },
  );
  const first = post();
  await started.promise;
  const others = await crowd(port, 20, "");
  await expect.poll(others.left, waiting).toBe(4);
  resolve(verified);
  expect((await first).status).toBe(200);
  others.end();
});

test("HT02: where all wait for an answer, one more is not let in", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof verified>();
  let started = 0;
  const { post } = await serve(
    {
      prove: () => {
        started += 1;
        return promise;
      },
    },
    { connections: 2 },
  );
  const both = [post(), post()];
  await expect.poll(() => started, waiting).toBe(2);
  await expect(post()).rejects.toThrow(/hang up|ECONNRESET|disconnected/);
  resolve(verified);
  for (const one of both) expect((await one).status).toBe(200);
});

test("HT02: bodies that come slowly take no place of those that are whole", async () => {
  const { port, post } = await serve({}, { inFlight: 1 });
  const slow = await crowd(port, 10, unfinished);
  for (let i = 0; i < 3; i++) expect((await post()).status).toBe(200);
  slow.end();
});

test("HT12: a place is taken until the work is done, also where the caller has gone", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof verified>();
  let started = 0;
  const { port, post } = await serve(
    {
      prove: () => {
        started += 1;
        return promise;
      },
    },
    { inFlight: 2 },
  );
  const body = JSON.stringify(proof);
  for (const _ of [1, 2]) {
    const socket = await connected(port);
    socket.write(`${open}Content-Length: ${String(body.length)}\r\n\r\n${body}`);
    const before = started;
    await expect.poll(() => started, waiting).toBe(before + 1);
    socket.destroy();
    await closed(socket);
  }
  for (let i = 0; i < 3; i++) {
    const answer = await post();
    expect(answer).toMatchObject({ status: 429, headers: { "retry-after": "1" } });
  }
  expect(started).toBe(2);
  resolve(verified);
  await expect.poll(async () => (await post()).status, waiting).toBe(200);
});

test("HT12: one address takes half of the places, and who comes from another finds one", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof verified>();
  let started = 0;
  const { port, post } = await serve(
    {
      prove: () => {
        started += 1;
        return promise;
      },
    },
    { inFlight: 4, inFlightPerAddress: 2 },
  );
  const body = JSON.stringify(proof);
  const inOneBreath = `${open}Content-Length: ${String(body.length)}\r\n\r\n${body}`.repeat(5);
  const stranger = await connected(port, { from: "127.0.0.2" });
  stranger.write(inOneBreath);
  await expect.poll(() => started, waiting).toBe(2);
  const honest = post();
  await expect.poll(() => started, waiting).toBe(3);
  resolve(verified);
  expect((await honest).status).toBe(200);
  const said = await heard(stranger);
  expect(said.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(said).toContain("HTTP/1.1 429");
});

test("HT12: of a flood by one codeVerifier the surplus is a 429 with Retry-After, and another's is answered meanwhile", async () => {
  let atOnce = 0;
  let most = 0;
  const { post } = await serve(
    {
      prove: async () => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await sleep(20);
        atOnce -= 1;
        return verified;
      },
    },
    { inFlight: 30, perCodeVerifier: 20 },
  );
  const flood = Array.from({ length: 60 }, async () => post());
  const other = post({ body: { ...proof, codeVerifier: `${"B".repeat(42)}A` } });
  const statuses = (await Promise.all(flood)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
  expect(statuses.filter((status) => status === 200)).toHaveLength(20);
  expect((await other).status).toBe(200);
  expect(most).toBeLessThanOrEqual(21);
});

test("HT02: in their time are closed: TLS that was never begun, or left halfway; a connection that asks nothing, or nothing more", async () => {
  const { port, calls } = await serve({}, { headersMs: 300, requestMs: 600, keepAliveMs: 300, silentMs: 3_000 });
  const never = connect({ host: "127.0.0.1", port });
  const halfway = connect({ host: "127.0.0.1", port }, () => halfway.write(Buffer.from("160301020001", "hex")));
  const nothing = await connected(port);
  const body = JSON.stringify(proof);
  const more = await connected(port);
  more.write(`${open}Content-Length: ${String(body.length)}\r\n\r\n${body}`);
  const all = await Promise.all([never, halfway, nothing, more].map(heard));
  expect(all.map((text) => text.slice(0, 12))).toEqual(["", "", "HTTP/1.1 408", "HTTP/1.1 200"]);
  expect(calls).toHaveLength(1);
});

test("HT02: a byte now and then lengthens nothing, in headers or in a body", async () => {
  const { port, calls } = await serve({}, { headersMs: 300, requestMs: 600 });
  const drip = async (begin: string): Promise<string> => {
    const socket = await connected(port);
    socket.write(begin);
    const timer = setInterval(() => socket.writable && socket.write("a"), 50);
    const text = await heard(socket);
    clearInterval(timer);
    return text;
  };
  const [headers, bodies] = await Promise.all([drip(`${open}X-A: `), drip(`${open}Content-Length: 9999\r\n\r\n`)]);
  expect(headers).toMatch(/^HTTP\/1\.1 408 /);
  expect(bodies).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(calls).toEqual([]);
});

test("HT02: who asks and does not read is closed, and the answers that he left are not kept", async () => {
  const page: Page = new Map([["page.js", Buffer.alloc(200_000, "x")]]);
  const { port, post } = await serve({}, { silentMs: 500 }, page);
  const socket = await connected(port);
  socket.pause();
  socket.write("GET /page.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200));
  await sleep(2_500); // nothing is heard of a close by who does not read
  const answer = heard(socket);
  socket.resume();
  expect((await answer).length).toBeLessThan(200 * 200_000);
  expect((await post()).status).toBe(200);
});

test("HT02: keys are not agreed upon anew within a connection, which costs the server alone", async () => {
  const { port, endpoint } = await serve();
  for (const _ of ["the first certificate", "the next one"]) {
    const socket = await connected(port, { maxVersion: "TLSv1.2", rejectUnauthorized: false });
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    socket.on("error", resolve);
    socket.renegotiate({ rejectUnauthorized: false }, resolve);
    expect(await promise).toBeInstanceOf(Error);
    socket.destroy();
    endpoint.useCertificate(await newCertificate());
  }
});

test("HT12: a crowd of strangers, each with another codeVerifier, leaves little behind", async () => {
  const { port, calls } = await serve({}, { perAddress: 5_000, overall: 5_000 });
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 1_500; i += 100) {
    const requests = Array.from({ length: 100 }, (_, j) => {
      const body = JSON.stringify({ ...proof, codeVerifier: `${String(i + j).padStart(42, "B")}A` });
      return `${open}Content-Length: ${String(body.length)}\r\n${j === 99 ? "Connection: close\r\n" : ""}\r\n${body}`;
    });
    await spoken(port, requests.join(""));
  }
  expect(calls).toHaveLength(1_500);
  calls.length = 0;
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
});
