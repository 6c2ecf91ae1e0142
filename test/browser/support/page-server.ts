import { createServer, type RequestListener, type Server } from "node:http";
import express from "express";
import { pageRoutes, readPage } from "../../../src/http/page.ts";
import { pageDirectory } from "../../../src/settings.ts";

export type Served = { readonly port: number; readonly url: string; close(): void };

/** The page with the headers of the verifier, at http://localhost: for browsers a secure context, without a certificate. */
export async function servePageAsVerifier(): Promise<Served> {
  return serve(express().use(pageRoutes(await readPage(pageDirectory))));
}

/** The same files as a plain static host has them: no header says what the page may do. */
export async function servePageAsHost(): Promise<Served> {
  const files = await readPage(pageDirectory);
  const types = { "index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript" };
  return serve((request, response) => {
    const path = (request.url ?? "").slice(1);
    const [name, body] = [...files].find(([known]) => known === (path === "" ? "index.html" : path)) ?? [];
    if (name === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": types[name] }).end(body);
  });
}

/** Whatever this is, at a free port of localhost. */
export async function serve(listener: RequestListener): Promise<Served> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    url: `http://localhost:${String(port)}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
