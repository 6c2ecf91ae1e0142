import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";

// `kubectl elevate` as a person runs it: by the real kubectl, found on the PATH, with pipes where a terminal would be.

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };
type Running = {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** What stands on stderr as soon as it matches. */
  sees(what: RegExp): Promise<string>;
  enter(line: string): void;
  /** Nothing more will be entered. */
  hangUp(): void;
  kill(signal: NodeJS.Signals): void;
};
export type Run = (user: string, args: readonly string[], options?: Options) => Running;
type Options = { readonly env?: Readonly<Record<string, string>>; readonly input?: string };

/** Everything that it writes stays in the folder of the control plane. */
export const cacheOf = ({ dir }: ControlPlane): string => join(dir, "plugin-cache");

export function pluginOf(plane: () => ControlPlane): Run {
  return (user, args, { env = {}, input } = {}) => {
    const { bin, dir, kubectl, kubeconfigs } = plane();
    const child = spawn(kubectl, ["elevate", ...args], {
      env: {
        PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
        HOME: dir,
        KUBECONFIG: kubeconfigs[user] ?? "",
        KUBECACHEDIR: join(dir, "kubectl-cache"),
        XDG_CACHE_HOME: cacheOf(plane()),
        TZ: "UTC",
        ...env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin.on("error", () => undefined);
    if (input !== undefined) child.stdin.end(input);
    return running(child);
  };
}

function running(child: ChildProcess): Running {
  const { stdin, stdout, stderr, pid = 0 } = child;
  const said = { stdout: "", stderr: "" };
  stdout?.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  stderr?.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === null) reject(new Error(`it was ended by ${String(signal)}: ${said.stderr}`));
      else resolve({ code, ...said });
    });
  });
  ended.catch(() => undefined); // whoever waits for it is told
  return {
    pid,
    ended,
    enter: (line) => void stdin?.write(`${line}\n`),
    hangUp: () => void stdin?.end(),
    kill: (signal) => void child.kill(signal),
    sees: async (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (what.test(said.stderr)) resolve(said.stderr);
        };
        stderr?.on("data", look);
        child.once("close", () => {
          reject(new Error(`it ended, and never said ${String(what)}: ${said.stderr}`));
        });
        look();
      }),
  };
}

/** A kubectl that writes down, for each run, its arguments and its environment, and then is kubectl. */
export async function recordingKubectl({
  dir,
  kubectl,
}: ControlPlane): Promise<{ readonly path: string; readonly record: () => Promise<string> }> {
  const folder = join(dir, "recording");
  await mkdir(folder, { recursive: true });
  const [path, file] = [join(folder, "kubectl"), join(folder, "record")];
  const script = `#!/bin/sh\n{ echo "run: $*"; env; } >> '${file}'\nexec '${kubectl}' "$@"\n`;
  await writeFile(path, script, { mode: 0o755 });
  return { path, record: async () => readFile(file, "utf8") };
}
