import { join } from "node:path";
import { findBinaries } from "../../../hack/controlplane/binaries.ts";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import { apiServerFlags } from "../../../hack/controlplane/flags.ts";
import { freePort } from "../../../hack/controlplane/free-port.ts";
import { paths } from "../../../hack/controlplane/layout.ts";
import { mustRun } from "../../../hack/controlplane/ready.ts";
import { supervise } from "../../../hack/controlplane/supervise.ts";

export type LaxServer = { readonly server: string; readonly auditLog: string };

/** One more API server over the same etcd, which stores ValidatingAdmissionPolicies and enforces none. It ends with the control plane. */
export async function startLaxServer(plane: ControlPlane): Promise<LaxServer> {
  const { dir } = plane;
  const port = await freePort();
  const server = `https://127.0.0.1:${String(port)}`;
  const auditLog = join(dir, "audit-lax.log");
  const more = [`--audit-log-path=${auditLog}`, "--disable-admission-plugins=ValidatingAdmissionPolicy"];
  const started = await supervise({
    file: (await findBinaries(() => undefined))["kube-apiserver"],
    args: [...apiServerFlags(dir, port), ...more],
    cwd: paths(dir).sockets,
    logFile: paths(dir).log("kube-apiserver-lax"),
  });
  plane.onStop(async () => started.stop());
  const url = new URL("/readyz", server);
  const ready = async (): Promise<boolean> => {
    await mustRun([started]);
    return (await plane.ask("admin", "GET", url.href).catch(() => ({ code: 0 }))).code === 200;
  };
  await eventually(ready, 90, "the lax API server is ready");
  return { server, auditLog };
}
