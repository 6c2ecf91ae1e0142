import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import {
  type Process,
  type ProcessOptions,
  startController,
  startVerifier,
  type Verifier,
} from "../../../hack/controlplane/processes.ts";

// Two controllers and two verifiers, of which any may be killed at any moment, also while it starts. Each comes back at
// once, under its own ports, as a Pod does behind its Service.

export type Down = { readonly from: number; readonly to: number };

export interface Replicas {
  /** The processes of now, two and two; a verifier's endpoint is its own for good. */
  readonly controllers: readonly Replica[];
  readonly verifiers: readonly Replica[];
  /** Resolves when all four are ready. */
  allReady(): Promise<void>;
  /** Lines of all logs, also of those that were killed, at level warn or above. */
  complaints(): Promise<readonly string[]>;
  /** Those that ended by themselves, which none should. */
  readonly ended: readonly string[];
}

export interface Replica {
  readonly isReady: () => boolean;
  /** As it runs now. */
  readonly process: () => Process;
  readonly endpoint: string;
  /** SIGKILL; resolves when the next one was started, which is not yet ready then. */
  kill(): Promise<void>;
  /** SIGSTOP: it keeps its connections and what it knows, and does nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
}

/** Adds to `downs` when no controller was ready. */
export async function startReplicas(plane: ControlPlane, downs: Down[]): Promise<Replicas> {
  const logFiles: string[] = [];
  const ended: string[] = [];
  const readyNow = new Set<object>(); // of the controllers
  let downSince: number | undefined;
  let stopped = false;
  plane.onStop(async () => void (stopped = true));

  const open = async (role: "controller" | "verifier"): Promise<Replica> => {
    const kubeconfig = await plane.accountKubeconfig(role);
    let current: Verifier;
    let ready = false;
    const me = {};
    const become = (is: boolean): void => {
      ready = is;
      if (role === "verifier") return;
      if (is) readyNow.add(me);
      else readyNow.delete(me);
      if (!is && readyNow.size === 0) downSince ??= Date.now();
      if (is && downSince !== undefined) downs.push({ from: downSince, to: Date.now() });
      if (is) downSince = undefined;
    };
    const start = async (ports?: ProcessOptions["ports"]): Promise<Verifier> => {
      const options: ProcessOptions = {
        kubeconfig,
        env: { KUBE_ELEVATE_URL: "https://127.0.0.1:8443" },
        waitUntilReady: false,
        ...(ports && { ports }),
      };
      const started = role === "verifier" ? startVerifier(plane, options) : startController(plane, options);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a controller's endpoint is asked for by nobody
      const process = (await started) as Verifier;
      logFiles.push(process.logFile);
      current = process;
      void told(process);
      void watch(process);
      return process;
    };
    const told = async (process: Verifier): Promise<void> => {
      const code = await process.exited;
      if (!killed.has(process) && !stopped) ended.push(`${process.name} ended by itself: ${String(code)}`);
    };
    const watch = async (process: Verifier): Promise<void> => {
      while (!process.hasExited()) {
        const { status } = await fetch(`${process.health}/readyz`).catch(() => ({ status: 0 }));
        if (process !== current || killed.has(process)) return;
        if (status === 200) return become(true);
        await sleep(50);
      }
    };
    const killed = new Set<object>();
    current = await start();
    const { ports, endpoint } = current;
    return {
      endpoint,
      isReady: () => ready,
      process: () => current,
      async kill() {
        const victim = current;
        killed.add(victim);
        become(false);
        victim.kill("SIGKILL");
        await victim.exited;
        await start(ports);
      },
      freeze() {
        become(false);
        current.kill("SIGSTOP");
      },
      thaw() {
        current.kill("SIGCONT");
        void watch(current);
      },
    };
  };

  const verifiers = [await open("verifier"), await open("verifier")];
  await eventually(() => verifiers.every(({ isReady }) => isReady()), 60, "there are keys");
  const controllers = [await open("controller"), await open("controller")];
  const all = [...controllers, ...verifiers];
  return {
    controllers,
    verifiers,
    ended,
    allReady: async () => void (await eventually(() => all.every(({ isReady }) => isReady()), 60, "all are ready")),
    async complaints() {
      const logs = await Promise.all(logFiles.map(async (file) => readFile(file, "utf8")));
      return logs.flatMap((log) => log.split("\n")).filter((line) => /"level":"(warn|error|fatal)"/.test(line));
    },
  };
}
