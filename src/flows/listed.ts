import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { bindingName, type RoleBinding } from "../domain/binding.ts";
import { type Instant, parseInstant } from "../domain/time.ts";
import type { RequestKey } from "./ports.ts";
import { type Due, dueOf, endOfAccess } from "./reconcile.ts";

/** What two lists say of one binding's place: whose it is, what was seen there, and when access is to end. */
export type Listed = {
  readonly what: RequestKey | Unaccounted;
  readonly binding: RoleBinding | undefined;
  readonly request: ElevationRequest | undefined;
  readonly endsAt: Instant | undefined;
  /** Where the two are a grant that stands. */
  readonly due: Due | undefined;
};

/** It bears our label, and no request can be named for it. Ours to remove where it has a name as we give them. */
export type Unaccounted = { readonly unaccounted: RoleBinding; readonly removable: boolean };

/** One id a request, the same whether it was found by request, by binding or by a hint. */
export const idOf = (key: RequestKey): string => idAt(key.namespace, bindingName(key));

/** Joins managed bindings and open requests. A list that failed is undefined: by it nothing is known. */
export function joinLists(
  bindings: readonly RoleBinding[] | undefined,
  open: readonly ElevationRequest[] | undefined,
): ReadonlyMap<string, Listed> {
  const bound = new Map(bindings?.map((binding) => [idAt(binding.metadata.namespace, binding.metadata.name), binding]));
  const joined = new Map<string, Listed>();
  for (const request of open ?? []) {
    const { namespace, name, uid } = request.metadata;
    const what = { namespace, name, uid };
    const binding = bound.get(idOf(what));
    const endsAt = endOfAccess(request, binding !== undefined);
    joined.set(idOf(what), { what, binding, request, endsAt, due: dueOf(request, binding) });
  }
  for (const [id, binding] of bound)
    if (!joined.has(id)) {
      // whose request is not open is overdue; where that is not known, the binding's own word must do
      const said = parseInstant(binding.metadata.annotations?.["kube-elevate.dev/expiration-time"]);
      const endsAt = open === undefined ? said : endOfAccess(undefined, true);
      joined.set(id, { what: ownerOf(binding), binding, request: undefined, endsAt, due: undefined });
    }
  return joined;
}

/** By its name, which was made of request and UID, and by the whole UID from where it stands, if the two fit. */
function ownerOf(binding: RoleBinding): RequestKey | Unaccounted {
  const { namespace, name: bound, labels, ownerReferences } = binding.metadata;
  const [, name] = /^elevate:([^:]+):[^:]+$/.exec(bound) ?? [];
  const uids = [labels?.["kube-elevate.dev/request-uid"] ?? "", ...(ownerReferences ?? []).map(({ uid }) => uid)];
  const uid = uids.find((text) => name !== undefined && bindingName({ name, uid: text }) === bound);
  if (name === undefined || uid === undefined) return { unaccounted: binding, removable: name !== undefined };
  return { namespace, name, uid };
}

const idAt = (namespace: string, name: string): string => `${namespace}/${name}`;
