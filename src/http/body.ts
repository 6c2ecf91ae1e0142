import express, { type Request, type RequestHandler } from "express";
import { refuse, type Told } from "./refusal.ts";

/** What this room needs of a schema of wire.ts. */
export type BodySchema<T> = {
  readonly shape: { readonly [field: string]: unknown };
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: { readonly issues: readonly { readonly path: readonly PropertyKey[] }[] };
      };
};

/** Reads JSON up to `limit` bytes: no compression (a bomb needs it), and nothing of what was sent is told back. */
export function jsonReader(limit: number): RequestHandler {
  const reader = express.json({ limit, inflate: false, strict: true, type: () => true });
  return (request, response, next) =>
    reader(request, response, (error?: unknown) => {
      if (error === undefined) next();
      else refuse(response, readingMistake(error, limit));
    });
}

/** One Content-Type, and it is JSON in UTF-8; a browser's form or plain text, which need no preflight, never get in. */
export function typeMistake(request: Request): Told | undefined {
  const types = request.headersDistinct["content-type"] ?? [];
  const isJson = types.length === 1 && /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i.test(types[0]?.trim() ?? "");
  const { "content-encoding": content, "transfer-encoding": transfer = "chunked" } = request.headers;
  const encoded = content !== undefined || transfer.toLowerCase() !== "chunked";
  if (isJson && !encoded) return undefined;
  return { reason: "UnsupportedMediaType", message: "the body is application/json, not compressed" };
}

/**
 * The body by its schema, or which field of it is wrong; never with its value, which may be a secret. Of a doubled field
 * the last counts: it is read once, here, so nobody sees another.
 */
export function readBody<T>(schema: BodySchema<T>, body: unknown): { readonly value: T } | Told {
  const read = schema.safeParse(body);
  if (read.success) return { value: read.data };
  const field = read.error.issues[0]?.path.join(".") ?? "";
  const message =
    field === ""
      ? `the body is a JSON object with ${Object.keys(schema.shape).join(" and ")} and nothing else`
      : `field ${field} is missing or malformed`;
  return { reason: "BadRequest", message };
}

/** What went wrong while the body was read, as body-parser names it. */
function readingMistake(error: unknown, limit: number): Told {
  const type = error instanceof Error && "type" in error ? error.type : undefined;
  if (type === "entity.too.large")
    return { reason: "RequestEntityTooLarge", message: `the body has at most ${limit} bytes` };
  return { reason: "BadRequest", message: "the body is no JSON object, or did not arrive whole" };
}
