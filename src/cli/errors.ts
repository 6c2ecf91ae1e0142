// What ends a command early. Every error says what happened and what to do next; none shows a stack.

export const exitCodes = { done: 0, failed: 1, usage: 2, denied: 3, pending: 4, ended: 5, interrupted: 130 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error with what a person should read: lines after the first start with two spaces. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: ExitCode;
  /** A word of the lists in api/v1alpha1/reasons.ts, as it came. */
  readonly reason: string | undefined;

  constructor(
    message: string,
    { exitCode = exitCodes.failed, reason }: { readonly exitCode?: ExitCode; readonly reason?: string } = {},
  ) {
    super(message);
    this.exitCode = exitCode;
    this.reason = reason;
  }
}

/** A refusal that bears a word of ours. */
export function denied(reason: string, message: string): Failure {
  return new Failure(message, { reason, exitCode: exitCodes.denied });
}

/** Told to stop, by Ctrl-C; `message` says what is left behind and what to do. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** What stderr says of an error, and the exit code that goes with it. */
export function told(error: unknown): { readonly text: string; readonly exitCode: ExitCode } {
  if (error instanceof Interrupted)
    return { text: error.message === "" ? "Given up." : error.message, exitCode: exitCodes.interrupted };
  if (error instanceof KubectlFailure) {
    const exitCode = error.status === "Forbidden" ? exitCodes.denied : exitCodes.failed;
    return { text: error.message, exitCode };
  }
  if (error instanceof Failure) {
    const word = error.reason === undefined ? "error" : `error (${error.reason})`;
    return { text: `${word}: ${error.message}`, exitCode: error.exitCode };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { text: `error: ${message}`, exitCode: exitCodes.failed };
}

/** kubectl ended with an error: its own words, as it said them. */
export class KubectlFailure extends Error {
  override readonly name = "KubectlFailure";
  /** Of `Error from server (NotFound): ...`, where it is one. */
  get status(): string | undefined {
    return /Error from server \((\w+)\)/.exec(this.message)?.[1];
  }
}
