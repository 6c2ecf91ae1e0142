import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import { join } from "node:path";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";

/** A write of a grant's life, on a request or on a binding: what is offered, promised, bound, unbound, closed. */
export type Write = { readonly number: number; readonly method: string; readonly path: string };

/** What happens around a write, while its sender waits. A promise that never settles keeps it waiting for ever. */
export type Around = {
  readonly before?: (write: Write) => Promise<void>;
  /** It has been applied; its reply is on the way. */
  readonly after?: (write: Write) => Promise<void>;
};

export type Proxy = { readonly kubeconfig: string; readonly writes: readonly Write[]; close(): Promise<void> };

/** Stands between the API server and a process that runs with this account, and counts its writes. */
export async function startProxy(plane: ControlPlane, account: string, around: Around = {}): Promise<Proxy> {
  const agent = new Agent({ keepAlive: true, ca: await readFile(plane.caFile) });
  const writes: Write[] = [];
  const pass = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    const path = from.url ?? "";
    const method = from.method ?? "";
    const write = isWrite(method, path) ? { number: writes.length + 1, method, path } : undefined;
    if (write !== undefined) {
      writes.push(write);
      await around.before?.(write);
    }
    const sent = request(new URL(path, plane.server), { method, agent, headers: headersOf(from) }, (reply) => {
      const answer = async (): Promise<void> => {
        if (write !== undefined) await around.after?.(write);
        to.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(to);
      };
      to.on("close", () => reply.destroy());
      void answer();
    });
    sent.on("error", () => to.destroy());
    from.pipe(sent);
  };
  const server = createServer((from, to) => void pass(from, to));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const kubeconfig = join(plane.dir, `proxy-${String(port)}.kubeconfig`);
  await writeFile(kubeconfig, kubeconfigOf(`http://127.0.0.1:${String(port)}`, plane.tokenOf(account)), {
    mode: 0o600,
  });
  return {
    kubeconfig,
    writes,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      agent.destroy();
    },
  };
}

const isWrite = (method: string, path: string): boolean =>
  method !== "GET" && !path.includes("dryRun=All") && /\/(elevationrequests|rolebindings)(\/|$)/.test(path);

function headersOf({ headers }: IncomingMessage): IncomingMessage["headers"] {
  const { host: _host, connection: _connection, ...rest } = headers;
  return rest;
}

/** Plain HTTP, on loopback; client-node takes it with this flag alone. */
const kubeconfigOf = (server: string, token: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "proxy",
    contexts: [{ name: "proxy", context: { cluster: "proxy", user: "account" } }],
    clusters: [{ name: "proxy", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "account", user: { token } }],
  });
