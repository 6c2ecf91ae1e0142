import { eventually } from "../../../hack/controlplane/eventually.ts";
import { bindingsPath } from "../../contract/bodies.ts";
import type { Cluster } from "./control-plane.ts";

/** An admin takes the policy about our bindings off, and puts it back when these deeds are done. A dry run says when it bites. */
export async function withoutGuard<T>(cluster: Cluster, deeds: () => Promise<T>): Promise<T> {
  await cluster.kubectl("admin", "delete", "validatingadmissionpolicybinding", "kube-elevate-bindings");
  try {
    await eventually(async () => (await plants(cluster)) === 201, 10, "the guard is off");
    return await deeds();
  } finally {
    await cluster.kubectl("admin", "apply", "-f", "config/admission/bindings.yaml");
    await eventually(async () => (await plants(cluster)) === 403, 10, "the guard is on");
  }
}

async function plants({ plane }: Cluster): Promise<number> {
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" };
  const planted = { metadata: { name: "elevate:planted:00000000" }, roleRef };
  return (await plane.ask("admin", "POST", bindingsPath("default", "?dryRun=All"), planted)).code;
}
