import type { Request, RequestHandler, Response } from "express";
import { MemoryStore, rateLimit } from "express-rate-limit";
import { refuse } from "./refusal.ts";

/** What one replica takes. The rings bound the work of the API server; what stops guessing is the authenticator's lock. */
export type Limits = {
  readonly bodyBytes: number;
  /** From the first byte of a connection or request to the end of its headers. */
  readonly headersMs: number;
  /** To the end of its body; an answer may take longer than that. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly connections: number;
  /** Requests that wait for their answer at one time. */
  readonly inFlight: number;
  readonly windowMs: number;
  /** In a window, for all callers together and for one object (not for one address: many share one behind a proxy). */
  readonly overall: number;
  readonly perObject: number;
};

export const usualLimits: Limits = {
  bodyBytes: 16 * 1024,
  headersMs: 5_000,
  requestMs: 20_000,
  keepAliveMs: 5_000,
  connections: 1_000,
  inFlight: 256,
  windowMs: 10_000,
  overall: 2_000,
  perObject: 100,
};

export type Rings = {
  readonly overall: RequestHandler;
  readonly perObject: RequestHandler;
  readonly inFlight: RequestHandler;
  close(): void;
};

/** `keyOf` names the object that a request is about. The outer ring also bounds how many keys the inner one remembers. */
export function createRings(limits: Limits, keyOf: (request: Request) => string): Rings {
  const stores = [new MemoryStore(), new MemoryStore()] as const;
  const ring = (limit: number, store: MemoryStore, keyGenerator: (request: Request) => string): RequestHandler =>
    rateLimit({
      windowMs: limits.windowMs,
      limit,
      store,
      keyGenerator,
      standardHeaders: false, // the count of an object's callers is nobody's business
      legacyHeaders: false,
      handler: (_request, response) => tooMany(response, Math.ceil(limits.windowMs / 1000)),
    });
  return {
    overall: ring(limits.overall, stores[0], () => "all"),
    perObject: ring(limits.perObject, stores[1], keyOf),
    inFlight: atMost(limits.inFlight),
    close: () => {
      for (const store of stores) store.shutdown();
    },
  };
}

function atMost(limit: number): RequestHandler {
  let waiting = 0;
  return (_request, response, next) => {
    if (waiting >= limit) {
      tooMany(response, 1);
      return;
    }
    waiting += 1;
    response.once("close", () => {
      waiting -= 1;
    });
    next();
  };
}

function tooMany(response: Response, retryAfterSeconds: number): void {
  refuse(response, {
    reason: "TooManyRequests",
    message: "too many requests: try again in a moment",
    retryAfterSeconds,
  });
}
