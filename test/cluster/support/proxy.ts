import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";

/** A call that is counted: by default a write of a grant's life, on a request or on a binding. */
export type Write = {
  readonly number: number;
  readonly method: string;
  readonly path: string;
  /** The JSON that is sent, where there is one. */
  readonly body: unknown;
};

/** "cut": the connection ends and nothing more is passed on, to neither side. */
type Hook<More extends readonly unknown[] = []> = (write: Write, ...more: More) => Promise<"cut" | undefined | void>;

/** What happens around a write, while its sender waits. A promise that never settles keeps it waiting for ever. */
export type Around = {
  readonly before?: Hook;
  /** It has been applied; its reply is on the way. */
  readonly after?: Hook<[code: number]>;
  /** What is counted, instead. */
  readonly counts?: (method: string, path: string) => boolean;
  /** Shows the process the requests and bindings of this namespace alone, so that many share one API server. */
  readonly namespace?: string;
  /** Of authenticators its lists have those labelled `lane: <namespace>` alone, which is for who lists and never watches. */
  readonly labelled?: boolean;
  /** Another API server, for each call as it comes. */
  readonly server?: () => string;
  /** What becomes of the JSON that a GET of this path is answered with; undefined: as it is. */
  readonly alters?: (path: string) => ((body: unknown) => unknown) | undefined;
};

export type Proxy = { readonly kubeconfig: string; readonly writes: readonly Write[]; close(): Promise<void> };

/** Stands between the API server and a process that runs with this account, and counts its writes. */
export async function startProxy(plane: ControlPlane, account: string, around: Around = {}): Promise<Proxy> {
  const { before, after, counts = isWrite, namespace, labelled = false, server: serving = () => plane.server } = around;
  const agent = new Agent({ keepAlive: true, ca: await readFile(plane.caFile) });
  const writes: Write[] = [];
  const pass = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    const method = from.method ?? "";
    const asked = narrowed(from.url ?? "", namespace);
    const path = labelled && method === "GET" ? byLabel(asked, namespace) : asked;
    const text = await buffer(from);
    const write = counts(method, path)
      ? { number: writes.length + 1, method, path, body: parsed(text.toString()) }
      : undefined;
    if (write !== undefined) {
      writes.push(write);
      if ((await before?.(write)) === "cut") return void to.destroy();
    }
    const alter = method === "GET" ? around.alters?.(path) : undefined;
    const headers = { ...headersOf(from), ...(alter && { "accept-encoding": "identity" }) };
    const sent = request(new URL(path, serving()), { method, agent, headers }, (reply) => {
      const answer = async (): Promise<void> => {
        if (write !== undefined && (await after?.(write, reply.statusCode ?? 0)) === "cut") {
          reply.destroy();
          return void to.destroy();
        }
        if (alter !== undefined) {
          const altered = JSON.stringify(alter(parsed((await buffer(reply)).toString())));
          return void to.writeHead(reply.statusCode ?? 502, { "content-type": "application/json" }).end(altered);
        }
        if (to.destroyed) return void reply.destroy(); // who asked was killed
        to.writeHead(reply.statusCode ?? 502, reply.headers);
        to.flushHeaders(); // a watch may have nothing to say for a minute, and its asker waits for an answer
        pipeline(reply, to, () => undefined); // whichever side ends early, the other does not stay open
      };
      answer().catch(() => to.destroy());
    });
    sent.on("error", () => to.destroy());
    // nobody is left to read it; a write that is on its way is not taken back
    to.on("close", () => method === "GET" && !to.writableFinished && sent.destroy());
    sent.end(text);
  };
  const server = createServer((from, to) => void pass(from, to).catch(() => to.destroy()));
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

const everywhere =
  /^(\/apis\/(?:kube-elevate\.dev\/v1alpha1|rbac\.authorization\.k8s\.io\/v1))\/(elevationrequests|rolebindings)(?=\?|$)/;
const narrowed = (path: string, namespace: string | undefined): string =>
  namespace === undefined ? path : path.replace(everywhere, `$1/namespaces/${namespace}/$2`);

const byLabel = (path: string, namespace = ""): string =>
  path.replace(/(\/authenticators)(?:\?|$)/, `$1?labelSelector=lane%3D${namespace}&`);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

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
