import { compareShipped, type Shipped, type Stored as StoredObject } from "../domain/shipped.ts";
import type { AdmissionObjects, Pace } from "../flows/ports.ts";
import { ApiError } from "./api-error.ts";
import type { KubeClient, Metadata } from "./client.ts";
import { admission, at, core, kinds, rbac } from "./paths.ts";
import shipped from "./shipped.json" with { type: "json" };
import { swap } from "./swap.ts";
import { type Holder, replacing } from "./trust.ts";

/** Admission policies, their bindings and the kinds: as they are stored, beside what this version ships. */
export function createAdmission(client: KubeClient, namespace = "elevate-system"): AdmissionObjects {
  const [configMaps, seenName] = [core("configmaps", namespace), "kube-elevate-seen"];
  const byName = async ({ kind, name }: Shipped): Promise<readonly Metadata[]> =>
    client.listMetadata(collectionOf(kind), { fieldSelector: `metadata.name=${name}` });
  /** By label; a label can be taken off, and then it is asked for by name, as kinds are, since RBAC lets us list no others. */
  const ofKind = async (kind: string, pace: Pace): Promise<readonly string[]> => {
    const wanted = all.filter((one) => one.kind === kind);
    const listed = kind === crd ? [] : await client.listMetadata(collectionOf(kind), { labelSelector });
    return each(wanted, pace, async (one) => {
      const found = listed.find(({ name }) => name === one.name) ?? (await byName(one))[0];
      const version = found && `${found.uid} ${String(found.generation ?? 0)}`;
      return `${kind.toLowerCase()} ${one.name} ${version ?? "-"}`;
    });
  };
  return {
    async versions(pace) {
      const kindsOfAll = [...new Set(all.map(({ kind }) => kind))];
      return (await each(kindsOfAll, pace, async (kind) => ofKind(kind, pace))).flat().join("\n");
    },
    async differences() {
      const compared = await each(all, "one by one", async (one) =>
        compareShipped(one, await client.get<StoredObject>(collectionOf(one.kind), one.name)),
      );
      return { holes: compared.flatMap(({ holes }) => holes), extras: compared.flatMap(({ extras }) => extras) };
    },
    async probe() {
      try {
        await client.create(rbac("rolebindings", namespace), probe, { query: { dryRun: "All" }, repeatable: true });
        return "the probe was let through: an API server stores the policy about bindings and does not enforce it";
      } catch (error) {
        if (!(error instanceof ApiError) || ![400, 403, 404, 409, 422].includes(error.code)) throw error;
        return inItsWords.test(error.message) ? undefined : `the probe was refused in other words: ${error.message}`;
      }
    },
    async seen() {
      const found = await client.get<Holder>(configMaps, seenName);
      return found && { data: found.data ?? {}, resourceVersion: found.metadata.resourceVersion };
    },
    swapSeen: async (before, data) =>
      swap(client, at(configMaps, seenName), { metadata: before }, { data: replacing(before, data) }),
  };
}

async function each<T, R>(items: readonly T[], pace: Pace, ask: (item: T) => Promise<R>): Promise<readonly R[]> {
  if (pace === "all at once") return Promise.all(items.map(ask));
  const answers: R[] = [];
  for (const item of items) answers.push(await ask(item));
  return answers;
}

const all: readonly Shipped[] = shipped;
const labelSelector = "app.kubernetes.io/part-of=kube-elevate";
const crd = "CustomResourceDefinition";
const collectionOf = (kind: string): string => {
  switch (kind) {
    case "ValidatingAdmissionPolicy":
      return admission("validatingadmissionpolicies");
    case "ValidatingAdmissionPolicyBinding":
      return admission("validatingadmissionpolicybindings");
    case "MutatingAdmissionPolicy":
      return admission("mutatingadmissionpolicies");
    case "MutatingAdmissionPolicyBinding":
      return admission("mutatingadmissionpolicybindings");
    default:
      return kinds();
  }
};

/** It gives nothing to nobody, so that RBAC asks no `bind` for it, and lacks all that a binding of ours has. */
const probe = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: { name: "elevate:probe:00000000" },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "kube-elevate-nothing" },
};
/** As the API server begins it: another refuser may quote our words, and not begin with them. */
const inItsWords =
  /^\S+ "elevate:probe:00000000" is forbidden: ValidatingAdmissionPolicy 'kube-elevate-bindings' .*denied request: BindingRefused: /;
