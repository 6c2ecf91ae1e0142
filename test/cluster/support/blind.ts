import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { type Process, startController } from "../../../hack/controlplane/processes.ts";
import { type Around, startProxy } from "./proxy.ts";

/**
 * Admission as this process saw it first, for ever. Were a guard off and nobody had noticed, the rest would have to hold:
 * a process that looks stops granting, and of the rest nothing would be seen.
 */
export function blindToAdmission(): Pick<Required<Around>, "alters"> {
  const first = new Map<string, unknown>();
  return {
    alters: (path) =>
      /^\/apis\/(admissionregistration|apiextensions)\.k8s\.io\//.test(path)
        ? (body) => {
            if (!first.has(path)) first.set(path, body);
            return first.get(path);
          }
        : undefined,
  };
}

export async function startBlindController(plane: ControlPlane): Promise<Process> {
  await plane.accountKubeconfig("controller");
  const proxy = await startProxy(plane, "system:serviceaccount:elevate-system:controller", blindToAdmission());
  plane.onStop(async () => proxy.close());
  return startController(plane, { kubeconfig: proxy.kubeconfig });
}
