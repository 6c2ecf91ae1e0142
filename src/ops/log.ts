import { type Logger, pino } from "pino";

export type Log = Logger;

type Destination = { write(line: string): unknown };
type Options = {
  readonly logger: string;
  readonly level: string;
  readonly clock: () => Date;
  /** By default stderr, written at once: the last line before a crash is the one that matters. */
  readonly to?: Destination;
};

/**
 * One JSON object a line, with the keys that controller-runtime's loggers use: ts, level, logger, msg, err. What is
 * secret is not given to a log; redaction is a second line of defence, for an object that is logged whole by mistake.
 */
export function createLog({ logger, level, clock, to }: Options): Log {
  return pino(
    {
      level,
      base: { logger },
      messageKey: "msg",
      errorKey: "err",
      timestamp: () => `,"ts":"${clock().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: told },
      redact: { paths: secretPaths, censor: "[redacted]" },
    },
    escaping(to ?? pino.destination({ fd: 2, sync: true })),
  );
}

/**
 * JSON leaves as they are: controls of Latin-1, which some terminals obey, line ends of Unicode, and what turns the
 * direction of text. In a line of log they stand only within strings, so they can be escaped there.
 */
function escaping(out: Destination): Destination {
  return { write: (line) => void out.write(line.replaceAll(unseen, escaped)) };
}

const unseen = /[\u007F-\u009F\u2028\u2029\p{Cf}\p{Cs}]/gu;
const escaped = (letter: string): string =>
  letter
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");

const secretWords = [
  "codeVerifier",
  "code",
  "totp",
  "ticket",
  "token",
  "secret",
  "seed",
  "uri",
  "keys",
  "privateKey",
  "authorization",
  "cookie",
];
const secretPaths = ["", "*.", "*.*."].flatMap((under) => secretWords.map((word) => `${under}${word}`));

/**
 * An error by its class, first line, stack and causes. Nothing else of it: errors of HTTP clients carry whole answers,
 * which may hold what must not be told.
 */
function told(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    message: (error.message.split("\n", 1)[0] ?? "").slice(0, 500),
    ...(typeof code === "string" || typeof code === "number" ? { errorCode: code } : {}),
    stack: frames.slice(0, 8).map((line) => line.trim()),
    ...(error.cause === undefined || depth > 3 ? {} : { cause: told(error.cause, depth + 1) }),
  };
}
