import { cp } from "node:fs/promises";
import { resolve } from "node:path";
import { type Ask, asking } from "./ask.ts";
import { type Binaries, findBinaries } from "./binaries.ts";
import type { Log } from "./build.ts";
import { type ControlPlane, controlPlane } from "./control-plane.ts";
import { eventually } from "./eventually.ts";
import { apiServerFlags, etcdFlags, managerFlags } from "./flags.ts";
import { freePort } from "./free-port.ts";
import { layOut, paths } from "./layout.ts";
import { lastLines, mustRun, untilUsable } from "./ready.ts";
import { type Supervised, supervise } from "./supervise.ts";
import { manager, newTokens, people, tokenFile, type User } from "./users.ts";

export interface Options {
  /** Holds all that the control plane writes; what an earlier one left there is removed. */
  readonly dir: string;
  /** People besides admin, alice, bob, sre, ivy and pat. */
  readonly users?: readonly User[];
  /** It begins with what a folder of `prepared` holds, instead of nothing. */
  readonly from?: string;
  readonly log?: Log;
  /** Gives up the start, and leaves nothing running. */
  readonly signal?: AbortSignal;
}

/** Starts etcd, kube-apiserver and kube-controller-manager, and returns when they do what tests rely on. */
export async function startControlPlane(options: Options): Promise<ControlPlane> {
  const dir = resolve(options.dir);
  const { signal } = options;
  const binaries = await findBinaries(options.log ?? (() => undefined), signal);
  const users = [...people, ...(options.users ?? []), manager];
  const tokens = newTokens(users);
  await layOut(dir, tokenFile(users, tokens), binaries.kubectl);
  if (options.from !== undefined) await cp(options.from, dir, { recursive: true });
  const running: Supervised[] = [];
  const start: Start = async (name, args) => {
    const child = await supervise({
      file: binaries[name],
      args,
      cwd: paths(dir).sockets,
      logFile: paths(dir).log(name),
    });
    running.push(child);
    return child;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((child) => child.stop()));
  };
  try {
    const admin = tokens.get("admin") ?? "";
    const etcd = await start("etcd", etcdFlags(dir));
    const { apiserver, ...server } = await startApiServer(start, dir, admin, running, signal);
    const plane = controlPlane({ dir, kubectl: binaries.kubectl, ...server, stop });
    for (const [user, token] of tokens) await plane.know(user, token);
    const controllerManager = await start(
      "kube-controller-manager",
      managerFlags(dir, plane.kubeconfigs[manager.name] ?? ""),
    );
    await untilUsable(server.ask, admin, running, signal);
    const pids = { etcd: etcd.pid, apiserver: apiserver.pid, controllerManager: controllerManager.pid };
    return { ...plane, pids, children: running };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Start = (name: keyof Binaries, args: readonly string[]) => Promise<Supervised>;

interface Served {
  readonly apiserver: Supervised;
  readonly server: string;
  readonly ask: Ask;
  readonly close: () => void;
}

/** Tries again with another port when somebody took the one that was free a moment ago. Another's server is never taken for ours: it has another certificate. */
async function startApiServer(
  start: Start,
  dir: string,
  admin: string,
  running: Supervised[],
  signal?: AbortSignal,
): Promise<Served> {
  for (let attemptsLeft = 5; ; attemptsLeft -= 1) {
    const port = await freePort();
    const server = `https://127.0.0.1:${port}`;
    const { ask, close } = asking(server, paths(dir).caFile);
    const apiserver = await start("kube-apiserver", apiServerFlags(dir, port));
    const isReady = async (): Promise<boolean> => {
      await mustRun(running);
      const answered = ask(admin, "GET", "/readyz").then(
        ({ code }) => code === 200,
        () => false,
      );
      // Whoever else has the port may never answer.
      return Promise.race([answered, apiserver.exited.then(() => false)]);
    };
    try {
      await eventually(isReady, 60, "kube-apiserver is ready", signal);
      return { apiserver, server, ask, close };
    } catch (error) {
      close();
      const portTaken =
        apiserver.hasExited() && (await lastLines(apiserver.logFile)).includes("address already in use");
      if (!portTaken || attemptsLeft === 0) throw error;
      running.splice(running.indexOf(apiserver), 1);
    }
  }
}
