import { spawn } from "node:child_process";
import { constants } from "node:os";

type Surroundings = {
  readonly on: (signal: NodeJS.Signals, listener: () => void) => unknown;
  readonly off: (signal: NodeJS.Signals, listener: () => void) => unknown;
  readonly interactive: boolean;
  readonly say: (line: string) => void;
};

/** Runs a command in our place: it has the terminal, and gets the signals that we get. Its exit code, as a shell tells it. */
export async function execute(
  [file = "", ...args]: readonly string[],
  { on, off, interactive, say }: Surroundings,
): Promise<number> {
  // On a terminal Ctrl-C reaches the whole foreground group; passed on as well, the command would get it twice.
  const signals: readonly NodeJS.Signals[] = ["SIGTERM", "SIGHUP", ...(interactive ? [] : (["SIGINT"] as const))];
  const child = spawn(file, args, { stdio: "inherit" });
  const { promise, resolve } = Promise.withResolvers<number>();
  const listeners = signals.map((signal) => [signal, (): void => void child.kill(signal)] as const);
  for (const [signal, listener] of listeners) on(signal, listener);
  child.once("error", (error) => {
    say(`error: ${file} cannot be run (${error.message})`);
    resolve("code" in error && error.code === "ENOENT" ? 127 : 126);
  });
  child.once("close", (code, signal) => {
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
  return promise.finally(() => {
    for (const [signal, listener] of listeners) off(signal, listener);
  });
}
