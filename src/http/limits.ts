import { createHash } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";
import { ipKeyGenerator, MemoryStore, rateLimit } from "express-rate-limit";
import type { Connections } from "./connections.ts";
import { refuse } from "./refusal.ts";

/** What one replica takes. The rings bound the work of the API server; what stops guessing is the authenticator's lock. */
export type Limits = {
  readonly bodyBytes: number;
  /** From the first byte of a connection or request to the end of its headers. */
  readonly headersMs: number;
  /** To the end of its body; an answer may take longer than that. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  /** A stranger is answered at a multiple of this: what was looked up for him takes longer where something is there. */
  readonly strangerMs: number;
  /** Without a byte either way; longer than any answer takes. For who does not read what is answered. */
  readonly silentMs: number;
  readonly connections: number;
  /** Requests that are being answered at one time; one whose body comes slowly is none of them. */
  readonly inFlight: number;
  /** Half of them, for the same reason as below. */
  readonly inFlightPerAddress: number;
  readonly windowMs: number;
  /** In a window, for all callers together. */
  readonly overall: number;
  /** Half of it for one address: a stranger leaves the other half, and behind a proxy many share one address. */
  readonly perAddress: number;
  /** For one object and one codeVerifier: who guesses codeVerifiers uses up nothing of who has the right one. */
  readonly perCodeVerifier: number;
};

export const usualLimits: Limits = {
  bodyBytes: 16 * 1024,
  headersMs: 5_000,
  requestMs: 20_000,
  keepAliveMs: 5_000,
  strangerMs: 50,
  silentMs: 30_000,
  connections: 1_000,
  inFlight: 256,
  inFlightPerAddress: 128,
  windowMs: 10_000,
  overall: 2_000,
  perAddress: 1_000,
  perCodeVerifier: 100,
};

export type Rings = {
  /** By address, then for all together; they come first, and bound how many keys the next one remembers. */
  readonly outer: readonly RequestHandler[];
  /** Wants the body. */
  readonly perCodeVerifier: RequestHandler;
  /** Has it answered, or refuses. It counts until it is done, also when the caller is gone. */
  readonly inFlight: (request: Request, response: Response, answer: () => Promise<void>) => Promise<void>;
  close(): void;
};

/** `objectOf` names the object that a request is about. */
export function createRings(limits: Limits, connections: Connections, objectOf: (request: Request) => string): Rings {
  const stores = [new MemoryStore(), new MemoryStore(), new MemoryStore()] as const;
  const ring = (limit: number, store: MemoryStore, keyGenerator?: (request: Request) => string): RequestHandler =>
    rateLimit({
      windowMs: limits.windowMs,
      limit,
      store,
      ...(keyGenerator && { keyGenerator }), // else the address, or the /56 of it
      standardHeaders: false, // the count of an object's callers is nobody's business
      legacyHeaders: false,
      validate: false, // it writes its doubts to stderr, in lines of its own: a forwarded address is not looked at
      handler: (_request, response) => tooMany(response, Math.ceil(limits.windowMs / 1000)),
    });
  return {
    outer: [ring(limits.perAddress, stores[0]), ring(limits.overall, stores[1], () => "all")],
    perCodeVerifier: ring(limits.perCodeVerifier, stores[2], (request) => `${objectOf(request)} ${openedBy(request)}`),
    inFlight: atMost(limits, connections),
    close: () => {
      for (const store of stores) store.shutdown();
    },
  };
}

/** As a digest, so that no secret is kept. */
function openedBy({ body }: Request): string {
  const sent: unknown = body;
  const isSecret = typeof sent === "object" && sent !== null && "codeVerifier" in sent;
  const codeVerifier = isSecret && typeof sent.codeVerifier === "string" ? sent.codeVerifier : "";
  return createHash("sha256").update(codeVerifier).digest("base64url");
}

function atMost({ inFlight, inFlightPerAddress }: Limits, { answering }: Connections): Rings["inFlight"] {
  const underWay = new Map<string, number>(); // by address
  let all = 0;
  return async ({ ip = "", socket }, response, answer) => {
    const address = ipKeyGenerator(ip);
    const its = underWay.get(address) ?? 0;
    if (all >= inFlight || its >= inFlightPerAddress) {
      tooMany(response, 1);
      return;
    }
    all += 1;
    underWay.set(address, its + 1);
    const answered = answering(socket);
    try {
      await answer();
    } finally {
      all -= 1;
      const left = (underWay.get(address) ?? 1) - 1;
      if (left > 0) underWay.set(address, left);
      else underWay.delete(address);
      answered();
    }
  };
}

function tooMany(response: Response, retryAfterSeconds: number): void {
  refuse(response, {
    reason: "TooManyRequests",
    message: "too many requests: try again in a moment",
    retryAfterSeconds,
  });
}
