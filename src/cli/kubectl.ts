import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { Failure, Interrupted, KubectlFailure } from "./errors.ts";

// kubectl is the way to the cluster: contexts, exec credentials, proxies and every flag mean what they mean in kubectl.

/** Runs kubectl with these arguments and this input; its stdout, or a KubectlFailure with what it said. */
export type Kubectl = (args: readonly string[], input?: string) => Promise<string>;

type Surroundings = {
  /** $KUBECTL: another binary, or one with a subcommand as in `k3s kubectl`. */
  readonly command: string;
  /** --context and its like, as the user gave them. */
  readonly flags: readonly string[];
  /** Whether a credential plugin may ask on this terminal. */
  readonly interactive: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
};

export function kubectlAt({ command, flags, interactive, say, signal }: Surroundings): Kubectl {
  const [file = "kubectl", ...first] = existsSync(command) ? [command] : command.split(/\s+/);
  return async (args, input) => {
    const stdin = input !== undefined ? "pipe" : interactive ? "inherit" : "ignore";
    const child = spawn(file, [...first, ...args, ...flags], { stdio: [stdin, "pipe", "pipe"] });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const stop = (): void => void child.kill();
    signal.addEventListener("abort", stop);
    child.once("error", (cause) => {
      reject(new Failure(`${file} cannot be run (${cause.message}). Put kubectl on your PATH, or name it in $KUBECTL`));
    });
    child.once("close", (code) => {
      resolve(code ?? 1);
    });
    child.stdin?.on("error", () => undefined); // it ended without reading all: its exit code tells why
    child.stdin?.end(input);
    const stdout = gather(child.stdout);
    const complaint = split(child.stderr, say);
    const code = await promise.finally(() => {
      signal.removeEventListener("abort", stop);
    });
    if (signal.aborted) throw new Interrupted();
    const kept = await complaint;
    if (code === 0) {
      kept.forEach(say);
      return stdout;
    }
    const said = kept.join("\n").trim();
    throw new KubectlFailure(said === "" ? `${file} exited with ${String(code)}` : said);
  };
}

async function gather(stream: NodeJS.ReadableStream | null): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/** Errors are kept, to be told in our words; all before them is told at once: a credential plugin may be asking. */
async function split(stream: NodeJS.ReadableStream | null, say: (line: string) => void): Promise<readonly string[]> {
  const kept: string[] = [];
  const take = (line: string): void => {
    if (kept.length > 0 || /^(error:|Error |Unable to connect|The (connection|request|[\w.]+ ".*" is))/.test(line))
      kept.push(line);
    else say(line);
  };
  let rest = "";
  for await (const chunk of stream ?? []) {
    const lines = (rest + Buffer.from(chunk).toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  }
  if (rest !== "") take(rest);
  return kept;
}
