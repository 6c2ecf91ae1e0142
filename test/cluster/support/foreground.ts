import { type ChildProcess, execFile, spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

/** `make cluster DIR=dir`, as a terminal runs it. */
export interface Foreground {
  readonly pid: number;
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly output: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
}

export function makeCluster(dir: string, env: NodeJS.ProcessEnv = process.env): Foreground {
  const script = resolve(import.meta.dirname, "../../../hack/controlplane/cluster.ts");
  const child = spawn(process.execPath, [script, dir], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  return { pid: child.pid ?? 0, exited: exitOf(child), output: () => output, kill: (signal) => child.kill(signal) };
}

async function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("exit", (code, signal) => done(code ?? signal ?? "SIGKILL"));
  });
}

/** What DIR/env.json holds, as soon as it is there. */
export async function environment(dir: string): Promise<unknown> {
  const text = await readFile(join(dir, "env.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Whether a file is there. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Command lines of living processes that name this folder; those of the control plane all do. Ours, and those that wait to be reaped, are left out. */
export async function processesOf(dir: string, but: readonly number[] = []): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-ww", "-o", "pid=,stat=,args="], {
    maxBuffer: 10_000_000,
  });
  return stdout.split("\n").filter((line) => {
    const [pid = "", state = ""] = line.trim().split(/\s+/);
    return line.includes(dir) && !state.startsWith("Z") && !but.includes(Number(pid));
  });
}
