import { createServer } from "node:http";
import type { Endpoint } from "../endpoint.ts";
import { Failure } from "../errors.ts";

const paths = ["/", "/page.css", "/page.js"] as const;

/**
 * Serves the verifier's page at http://localhost:<port>, for development: browsers take localhost for a secure context,
 * and no certificate that is self-signed. Both addresses of localhost are listened on, so nobody else answers at one.
 */
export async function servePage(endpoint: Endpoint, port: number): Promise<{ close(): void }> {
  const files = new Map(await Promise.all(paths.map(async (path) => [path, await endpoint.file(path)] as const)));
  const server = createServer((request, response) => {
    const file = [...files].find(([path]) => path === request.url && request.method === "GET")?.[1];
    if (file === undefined || request.headers.host !== `localhost:${String(port)}`) response.writeHead(404).end();
    else response.writeHead(200, file.headers).end(file.body);
  });
  await new Promise<void>((ready, failed) => {
    server.once("error", (cause) =>
      failed(
        new Failure(`http://localhost:${String(port)} cannot be served: ${cause.message}. What else uses this port?`),
      ),
    );
    server.listen({ host: "localhost", port }, ready);
  });
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
