import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";

/** Undefined: all is well; else what is missing, for people. It must answer at once: from memory, never by a request. */
export type Check = () => string | undefined;

type Options = { readonly port: number; readonly address: string; readonly checks: { readonly [name: string]: Check } };

/**
 * Serves /livez and /readyz for kubelets and people. /livez says that the event loop turns and nothing more: it never
 * depends on the API server, since a restart would cure nothing there. /readyz?verbose lists each check.
 */
export async function serveHealth({
  port,
  address,
  checks,
}: Options): Promise<{ port: number; close(): Promise<void> }> {
  const timeouts = { requestTimeout: 5_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 };
  const server = createServer(timeouts, (request, response) => {
    const [path = "", query] = (request.url ?? "").split("?");
    const { code, text } = answer(path, query === "verbose", checks);
    response.writeHead(code, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" }).end(text);
  });
  makeRoom(server, 64);
  await listening(server, port, address);
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** For one more than this the oldest goes: whoever holds many keeps no kubelet out, which would restart us. */
function makeRoom(server: Server, limit: number): void {
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const [oldest] = open;
    if (open.size > limit) oldest?.destroy();
  });
}

type Answer = { readonly code: number; readonly text: string };

function answer(path: string, verbose: boolean, checks: Options["checks"]): Answer {
  if (path === "/livez") return { code: 200, text: "ok\n" };
  if (path !== "/readyz") return { code: 404, text: "not found: /livez and /readyz are here\n" };
  const results = Object.entries(checks).map(([name, check]) => ({ name, missing: check() }));
  const ready = results.every(({ missing }) => missing === undefined);
  const lines = results
    .filter(({ missing }) => verbose || missing !== undefined)
    .map(({ name, missing }) => (missing === undefined ? `[+] ${name} ok\n` : `[-] ${name}: ${missing}\n`));
  return { code: ready ? 200 : 503, text: `${lines.join("")}${ready ? "ok" : "not ready"}\n` };
}

function listening(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(address === "" ? {} : { host: address }) }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
