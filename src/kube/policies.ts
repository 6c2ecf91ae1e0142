import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { PolicyRule } from "../domain/persistence.ts";
import type { Granted, Policies } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { readAll, readPolicy, readRequest } from "./kinds.ts";
import { at, core, isName, ours, rbac, reviews } from "./paths.ts";
import { type Role, rulesHash } from "./rules-hash.ts";
import { swap } from "./swap.ts";

type FoundRole = Role & { readonly rules?: readonly PolicyRule[] | null };
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
  const readOne = readRequest(client.tell);
  return {
    list: async () => readAll(read, (await client.list<ElevationPolicy>(collection)).items),
    async placesOf({ kind, name }) {
      if (!isName(name)) return new Map();
      if (kind === "ClusterRole") {
        const found = await client.get<FoundRole>(rbac("clusterroles"), name);
        return new Map(found && [["", toldOf(found)]]);
      }
      const { items } = await client.list<Found & FoundRole>(rbac("roles"), {
        fieldSelector: `metadata.name=${escaped(name)}`,
      });
      return new Map(items.map((found) => [found.metadata.namespace ?? "", toldOf(found)]));
    },
    async granted() {
      const all: Granted[] = [];
      const active = { fieldSelector: "status.phase=Active" };
      for await (const { items } of client.pages<ElevationRequest>(ours("elevationrequests"), active))
        for (const { metadata, spec, status } of readAll(readOne, items))
          if (status?.offer !== undefined) {
            const { roleRef, rulesHash: proven } = status.offer;
            all.push({ policyName: spec.policyName, namespace: metadata.namespace, roleRef, rulesHash: proven });
          }
      return all;
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

const toldOf = (role: FoundRole) => ({ rulesHash: rulesHash(role), rules: role.rules ?? [] });

/** A role may be named almost anything; in a field selector `,` and `=` have a meaning. */
const escaped = (name: string): string => name.replaceAll(/[\\,=]/g, String.raw`\$&`);
