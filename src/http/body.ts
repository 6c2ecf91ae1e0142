import type { Request, RequestHandler } from "express";
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

/**
 * Reads JSON of at most `limit` bytes. What is larger is refused by the byte that is too many, or by its announced length:
 * Express's own reader would read it to its end before it answers. Nothing of what was sent is told back.
 */
export function jsonReader(limit: number): RequestHandler {
  const tooLarge: Told = { reason: "RequestEntityTooLarge", message: `the body has at most ${String(limit)} bytes` };
  return (request, response, next) => {
    const chunks: Buffer[] = [];
    let left = limit;
    const take = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left >= 0) chunks.push(chunk);
      else {
        request.off("data", take).off("end", end);
        refuse(response, tooLarge);
      }
    };
    const end = (): void => {
      request.body = parsed(Buffer.concat(chunks));
      if (request.body === undefined) refuse(response, noJSON);
      else next();
    };
    if (Number(request.headers["content-length"] ?? 0) > limit) refuse(response, tooLarge);
    else request.on("data", take).once("end", end);
  };
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

const noJSON: Told = { reason: "BadRequest", message: "the body is no JSON object" };

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
