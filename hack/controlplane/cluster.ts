import { rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { claim } from "./claim.ts";
import type { ControlPlane } from "./control-plane.ts";
import { install } from "./install.ts";
import { endpointCAFile, type Process, startController, startVerifier, type Verifier } from "./processes.ts";
import { lastLines } from "./ready.ts";
import { startControlPlane } from "./start.ts";
import { versions } from "./versions.ts";

/**
 * `make cluster DIR=path`: a control plane with kube-elevate in it, in the foreground until Ctrl-C. All that it writes is
 * in DIR; DIR/env.json is there exactly while all of it answers. Like a kubelet it starts our processes again when they
 * end; a control plane that loses one of its own ends as a whole.
 */
async function cluster(dir: string, signal: AbortSignal): Promise<void> {
  const release = await claim(dir);
  const env = join(dir, "env.json");
  await rm(env, { force: true });
  let plane: ControlPlane | undefined;
  try {
    log(`starting Kubernetes ${versions.kubernetes} in ${dir}`);
    plane = await startControlPlane({ dir, log, signal });
    log("installing config/default");
    await install(plane, signal);
    log("starting controller and verifier");
    let [controller, verifier] = await Promise.all([
      startController(plane, { signal }),
      startVerifier(plane, { signal }),
    ]);
    await announce(env, plane, controller, verifier);
    console.log(whatToType(plane));
    const ended = firstEnd(plane);
    for (;;) {
      const end = await Promise.race([aborted(signal), ended, controller.exited, verifier.exited]);
      if (signal.aborted) return;
      if (typeof end === "string") throw new Error(end);
      await rm(env, { force: true });
      if (controller.hasExited()) controller = await again(controller, startController, plane, signal);
      if (verifier.hasExited()) verifier = await again(verifier, startVerifier, plane, signal);
      await announce(env, plane, controller, verifier);
    }
  } finally {
    await rm(env, { force: true });
    await plane?.stop();
    await release();
  }
}

/** Whole or not at all: readers wait for the name. */
async function announce(env: string, plane: ControlPlane, controller: Process, verifier: Verifier): Promise<void> {
  const { kubectl, server, bin, kubeconfigs, pids } = plane;
  const named = Object.fromEntries(["admin", "alice", "bob", "sre"].map((user) => [user, kubeconfigs[user]]));
  const facts = {
    kubectl,
    apiServer: server,
    endpoint: verifier.endpoint,
    endpointCAFile: await endpointCAFile(plane),
    bin,
    kubeconfigs: named,
    pids: { ...pids, controller: controller.pid, verifier: verifier.pid },
  };
  await writeFile(`${env}.new`, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 });
  await rename(`${env}.new`, env);
}

function log(line: string): void {
  console.error(line);
}

async function again<T extends Process>(
  old: T,
  start: (plane: ControlPlane, options: { ports: T["ports"]; signal: AbortSignal }) => Promise<T>,
  plane: ControlPlane,
  signal: AbortSignal,
): Promise<T> {
  log(`${old.name} (process ${old.pid}) ended with ${await old.exited}; its log is ${old.logFile}`);
  const next = await start(plane, { ports: old.ports, signal });
  log(`${next.name} (process ${next.pid}) takes its place`);
  return next;
}

async function firstEnd(plane: ControlPlane): Promise<string> {
  return Promise.race(
    plane.children.map(async (child) => {
      const code = await child.exited;
      return `${child.name} ended with ${code}:\n${await lastLines(child.logFile)}`;
    }),
  );
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((done) => signal.addEventListener("abort", done, { once: true }));
}

function whatToType({ dir, bin, kubeconfigs }: ControlPlane): string {
  const { admin = "", alice = "" } = kubeconfigs;
  return `
kube-elevate runs in ${dir}. In another terminal, from this folder:

  export PATH="${bin}:$PATH"
  kubectl --kubeconfig "${admin}" apply -k config/samples
  export KUBECONFIG="${alice}"
  kubectl elevate policies -n shop

Beside alice.kubeconfig are those of bob (both in group devs), sre (sres), ivy (who invites), pat (who writes policies), admin.
Logs are in ${join(dir, "logs")}, what was written is in ${join(dir, "audit.log")}. Ctrl-C ends all of it.
`;
}

if (import.meta.main) {
  const [dir = ""] = process.argv.slice(2);
  const stop = new AbortController();
  // Once each: a second Ctrl-C ends this process at once, and the kernel tells the others.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  if (dir === "") {
    console.error("say where: node hack/controlplane/cluster.ts DIR");
    process.exitCode = 2;
  } else {
    await cluster(resolve(dir), stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = stop.signal.aborted ? 130 : 1;
    });
  }
}
