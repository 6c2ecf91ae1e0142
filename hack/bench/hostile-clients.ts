import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectPlainly, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { gzipSync } from "node:zlib";

// Strangers at the endpoint, byte by byte. Each goes on until a time, and counts what it was answered: the status, or how
// its connection ended.

export type Target = {
  readonly port: number;
  readonly ca: string;
  /** A request that is offered, and what opens it. */
  readonly known: { readonly namespace: string; readonly name: string; readonly codeVerifier: string };
};
export type Answers = Map<string, number>;
export type Attack = (at: Target, until: number) => Promise<Answers>;

// With nothing of ours imported: a thread that plays one is there at once.
const newSecret = (): string => randomBytes(32).toString("base64url");
const requestPath = (namespace: string, name: string, action: string): string =>
  `/v1alpha1/namespaces/${namespace}/elevationrequests/${name}/${action}`;
const someAuthenticator = "/v1alpha1/authenticators/616c696365.totp/challenge";
const type = "Content-Type: application/json";
const lengthOf = (body: string | Buffer): string => `Content-Length: ${String(body.length)}`;
const message = (line: string, headers: readonly string[], body: string | Buffer = ""): Buffer =>
  Buffer.concat([Buffer.from(`${[line, "Host: x", ...headers].join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
const verifying = ({ known: { namespace, name } }: Target): string =>
  `POST ${requestPath(namespace, name, "verify")} HTTP/1.1`;
const posted = (at: Target, body: string | Buffer, headers: readonly string[] = []): Buffer =>
  message(verifying(at), [type, lengthOf(body), ...headers], body);
const guess = (codeVerifier: string): string => JSON.stringify({ codeVerifier, totp: { code: "123456" } });

const large = "x".repeat(2 * 1024 * 1024);
const bomb = gzipSync(Buffer.alloc(12_000_000, 0x20));
const nested = (deep: number): string => "[".repeat(deep);
const paths = ["/v1alpha1/../metrics", "/%2e%2e/metrics", "//", "/a%2fb", "/a%00", "/%c0%af", "http://[::1", "/readyz"];

export const attacks: { readonly [name: string]: Attack } = {
  "bodies of 2 MiB": sending((at) => posted(at, large)),
  "bodies of 2 MiB, in chunks": sending((at) =>
    message(verifying(at), [type, "Transfer-Encoding: chunked"], `${large.length.toString(16)}\r\n${large}`),
  ),
  "gzip bombs": sending((at) => posted(at, bomb, ["Content-Encoding: gzip"])),
  "10^5 nested lists": sending((at) => posted(at, nested(100_000))),
  "8,000 nested lists": sending((at) => posted(at, nested(8_000))),
  "prototype and doubled keys": sending((at) =>
    posted(at, `{"__proto__":{"a":1},"constructor":{},"codeVerifier":"x","codeVerifier":"${newSecret()}"}`),
  ),
  "two lengths (smuggling)": sending((at) => posted(at, guess(newSecret()), ["Transfer-Encoding: chunked"])),
  "path tricks": sending((_at, i) => message(`GET ${paths[i % paths.length] ?? ""} HTTP/1.1`, [])),
  "headers of 64 KiB": sending((at) => message(verifying(at), [type, `X-A: ${"a".repeat(65_536)}`])),
  "HTTP/2's preface": sending(() => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
  "100 requests in one breath": sending((at) =>
    Buffer.concat(Array.from({ length: 100 }, () => posted(at, guess(newSecret())))),
  ),
  "2,000 idle connections": holding(2_000, undefined),
  "2,000 handshakes left halfway": holding(2_000, () => Buffer.from("160301020001", "hex"), true),
  "500 slow headers": holding(500, (at) => message(verifying(at), [type]).subarray(0, -2)),
  "500 slow bodies": holding(500, (at) => message(verifying(at), [type, "Content-Length: 9999"], "{")),
  "500 who do not read": holding(500, (at) =>
    Buffer.concat(Array.from({ length: 50 }, () => posted(at, guess(newSecret())))),
  ),
  "handshakes and no more": sending(() => Buffer.alloc(0)),
  "a flood of strangers": flood(
    (at, i) => {
      const names = [at.known.name, `none-${String(i)}`];
      if (i % 3 === 2) return `POST ${someAuthenticator} HTTP/1.1`;
      return `POST ${requestPath(at.known.namespace, names[i % 3] ?? "", "challenge")} HTTP/1.1`;
    },
    () => JSON.stringify({ codeVerifier: newSecret() }),
  ),
  "a flood with the right codeVerifier": flood(
    ({ known: { namespace, name } }) => `POST ${requestPath(namespace, name, "challenge")} HTTP/1.1`,
    ({ known: { codeVerifier } }) => JSON.stringify({ codeVerifier }),
  ),
};

const ways = 16;

/** Opens, sends, waits for the answer; many at once. */
function sending(bytes: (at: Target, i: number) => Buffer): Attack {
  return async (at, until) => {
    let sent = 0;
    return manyWays(until, async () => {
      const socket = connect({ host: "127.0.0.1", port: at.port, ca: at.ca, servername: "localhost" });
      const said = bytes(at, sent++);
      if (said.length === 0) socket.once("secureConnect", () => socket.destroy());
      else socket.write(said);
      socket.once("data", () => socket.destroy());
      return ended(socket);
    });
  };
}

/** Over connections that are kept, as long as they are. */
function flood(line: (at: Target, i: number) => string, body: (at: Target) => string): Attack {
  return async (at, until) => {
    let sent = 0;
    return manyWays(until, async (tell) => {
      const socket = connect({ host: "127.0.0.1", port: at.port, ca: at.ca, servername: "localhost" });
      socket.on("error", () => undefined);
      while (!socket.destroyed && Date.now() < until) {
        const text = body(at);
        socket.write(message(line(at, sent++), [type, lengthOf(text)], text));
        const first = await heard(socket);
        if (!Buffer.isBuffer(first)) break;
        tell(statusIn(first.toString("latin1")));
      }
      socket.destroy();
      return undefined;
    });
  };
}

/** Keeps so many open, and opens another for each that is closed. */
function holding(count: number, bytes: ((at: Target) => Buffer) | undefined, isPlain = bytes === undefined): Attack {
  return async (at, until) => {
    const held = new Set<Socket>();
    const answers: Answers = new Map();
    while (Date.now() < until) {
      for (let opened = 0; held.size < count && opened < 100; opened += 1) {
        const to = { host: "127.0.0.1", port: at.port };
        const socket = isPlain ? connectPlainly(to) : connect({ ...to, ca: at.ca, servername: "localhost" });
        held.add(socket);
        if (bytes !== undefined) socket.write(bytes(at));
        const wait = async (): Promise<void> => {
          const how = await ended(socket);
          held.delete(socket);
          if (Date.now() < until) count1(answers, how);
        };
        void wait();
      }
      await sleep(50);
    }
    for (const socket of held) socket.destroy();
    return answers;
  };
}

type Act = (tell: (answer: string) => void) => Promise<string | undefined>;
async function manyWays(until: number, act: Act): Promise<Answers> {
  const answers: Answers = new Map();
  const tell = (answer: string): void => count1(answers, answer);
  const work = async (): Promise<void> => {
    while (Date.now() < until) {
      const answer = await act(tell);
      if (answer !== undefined) tell(answer);
      await sleep(1);
    }
  };
  await Promise.all(Array.from({ length: ways }, work));
  return answers;
}

/** The status that came first, or that there was none; what takes longer than any answer is let go. */
async function ended(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.setTimeout(60_000, () => socket.destroy());
  socket.on("error", () => undefined);
  socket.once("close", () => resolve(text === "" ? "closed" : statusIn(text)));
  socket.on("data", (chunk: Buffer) => {
    text ||= chunk.toString("latin1");
  });
  return promise;
}

/** What comes next; undefined: nothing, it was closed. */
async function heard(socket: Socket): Promise<unknown> {
  const over = new AbortController();
  const { signal } = over;
  const [first] = await Promise.race([once(socket, "data", { signal }), once(socket, "close", { signal })]).catch(
    () => [],
  );
  over.abort();
  return first;
}

const statusIn = (text: string): string => /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? "closed";
const count1 = (answers: Answers, answer: string): void => void answers.set(answer, (answers.get(answer) ?? 0) + 1);
