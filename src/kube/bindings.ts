import type { NewBinding, RoleBinding } from "../domain/binding.ts";
import type { Denial } from "../domain/reasons.ts";
import type { Bindings, SweptBindings } from "../flows/ports.ts";
import { ApiError, isConflict } from "./api-error.ts";
import type { KubeClient } from "./client.ts";
import { createInsisting } from "./insisting.ts";
import { at, rbac } from "./paths.ts";
import { removal } from "./removal.ts";

export function createBindings(client: KubeClient): Bindings {
  const remove = createInsisting(client);
  return {
    get: async (namespace, name) => client.get(rbac("rolebindings", namespace), name),
    async listManaged() {
      const labelSelector = "app.kubernetes.io/managed-by=kube-elevate";
      return (await client.list<RoleBinding>(rbac("rolebindings"), { labelSelector })).items;
    },
    async create(binding) {
      try {
        await client.create(rbac("rolebindings", binding.metadata.namespace), asManifest(binding));
        return "won";
      } catch (error) {
        if (isConflict(error)) return "lost";
        throw error;
      }
    },
    async rehearse(binding) {
      const dryRun = { query: { dryRun: "All" }, repeatable: true } as const;
      try {
        await client.create(rbac("rolebindings", binding.metadata.namespace), asManifest(binding), dryRun);
        return undefined;
      } catch (error) {
        if (error instanceof ApiError) return refusalOf(error, binding);
        throw error;
      }
    },
    remove: async ({ metadata: { namespace, name, uid } }) => remove(at(rbac("rolebindings", namespace), name), uid),
  };
}

/** By list and delete alone. */
export function createSweptBindings(client: KubeClient): SweptBindings {
  return {
    listAll: async () => (await client.list<RoleBinding>(rbac("rolebindings"))).items,
    async remove({ metadata: { namespace, name, uid } }) {
      await removal(client, at(rbac("rolebindings", namespace), name), { uid });
    },
  };
}

const asManifest = (binding: NewBinding): object => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  ...binding,
});

/** What the API server says to the binding; undefined where that is no refusal. Throws where it could not judge. */
function refusalOf(error: ApiError, { roleRef, metadata }: NewBinding): Denial | undefined {
  if (error.reason === "AlreadyExists") return undefined; // comes after all that could refuse it
  if (error.code === 401 || error.code === 408 || error.code === 429 || error.code >= 500) throw error;
  if (!error.message.includes("attempting to grant")) return { reason: "BindingRefused", message: error.message };
  const policy = metadata.annotations["kube-elevate.dev/policy"] ?? "";
  const message = `the controller may not bind ${roleRef.kind} ${roleRef.name}; kubectl describe elevationpolicy ${policy} tells the commands that allow it`;
  return { reason: "BindNotPermitted", message };
}
