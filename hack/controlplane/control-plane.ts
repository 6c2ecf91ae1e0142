import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Ask } from "./ask.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { environmentOf, kubectlOf, type Run } from "./kubectl.ts";
import { paths } from "./layout.ts";
import type { Supervised } from "./supervise.ts";

/** A real control plane on loopback. A user is known by the name that `kubeconfigs` has. */
export interface ControlPlane {
  readonly dir: string;
  readonly server: string;
  readonly caFile: string;
  readonly kubectl: string;
  /** A folder for the PATH, with kubectl and kubectl-elevate. */
  readonly bin: string;
  readonly kubeconfigs: Readonly<Record<string, string>>;
  /** etcd, kube-apiserver and kube-controller-manager. */
  readonly children: readonly Supervised[];
  readonly pids: { readonly etcd: number; readonly apiserver: number; readonly controllerManager: number };
  readonly auditLog: string;
  readonly tokenOf: (user: string) => string;
  /** The environment of this user's shell. */
  envOf(user: string): NodeJS.ProcessEnv;
  /** Runs the real kubectl as this user; unless `check` is false, an exit code other than 0 rejects. */
  readonly run: Run;
  /** One HTTP request as this user, over a kept connection; rejects when there is no answer. */
  readonly ask: Ask;
  /** Gets a token of this ServiceAccount by TokenRequest. From then on it is a user, by its full user name. */
  accountKubeconfig(serviceAccount: string, namespace?: string): Promise<string>;
  /** Has `stop` end this too, while the API server is still there. */
  onStop(end: () => Promise<void>): void;
  /** Ends all processes. The files stay. */
  stop(): Promise<void>;
}

interface Parts {
  readonly dir: string;
  readonly kubectl: string;
  readonly server: string;
  readonly ask: Ask;
  readonly close: () => void;
  readonly stop: () => Promise<void>;
}

/** What can be done with a control plane that answers. `know` makes a user of a token. */
export function controlPlane(
  parts: Parts,
): Omit<ControlPlane, "pids" | "children"> & { know(user: string, token: string): Promise<string> } {
  const { dir, kubectl, server } = parts;
  const { caFile, auditLog, bin, kubeconfig } = paths(dir);
  const kubeconfigs: Record<string, string> = {};
  const tokens = new Map<string, string>();
  const ends: (() => Promise<void>)[] = [];
  const where = { kubectl, bin, dir, kubeconfigs };
  const run = kubectlOf(where);

  const know = async (user: string, token: string): Promise<string> => {
    const path = kubeconfig(user);
    await writeKubeconfig(path, server, caFile, token);
    tokens.set(user, token);
    kubeconfigs[user] = path;
    return path;
  };
  const tokenOf = (user: string): string => {
    const token = tokens.get(user);
    if (token === undefined) throw new Error(`no user ${user} in this control plane`);
    return token;
  };
  const accountKubeconfig = async (account: string, namespace = "elevate-system"): Promise<string> => {
    const { stdout } = await run("admin", ["create", "token", account, "--namespace", namespace, "--duration", "168h"]);
    return know(`system:serviceaccount:${namespace}:${account}`, stdout.trim());
  };
  const stop = async (): Promise<void> => {
    await Promise.allSettled(ends.splice(0).map((end) => end()));
    parts.close();
    await parts.stop();
    await rm(join(dir, "sockets"), { recursive: true, force: true });
  };
  return {
    dir,
    server,
    caFile,
    kubectl,
    bin,
    kubeconfigs,
    auditLog,
    tokenOf,
    envOf: (user) => environmentOf(where, user),
    run,
    ask: (user, ...rest) => parts.ask(tokenOf(user), ...rest),
    accountKubeconfig,
    onStop: (end) => void ends.push(end),
    stop,
    know,
  };
}
