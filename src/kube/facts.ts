import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { Facts } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { readPolicy } from "./kinds.ts";
import { rememberingUse, reviewUse } from "./may-use.ts";
import { core, ours, rbac } from "./paths.ts";
import { type Role, rulesHash } from "./rules-hash.ts";

type Namespace = { readonly metadata: { readonly labels?: { readonly [label: string]: string } } };

/** `elapsedMs`: monotonic; by it a standing `use` is asked for again. */
export function createFacts(client: KubeClient, elapsedMs: () => number = () => performance.now()): Facts {
  const read = readPolicy(client.tell);
  return {
    policy: async (name) => read(await client.get<ElevationPolicy>(ours("elevationpolicies"), name)),
    async namespaceLabels(namespace) {
      const found = await client.get<Namespace>(core("namespaces"), namespace);
      return found && (found.metadata.labels ?? {});
    },
    async rulesHash({ kind, name }, namespace) {
      const collection = kind === "Role" ? rbac("roles", namespace) : rbac("clusterroles");
      const role = await client.get<Role>(collection, name);
      return role && rulesHash(role);
    },
    mayUse: rememberingUse(async (request) => reviewUse(client, request), { elapsedMs, tell: client.tell }),
    clockOffMs: async () => client.clockOffMs(),
  };
}
