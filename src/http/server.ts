import { constants } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import express from "express";
import helmet from "helmet";
import { boundConnections } from "./connections.ts";
import { createRoutes, type RouteOptions } from "./routes.ts";
import { refuseUnreadable } from "./unreadable.ts";

export type { EndpointFlows } from "./routes.ts";

/** PEM: the chain that is served, and its key. */
export type ServerCertificate = { readonly cert: string; readonly key: string };

export type Endpoint = {
  /** The port that is listened on: the one asked for, or a free one for 0. */
  listen(port: number, address: string): Promise<number>;
  /** For connections from now on. */
  useCertificate(tls: ServerCertificate): void;
  /** Takes nothing new, lets what is under way end for `graceMs`, then cuts it. */
  close(graceMs: number): Promise<void>;
};

/**
 * The endpoint: HTTPS alone, no session, no cookie, no CORS, no query; every limit is here or in limits.ts. It knows
 * flows and nothing of Kubernetes, so it is tested with flows that are made up.
 */
export function createEndpoint(options: RouteOptions & { readonly tls: ServerCertificate }): Endpoint {
  const { tls, limits } = options;
  const connections = boundConnections(limits.connections);
  const { router, rings } = createRoutes(options, connections);
  const app = express();
  app.disable("x-powered-by").disable("etag").set("query parser", false).set("trust proxy", false);
  app.use(headers(), router);

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    if (!plainPath.test(request.url ?? "")) request.url = "*"; // else Express answers it by itself, or Node warns of it
    app(request, response);
  };
  const server = createServer({ ...tls, ...serverLimits(limits) }, serve);
  server.on("connection", connections.opened);
  server.on("checkExpectation", serve);
  server.on("clientError", refuseUnreadable);
  server.setTimeout(limits.silentMs);
  server.keepAliveTimeout = limits.keepAliveMs;
  server.maxRequestsPerSocket = 1_000;
  server.on("tlsClientError", (error) => options.log.debug({ err: error }, "a TLS handshake failed"));
  return {
    listen: (port, address) => listening(server, port, address),
    useCertificate: ({ cert, key }) => server.setSecureContext({ cert, key, ...tlsOptions }),
    async close(graceMs) {
      rings.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

// Not a proxy's request, which names a whole URL; and no `#`, which no request has.
const plainPath = /^\/[!"$-~]*$/;
const tlsOptions = { minVersion: "TLSv1.2", secureOptions: constants.SSL_OP_NO_RENEGOTIATION } as const;

function serverLimits({ headersMs, requestMs }: RouteOptions["limits"]) {
  return {
    ...tlsOptions,
    handshakeTimeout: headersMs,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.min(headersMs, 1_000),
    maxHeaderSize: 8 * 1024,
    requireHostHeader: false, // routes.ts asks for one, and answers as it answers all
    noDelay: true,
  } as const;
}

/** Helmet's, with nothing allowed to a page; an answer may hold a seed, so nobody keeps it. */
function headers(): express.RequestHandler {
  const secure = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    xFrameOptions: { action: "deny" },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
  });
  return (request, response, next) => {
    response.setHeader("Cache-Control", "no-store");
    secure(request, response, next);
  };
}

function listening(server: Server, port: number, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(address === "" ? {} : { host: address }) }, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : port);
    });
  });
}
