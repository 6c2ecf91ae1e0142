import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Outcome } from "../../api/v1alpha1/ceremony.ts";
import { Failure, Interrupted } from "../errors.ts";
import { outcomeOf } from "./address.ts";

/** Where a browser of this machine brings one answer. */
export type Listener = {
  readonly port: number;
  /** Resolves with the first answer to what was asked; undefined: there was none in time. Rejects when told to stop. */
  readonly outcome: Promise<Outcome | undefined>;
  close(): void;
};

/**
 * Listens on 127.0.0.1 alone, at a port that is free, for GET /?state=...&answer=..., as RFC 8252 section 7.3 has it for
 * native apps. Whatever else comes is refused and changes nothing: another Host (a name that was rebound), another path,
 * another state, a second answer.
 */
export async function listenOnce(state: string, forMs: number, signal: AbortSignal): Promise<Listener> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome | undefined>();
  promise.catch(() => undefined); // who waits for it is told
  let host = "";
  let taken = false;
  const server = createServer({ maxHeaderSize: 32 * 1024 }, (request, response) => {
    const outcome = taken ? undefined : answerIn(request, host, state);
    if (outcome === undefined) return refuse(response);
    taken = true;
    response.writeHead(200, headers);
    response.end(page, () => resolve(outcome));
  });
  server.maxConnections = 16;
  await new Promise<void>((ready, failed) => {
    server.once("error", (cause) =>
      failed(new Failure(`no port of this machine can be listened on (${cause.message})`)),
    );
    server.listen({ host: "127.0.0.1", port: 0 }, ready);
  });
  const bound = server.address();
  if (typeof bound !== "object" || bound === null) throw new Failure("no port of this machine can be listened on");
  const timer = setTimeout(() => resolve(undefined), Math.min(forMs, 3_600_000));
  const stop = (): void => reject(new Interrupted());
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  host = `127.0.0.1:${String(bound.port)}`;
  return {
    port: bound.port,
    outcome: promise,
    close: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      server.close();
      server.closeAllConnections();
    },
  };
}

function answerIn(request: IncomingMessage, host: string, state: string): Outcome | undefined {
  if (request.method !== "GET" || request.headers.host !== host) return undefined;
  const url = URL.parse(request.url ?? "", `http://${host}`);
  if (url?.pathname !== "/" || url.host !== host || url.searchParams.get("state") !== state) return undefined;
  return outcomeOf(url.searchParams.get("answer") ?? "", state);
}

const script = `history.replaceState(null, "", "/")`; // the answer stays in no address bar and no history
const scriptHash = createHash("sha256").update(script).digest("base64");
const headers = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; script-src 'sha256-${scriptHash}'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'`,
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  connection: "close",
};
const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>Done: kube-elevate</title><style>body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:8vh auto;padding:1rem}</style>
<h1>Back to your terminal</h1><p>It has what it needs. You may close this window.</p><script>${script}</script></html>`;

function refuse(response: ServerResponse): void {
  response.writeHead(404, { connection: "close" });
  response.end();
}
