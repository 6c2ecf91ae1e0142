/** A refusal by the API server: what may be logged of it, and no more. A body lists rules, a header carries a token. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status. */
  readonly code: number;
  /** The word of metav1.Status, as NotFound; empty where the answer was none. */
  readonly reason: string;
  /** Words of `details.causes`, as NamespaceTerminating. */
  readonly causes: readonly string[];
  /** Of a 429 or 503 that says when to come back. */
  readonly retryAfterMs: number | undefined;

  constructor(answer: Refusal) {
    super(answer.message);
    this.code = answer.code;
    this.reason = answer.reason;
    this.causes = answer.causes;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

type Refusal = Pick<ApiError, "code" | "reason" | "causes" | "message" | "retryAfterMs">;

/** Reads an answer that is no success; `text` may be a metav1.Status, plain text of the API server, or a proxy's page. */
export function apiErrorOf(code: number, text: string, retryAfter: string | undefined): ApiError {
  const status = statusOf(text);
  const seconds = Number(retryAfter ?? Number.NaN);
  return new ApiError({
    code,
    reason: status.reason ?? (code === 404 && text.startsWith(noSuchKind) ? "NotFound" : ""),
    message: firstLine(status.message ?? text, `HTTP ${String(code)}`),
    causes: status.causes,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
  });
}

/** No answer that can be read: the API server could not be reached, or did not speak in time. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}

/** The API server is away or overloaded, whatever was asked of it: the same may go well in a moment. */
export const isOutage = (error: unknown): boolean =>
  error instanceof Unanswered || (error instanceof ApiError && (error.code === 429 || error.code >= 500));
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.code === 409;
export const isNotFound = (error: unknown): boolean =>
  error instanceof ApiError && error.code === 404 && error.reason === "NotFound"; // not a proxy's page

const noSuchKind = "404 page not found"; // so it answers where the CRD is gone, and all objects with it
const messageMax = 512;
const firstLine = (text: string, without: string): string => {
  const line = (text.split("\n", 1)[0] ?? "").trim().slice(0, messageMax);
  return line === "" ? without : line;
};

type Status = { readonly reason?: string; readonly message?: string; readonly causes: readonly string[] };

/** Member by member: what stands before the API server may answer anything. */
function statusOf(text: string): Status {
  const status = membersOf(parsed(text));
  if (status["kind"] !== "Status") return { causes: [] };
  const { reason, message, details } = status;
  const { causes } = membersOf(details);
  const words = Array.isArray(causes) ? causes.map((cause) => membersOf(cause)["reason"]) : [];
  return {
    ...(typeof reason === "string" && { reason }),
    ...(typeof message === "string" && { message }),
    causes: words.filter((word) => typeof word === "string"),
  };
}

const membersOf = (value: unknown): { readonly [member: string]: unknown } =>
  typeof value === "object" && value !== null ? { ...value } : {};

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
