import type { Request, Response } from "express";
import type { Reason } from "../api/v1alpha1/reasons.ts";
import { type Failure, httpStatusOf, type ProtocolReason } from "../api/v1alpha1/wire.ts";
import type { Instant } from "../domain/time.ts";
import type { Refusal } from "../flows/spend.ts";

export type Told = {
  readonly reason: Reason | ProtocolReason;
  readonly message: string;
  readonly retryAfterSeconds?: number | undefined;
};

/** Answers with a metav1.Status: the word, its HTTP status by the one map, a sentence, and when to try again. */
export function refuse(response: Response, { reason, message, retryAfterSeconds }: Told): void {
  send(response, httpStatusOf(reason), { reason, message }, retryAfterSeconds);
}

/** 405 has no word: Kubernetes' own for it, MethodNotAllowed, is ours for a method of proof. */
export function refuseVerb(response: Response, taken: "GET" | "POST"): void {
  response.setHeader("Allow", taken);
  send(response, 405, { message: `this path takes ${taken} alone` });
}

/** The status that a flow's refusal makes; the sentence of CallerUnknown is one, so that nobody learns what exists. */
export function toldOf({ reason, message, lockedUntil }: Refusal, now: Instant): Told {
  if (reason === "CallerUnknown") return { reason, message: "no such object, or the codeVerifier does not open it" };
  const waitMs = lockedUntil === undefined ? undefined : lockedUntil - now;
  return {
    reason,
    message,
    retryAfterSeconds: waitMs === undefined ? undefined : Math.max(1, Math.ceil(waitMs / 1000)),
  };
}

type Said = { readonly reason?: string; readonly message: string };

export function statusOf(code: number, { reason, message }: Said, retryAfterSeconds?: number): Failure {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    ...(reason === undefined ? {} : { reason }),
    message,
    code,
    ...details,
  };
}

function send(response: Response, code: number, said: Said, retryAfterSeconds?: number): void {
  if (response.headersSent) return;
  if (retryAfterSeconds !== undefined) response.setHeader("Retry-After", String(retryAfterSeconds));
  // Who is refused before the body was read, or for its size, gets no second request on this connection: else the rest
  // of what was announced would be read and thrown away.
  if (code === 413 || code === 415 || code === 429 || isBodyUnread(response.req))
    response.setHeader("Connection", "close");
  response.status(code).json(statusOf(code, said, retryAfterSeconds));
}

function isBodyUnread({ complete, headers }: Request): boolean {
  const { "content-length": length = "0", "transfer-encoding": encoding } = headers;
  return !complete && (encoding !== undefined || length !== "0");
}
