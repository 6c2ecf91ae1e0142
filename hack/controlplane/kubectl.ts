import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";

export interface RunOptions {
  readonly input?: string;
  /** false: an exit code other than 0 is an answer, not an error. */
  readonly check?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type Run = (user: string, args: readonly string[], options?: RunOptions) => Promise<Finished>;

interface Where {
  readonly kubectl: string;
  readonly bin: string;
  readonly dir: string;
  /** Looked at when kubectl is run, so users may come later. */
  readonly kubeconfigs: Readonly<Record<string, string>>;
}

/** Runs kubectl as a person would. */
export function kubectlOf(where: Where): Run {
  return async (user, args, options = {}) => {
    const finished = await run(where.kubectl, args, { ...environmentOf(where, user), ...options.env }, options.input);
    if (finished.code !== 0 && options.check !== false) {
      throw new Error(`kubectl ${args.join(" ")} as ${user} exited with ${finished.code}: ${finished.stderr.trim()}`);
    }
    return finished;
  };
}

/** A person's shell: KUBECONFIG and PATH (plugins take no flags before their name), and no file outside `dir`. */
export function environmentOf({ bin, dir, kubeconfigs }: Where, user: string): NodeJS.ProcessEnv {
  const kubeconfig = kubeconfigs[user];
  if (kubeconfig === undefined) throw new Error(`no user ${user} in this control plane`);
  return {
    ...process.env,
    KUBECONFIG: kubeconfig,
    KUBECACHEDIR: join(dir, "kubectl-cache"),
    XDG_CACHE_HOME: join(dir, "cache", user),
    KUBERC: "off",
    PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
  };
}

async function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, input = ""): Promise<Finished> {
  const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", reject);
  child.once("close", (code) => resolve(code ?? 128));
  // One that exits without reading all of its input is no fault of ours.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code, stdout, stderr] = await Promise.all([promise, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}
