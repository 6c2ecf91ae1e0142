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
    // No content: so the browser stays where it is, and keeps the answer in no address bar and no history.
    response.writeHead(204, { "cache-control": "no-store", connection: "close" });
    response.end(() => resolve(outcome));
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

function refuse(response: ServerResponse): void {
  response.writeHead(404, { connection: "close" });
  response.end();
}
