import { bindingFor } from "../../src/domain/binding.ts";
import { instant } from "../../src/domain/time.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";

/**
 * The writes of a proof alone, by the accounts that make them and under the same rules of admission, with nobody who reacts
 * to them: three patches of a status, and one create of a managed binding, over connections that are kept. In ms.
 */
export async function fourWrites(plane: ControlPlane, username: string, by: string): Promise<number> {
  const authenticator = `/apis/kube-elevate.dev/v1alpha1/authenticators/${by}/status`;
  const meta = { uid: crypto.randomUUID(), resourceVersion: "", creationTimestamp: "", namespace: "shop" };
  const request = { metadata: { name: "floor", ...meta }, spec: { policyName: "shop-debug", requester: { username } } };
  const binding = bindingFor(request, { kind: "ClusterRole", name: "pod-debugger" }, instant(Date.now() + 60_000));
  const began = performance.now();
  for (const ms of [0, 1, 2])
    mustBe(200, await plane.ask(verifier, "PATCH", authenticator, used(ms), "application/merge-patch+json"));
  mustBe(201, await plane.ask(controller, "POST", bindings, binding));
  const took = performance.now() - began;
  await plane.ask("admin", "DELETE", `${bindings}/${binding.metadata.name}`);
  return took;
}

/** Throws what was answered instead. */
export function mustBe(code: number, answer: { readonly code: number; readonly body: unknown }): void {
  if (answer.code !== code) throw new Error(`expected ${String(code)}: ${JSON.stringify(answer)}`);
}

const verifier = "system:serviceaccount:elevate-system:verifier";
const controller = "system:serviceaccount:elevate-system:controller";
const bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings";
const used = (ms: number): object => ({ status: { lastUsedTime: new Date(Date.now() + ms).toISOString() } });
