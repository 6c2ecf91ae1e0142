import { createServer, type Server } from "node:http";
import type { Endpoint } from "../endpoint.ts";
import { Failure } from "../errors.ts";

const paths = ["/", "/page.css", "/page.js"] as const;
const addresses = ["127.0.0.1", "::1"] as const;

/**
 * Serves the verifier's page at http://localhost:<port>, for development: browsers take localhost for a secure context,
 * and no certificate that is self-signed. Both addresses of localhost are listened on, so nobody else answers at one.
 */
export async function servePage(endpoint: Pick<Endpoint, "file">, port: number): Promise<{ close(): void }> {
  const files = new Map(await Promise.all(paths.map(async (path) => [path, await endpoint.file(path)] as const)));
  const servers: Server[] = [];
  const close = (): void => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  for (const address of addresses) {
    const server = createServer((request, response) => {
      const file = [...files].find(([path]) => path === request.url && request.method === "GET")?.[1];
      if (file === undefined || request.headers.host !== `localhost:${String(port)}`) response.writeHead(404).end();
      else response.writeHead(200, { ...file.headers, "cache-control": "no-store" }).end(file.body);
    });
    const failed = await listening(server, address, port);
    if (failed === undefined) servers.push(server);
    else if (address === "127.0.0.1" || !noSuchAddress.has(failed.code ?? "")) {
      close();
      throw new Failure(
        `http://localhost:${String(port)} cannot be served: ${failed.message}. What else uses this port?`,
      );
    }
  }
  return { close };
}

const noSuchAddress = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]); // a machine without IPv6

async function listening(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>();
  server.once("error", resolve);
  server.listen({ host, port, ipv6Only: host === "::1" }, () => resolve(undefined));
  return promise;
}
