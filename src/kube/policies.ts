import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { Policies } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { readAll, readPolicy } from "./kinds.ts";
import { at, core, isName, ours, rbac, reviews } from "./paths.ts";
import { swap } from "./swap.ts";

type Found = {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: { readonly [label: string]: string };
  };
};

export function createPolicies(client: KubeClient): Policies {
  const collection = ours("elevationpolicies");
  const read = readPolicy(client.tell);
  return {
    list: async () => readAll(read, (await client.list<ElevationPolicy>(collection)).items),
    async placesOf({ kind, name }) {
      if (!isName(name)) return [];
      if (kind === "ClusterRole") return (await client.get(rbac("clusterroles"), name)) === undefined ? [] : [""];
      const { items } = await client.list<Found>(rbac("roles"), { fieldSelector: `metadata.name=${escaped(name)}` });
      return items.flatMap(({ metadata }) => metadata.namespace ?? []);
    },
    async namespaces() {
      const { items } = await client.list<Found>(core("namespaces"));
      return new Map(items.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
    },
    async mayBind({ kind, name }, place) {
      const group = "rbac.authorization.k8s.io";
      const resource = kind === "Role" ? "roles" : "clusterroles";
      const resourceAttributes = { verb: "bind", group, resource, name, namespace: place };
      const review = await client.create<{ readonly status: { readonly allowed: boolean } }>(
        reviews("selfsubjectaccessreviews"),
        { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: { resourceAttributes } },
        { repeatable: true },
      );
      return review.status.allowed;
    },
    swapStatus: async (seen, status) => swap(client, `${at(collection, seen.metadata.name)}/status`, seen, { status }),
  };
}

/** A role may be named almost anything; in a field selector `,` and `=` have a meaning. */
const escaped = (name: string): string => name.replaceAll(/[\\,=]/g, String.raw`\$&`);
