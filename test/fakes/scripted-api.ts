import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Asked = {
  readonly method: string;
  readonly path: string;
  readonly query: { readonly [key: string]: string };
  readonly authorization: string;
  readonly body: string;
};
type Script = (asked: Asked, response: ServerResponse) => void;

/** An API server of one's own making, for faults that a real one shows seldom. Plain HTTP on a free loopback port. */
export type ScriptedApi = {
  readonly kubeconfig: string;
  readonly asked: readonly Asked[];
  script: Script;
  /** All that were opened, and those open now. */
  readonly connections: { readonly opened: number; readonly open: number };
  /** Resolves once so many are open. */
  untilOpen(count: number): Promise<void>;
  writeToken(token: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function scriptedApi(script: Script): Promise<ScriptedApi> {
  const dir = await mkdtemp(join(tmpdir(), "scripted-api-"));
  const kubeconfig = join(dir, "kubeconfig");
  const asked: Asked[] = [];
  const connections = { opened: 0, open: 0 };
  const waiting = new Set<() => void>();
  const changed = (by: number): void => {
    connections.open += by;
    for (const look of waiting) look();
  };
  const server = createServer((request, response) => {
    void (async () => {
      const one = await read(request);
      asked.push(one);
      api.script(one, response);
    })();
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    connections.opened += 1;
    changed(1);
    socket.on("close", () => changed(-1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const api: ScriptedApi = {
    kubeconfig,
    asked,
    script,
    connections,
    untilOpen: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (connections.open !== count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    writeToken: (token) => writeFile(kubeconfig, JSON.stringify(config(port, token))),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await rm(dir, { recursive: true, force: true });
    },
  };
  await api.writeToken("first");
  return api;
}

export function json(
  response: ServerResponse,
  body: unknown,
  code = 200,
  headers: { readonly [name: string]: string } = {},
): void {
  response.writeHead(code, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** metav1.Status */
export const status = (code: number, reason: string, message: string, more: object = {}): object => ({
  kind: "Status",
  apiVersion: "v1",
  status: "Failure",
  code,
  reason,
  message,
  ...more,
});

async function read(request: IncomingMessage): Promise<Asked> {
  let body = "";
  for await (const part of request.setEncoding("utf8")) body += String(part);
  const url = new URL(request.url ?? "", "http://api");
  return {
    method: request.method ?? "",
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    authorization: request.headers.authorization ?? "",
    body,
  };
}

const config = (port: number, token: string): object => ({
  apiVersion: "v1",
  kind: "Config",
  "current-context": "c",
  contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
  users: [{ name: "u", user: { token } }],
});
