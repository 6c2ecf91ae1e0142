import type { ControllerPorts } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { core } from "./paths.ts";

/** Which cluster this is: the UID of kube-system, which nobody makes twice, and the name that the settings give it. */
export async function readCluster(client: KubeClient, name: string): Promise<ControllerPorts["cluster"]> {
  const found = await client.get<{ readonly metadata: { readonly uid: string } }>(core("namespaces"), "kube-system");
  if (found === undefined) throw new Error("namespace kube-system is not there: its uid names the cluster");
  return { name, uid: found.metadata.uid };
}
