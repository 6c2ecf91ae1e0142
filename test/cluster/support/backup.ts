import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { findBinaries } from "../../../hack/controlplane/binaries.ts";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import { apiServerFlags, etcdFlags, managerFlags } from "../../../hack/controlplane/flags.ts";
import { paths } from "../../../hack/controlplane/layout.ts";
import { supervise } from "../../../hack/controlplane/supervise.ts";
import { manager } from "../../../hack/controlplane/users.ts";

// Everything that a cluster holds, as of a moment, and brought back later, as an admin does it after a loss.

/** Of what etcd holds now. It stands still meanwhile, so that what is copied is of one moment. */
export async function backUp({ children, dir }: ControlPlane): Promise<string> {
  const etcd = children.find(({ name }) => name === "etcd");
  const backup = join(dir, "backup");
  etcd?.kill("SIGSTOP");
  try {
    await cp(join(dir, "etcd"), backup, { recursive: true });
  } finally {
    etcd?.kill("SIGCONT");
  }
  return backup;
}

/** Ends the servers, gives etcd what the backup holds and starts them again where they were. */
export async function restore(plane: ControlPlane, backup: string): Promise<void> {
  const { children, dir, server, ask, kubeconfigs } = plane;
  for (const child of children.toReversed()) await child.stop();
  await rm(join(dir, "etcd"), { recursive: true });
  await cp(backup, join(dir, "etcd"), { recursive: true });
  const binaries = await findBinaries(() => undefined);
  const start = async (name: keyof typeof binaries, args: readonly string[]): Promise<void> => {
    const where = { cwd: paths(dir).sockets, logFile: paths(dir).log(`${name}-restored`) };
    const child = await supervise({ file: binaries[name], args, ...where });
    plane.onStop(async () => child.stop());
  };
  await start("etcd", etcdFlags(dir));
  await start("kube-apiserver", apiServerFlags(dir, Number(new URL(server).port)));
  const isReady = async (): Promise<boolean> =>
    ask("admin", "GET", "/readyz").then(
      ({ code }) => code === 200,
      () => false,
    );
  await eventually(isReady, 60, "kube-apiserver is ready again");
  await start("kube-controller-manager", managerFlags(dir, kubeconfigs[manager.name] ?? ""));
}
