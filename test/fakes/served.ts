import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach } from "vitest";
import { authenticatorPath, type Failure, failure, requestPath } from "../../src/api/v1alpha1/wire.ts";
import { instant } from "../../src/domain/time.ts";
import { type Limits, usualLimits } from "../../src/http/limits.ts";
import type { Page } from "../../src/http/page.ts";
import { createEndpoint, type Endpoint, type EndpointFlows } from "../../src/http/server.ts";
import { selfSigned } from "../../src/mfa/certificate.ts";
import { createLog } from "../../src/ops/log.ts";

// The endpoint over real HTTPS, with flows that are made up, and clients that speak to it: well-behaved, or byte by byte.

export const now = instant(1_800_000_000_000);
export const codeVerifier = "A".repeat(43);
export const verifyPath = requestPath("payments", "debug-x7k2m", "verify");
export const challengePath = requestPath("payments", "debug-x7k2m", "challenge");
export const registerPath = authenticatorPath("616c696365.totp", "register");
export const proof = { codeVerifier, totp: { code: "012345" } };
export const verified = { method: "TOTP", verificationTime: "2027-01-15T08:00:00.000Z", phase: "Active" } as const;
const offer = {
  cluster: { name: "c", uid: "u" },
  roleRef: { kind: "ClusterRole", name: "debugger" },
  rulesHash: "h",
  methods: [{ method: "TOTP", duration: "15m" }],
  deadlineTime: "2027-01-15T08:05:00.000Z",
  authorizedBy: "by a RoleBinding",
} as const;

export async function newCertificate(): Promise<{ readonly cert: string; readonly key: string }> {
  const { certificate, key } = await selfSigned(["localhost", "127.0.0.1"], instant(Date.now()));
  return { cert: certificate, key };
}
export const tls = await newCertificate();
const open: Endpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close(0)));
});

export type Answer = {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly text: string;
};
type Sent = {
  readonly path?: string;
  readonly verb?: string;
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly headers?: { readonly [name: string]: string | string[] };
};

/** An endpoint over real HTTPS whose flows tell what they were called with. */
export async function serve(flows: Partial<EndpointFlows> = {}, limits: Partial<Limits> = {}, page: Page = new Map()) {
  const calls: unknown[] = [];
  const logged: string[] = [];
  const log = createLog({
    logger: "verifier",
    level: "debug",
    clock: () => new Date(now),
    to: { write: (line) => logged.push(line) },
  });
  const called =
    <T>(name: string, answer: T) =>
    async (...given: unknown[]): Promise<T> => {
      calls.push([name, ...given]);
      return answer;
    };
  const endpoint = createEndpoint({
    flows: {
      challenge: called("challenge", { offer, methods: ["TOTP" as const] }),
      prove: called("prove", verified),
      enrollmentOptions: called("enrollmentOptions", { totp: { secret: "S", uri: "otpauth://totp/x" } }),
      register: called("register", { name: "616c696365.totp", method: "TOTP" as const }),
      ...flows,
    },
    tls,
    clock: () => now,
    log,
    newId: () => "id-1",
    unreachable: (error) => error instanceof Error && error.message === "connect ECONNREFUSED",
    limits: { ...usualLimits, ...limits },
    page,
  });
  open.push(endpoint);
  const port = await endpoint.listen(0, "127.0.0.1");
  return { port, calls, logged, endpoint, post: (sent: Sent = {}) => send(port, sent) };
}

function send(
  port: number,
  { path = verifyPath, verb = "POST", body = proof, raw, headers = {} }: Sent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        path,
        method: verb,
        ca: tls.cert,
        servername: "localhost",
        agent: false,
        headers: { "Content-Type": "application/json", ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    request.on("error", reject);
    request.end(verb === "POST" ? (raw ?? JSON.stringify(body)) : undefined);
  });
}

export const statusOf = (answer: Pick<Answer, "text">): Failure => failure.parse(JSON.parse(answer.text));
/** What the endpoint says to these bytes on plain TCP, until it closes. */
export async function spokenPlainly(port: number, text: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text));
  return heard(socket);
}

/** The same within TLS. */
export async function spoken(port: number, text: string | Buffer): Promise<string> {
  const socket = await connected(port);
  socket.write(text);
  return heard(socket);
}

/** A connection whose handshake is done; from another address of this machine, where one is named. */
export async function connected(
  port: number,
  { from, ...options }: ConnectionOptions & { readonly from?: string } = {},
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const own = from !== undefined && { localAddress: from };
  const to = { host: "127.0.0.1", port, ca: tls.cert, servername: "localhost", ...own, ...options };
  const socket = connectTls(to, () => resolve(socket));
  socket.on("error", reject);
  return promise;
}

/** All that comes until it is closed, by whomever, and however. */
export async function heard(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(text));
  return promise;
}
