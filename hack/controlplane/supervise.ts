import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { basename } from "node:path";

/** A process that cannot outlive us: it ends when we stop it, when we end, and when we are killed. */
export interface Supervised {
  readonly name: string;
  /** The process itself, not the shell that watches over it. */
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the process is gone, with its exit code (128 and more: a signal ended it). */
  readonly exited: Promise<number>;
  hasExited(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** Ends it by this signal, or by SIGKILL when it is still there after the grace. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Without one it writes to our stderr. */
  readonly logFile?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What ends with us: the process alone, or all that it started too. */
  readonly ends?: "process" | "group";
}

/**
 * Starts the command under a shell that holds the other end of a pipe of ours. The kernel closes our end however we die,
 * SIGKILL included; the shell then kills what it watches. It lives in a session of its own, so that Ctrl-C in a terminal
 * reaches us alone. The process is the shell's child, not an orphan, so it is reaped wherever process 1 reaps nobody.
 */
export async function supervise(command: Command): Promise<Supervised> {
  const log = command.logFile === undefined ? undefined : openSync(command.logFile, "a", 0o600);
  const shell = spawn("/bin/sh", ["-c", WATCH, command.ends ?? "process", command.file, ...command.args], {
    cwd: command.cwd,
    env: command.env ?? process.env,
    detached: true,
    stdio: ["pipe", "pipe", log ?? "inherit"],
  });
  if (log !== undefined) closeSync(log);
  const name = basename(command.file);
  const exited = exitOf(shell);
  const pid = await pidFrom(shell, name);
  return control(name, pid, command.logFile ?? "", exited);
}

/** `$0` says what to kill; the keeper reads until the pipe ends, which nobody but the kernel ever does early. */
const WATCH = `
exec 3<&0
"$@" </dev/null >&2 3<&- &
child=$!
echo "$child"
exec >/dev/null 2>&1
victim=$child
[ "$0" = group ] && victim=-$$
{ read -r nothing <&3; kill -s KILL -- "$victim"; } &
keeper=$!
exec 3<&-
wait "$child"
code=$?
kill "$keeper"
wait "$keeper"
exit "$code"
`;

function control(name: string, pid: number, logFile: string, exited: Promise<number>): Supervised {
  let gone = false;
  void exited.then(() => (gone = true));
  const kill = (signal: NodeJS.Signals): void => {
    if (gone) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It ended in this very moment.
    }
  };
  const stop = async (signal: NodeJS.Signals = "SIGKILL", graceMs = 5_000): Promise<void> => {
    kill(signal);
    const timer = setTimeout(() => kill("SIGKILL"), graceMs);
    await exited;
    clearTimeout(timer);
  };
  return { name, pid, logFile, exited, hasExited: () => gone, kill, stop };
}

async function exitOf(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    shell.stdin?.on("error", () => undefined);
    shell.once("error", reject);
    shell.once("exit", (code, signal) => {
      shell.stdin?.destroy();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

async function pidFrom(shell: ChildProcess, name: string): Promise<number> {
  let line = "";
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  shell.once("error", reject);
  shell.stdout?.setEncoding("utf8");
  shell.stdout?.on("data", (text: string) => {
    line += text;
    if (line.endsWith("\n")) resolve(Number(line));
  });
  shell.stdout?.on("end", () => reject(new Error(`${name} could not be started`)));
  return promise;
}
