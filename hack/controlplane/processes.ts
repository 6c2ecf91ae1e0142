import { type FileHandle, open, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { imageCommand } from "../bundle/image.ts";
import type { ControlPlane } from "./control-plane.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { paths } from "./layout.ts";
import { program, root } from "./plugin.ts";
import { lastLines, mustRun } from "./ready.ts";
import { type Supervised, supervise } from "./supervise.ts";

export interface ProcessOptions {
  /** Instead of a kubeconfig with a fresh token of its own ServiceAccount; to put something between it and the API server. */
  readonly kubeconfig?: string;
  /** Settings besides those that are chosen here, or instead of them. */
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of free ones. */
  readonly ports?: Ports;
  /** Run as the image does, from dist/, which `bundle` has written before; else from the sources. */
  readonly asImage?: boolean;
  /** false: return when it runs, for a test of what it does before it is ready. */
  readonly waitUntilReady?: boolean;
  readonly signal?: AbortSignal;
}

export interface Ports {
  readonly health: number;
  readonly endpoint: number;
}

/** One of our own processes. It ends with the control plane, or with us. */
export interface Process extends Supervised {
  /** The base of /livez and /readyz. */
  readonly health: string;
  readonly ports: Ports;
}

export interface Verifier extends Process {
  /** The base of the endpoint. */
  readonly endpoint: string;
}

/** Starts a controller with the rights of its ServiceAccount, and returns when it is ready. */
export async function startController(controlPlane: ControlPlane, options: ProcessOptions = {}): Promise<Process> {
  return start(controlPlane, "controller", options);
}

/** Starts a verifier with the rights of its ServiceAccount, and returns when it is ready. */
export async function startVerifier(controlPlane: ControlPlane, options: ProcessOptions = {}): Promise<Verifier> {
  return start(controlPlane, "verifier", options);
}

/** Runs one pass of the sweeper with the rights of its ServiceAccount to its end, and returns its exit code and its log. */
export async function runSweep(
  controlPlane: ControlPlane,
  options: Pick<ProcessOptions, "kubeconfig" | "env" | "asImage"> = {},
): Promise<{ readonly code: number; readonly log: string }> {
  const started = await startSweep(controlPlane, options);
  const code = await started.exited;
  return { code, log: await readFile(started.logFile, "utf8") };
}

/** The same, for a test that does not let it come to its end. */
export async function startSweep(
  controlPlane: ControlPlane,
  options: Pick<ProcessOptions, "kubeconfig" | "env" | "asImage"> = {},
): Promise<Process> {
  const kubeconfig = options.kubeconfig ?? (await controlPlane.accountKubeconfig("sweeper"));
  return spawn(controlPlane, "sweep", { ...options, kubeconfig });
}

/** Writes the certificate that the endpoint is checked by, as the trust ConfigMap publishes it, and returns the file. */
export async function endpointCAFile(controlPlane: ControlPlane): Promise<string> {
  const args = [
    "get",
    "configmap",
    "kube-elevate-trust",
    "-n",
    "elevate-system",
    "-o",
    String.raw`jsonpath={.data.ca\.crt}`,
  ];
  const { stdout } = await controlPlane.run("admin", args);
  const path = join(controlPlane.dir, "endpoint-ca.crt");
  await writeFile(path, stdout);
  return path;
}

async function start(
  controlPlane: ControlPlane,
  role: "controller" | "verifier",
  options: ProcessOptions,
): Promise<Verifier> {
  const kubeconfig = options.kubeconfig ?? (await controlPlane.accountKubeconfig(role));
  for (let attemptsLeft = 5; ; attemptsLeft -= 1) {
    const started = await spawn(controlPlane, role, { ...options, kubeconfig });
    controlPlane.onStop(() => started.stop("SIGTERM"));
    if (options.waitUntilReady === false) return started;
    try {
      await eventually(() => isReady(started), 60, `${started.name} is ready`, options.signal);
      return started;
    } catch (error) {
      const log = await lastLines(started.logFile);
      const portTaken = started.hasExited() && log.includes("EADDRINUSE");
      await started.stop();
      if (!portTaken || attemptsLeft === 0)
        throw new Error(`${started.name} did not get ready:\n${log}`, { cause: error });
    }
  }
}

async function spawn(controlPlane: ControlPlane, role: string, options: ProcessOptions): Promise<Verifier> {
  const logFile = await newLogFile(controlPlane.dir, role);
  const name = basename(logFile, ".log");
  const ports = options.ports ?? { health: await freePort(), endpoint: await freePort() };
  const endpoint = `https://127.0.0.1:${ports.endpoint}`;
  const command = options.asImage === true ? imageCommand() : fromSources();
  const child = await supervise({
    file: process.execPath,
    args: [...command.args, role],
    cwd: root,
    env: {
      PATH: process.env["PATH"],
      HOSTNAME: name,
      KUBECONFIG: options.kubeconfig,
      KUBE_ELEVATE_BIND_ADDRESS: "127.0.0.1",
      KUBE_ELEVATE_HEALTH_PORT: String(ports.health),
      KUBE_ELEVATE_ENDPOINT_PORT: String(ports.endpoint),
      KUBE_ELEVATE_URL: endpoint,
      ...command.env,
      ...options.env,
    },
    logFile,
  });
  return { ...child, name, health: `http://127.0.0.1:${ports.health}`, endpoint, ports };
}

const fromSources = () => ({
  args: program("src/main.ts", "main.js"),
  env: { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] }, // half of a start is to read the sources
});

async function isReady(started: Process): Promise<boolean> {
  await mustRun([started]);
  return fetch(`${started.health}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
    (response) => response.status === 200,
    () => false,
  );
}

/** controller-1.log, or the next one that nobody has: the file is what makes the number ours. */
async function newLogFile(dir: string, role: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const path = paths(dir).log(`${role}-${number}`);
    const file: FileHandle | undefined = await open(path, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
      return undefined;
    });
    if (file === undefined) continue;
    await file.close();
    return path;
  }
}
