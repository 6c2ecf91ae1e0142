import { readFile } from "node:fs/promises";
import { Router } from "express";
import helmet from "helmet";
import { refuseVerb } from "./refusal.ts";

const types = { "index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript" } as const;
type Name = keyof typeof types;

/** The files of the page where a key is used, as `make page` leaves them in this directory; throws where one is missing. */
export type Page = ReadonlyMap<Name, Buffer>;
export async function readPage(directory: URL): Promise<Page> {
  const names: readonly Name[] = ["index.html", "page.css", "page.js"];
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(new URL(name, directory))] as const)),
  );
}

/** GET / and what it loads, from memory. The page may run its own script, ask for keys, and reach nobody. */
export function pageRoutes(page: Page): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const secure = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        connectSrc: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
      },
    },
    xFrameOptions: { action: "deny" },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
  });
  for (const [name, body] of page) {
    const path = name === "index.html" ? "/" : `/${name}`;
    router.get(path, secure, (_request, response) => {
      response.setHeader("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)");
      response.setHeader("Cache-Control", "no-cache");
      response.type(types[name]).send(body);
    });
    router.all(path, (_request, response) => refuseVerb(response, "GET"));
  }
  return router;
}
