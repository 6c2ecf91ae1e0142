import type { Cluster } from "./cluster.ts";

type Rule = { readonly [field in "apiGroups" | "resources" | "verbs"]?: readonly string[] | null };
type Object = {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly Rule[] | null;
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[] | null;
};

/** `everything`: a rule with `*` in all its lists gives it, as that of cluster-admin. */
export type Holder = { readonly says: string; readonly everything: boolean };

/**
 * Who holds verbs `*` on policies, and with them `use` and `revoke`, which whoever gave them may not have thought of.
 * Undefined: I may not look.
 */
export async function holdersOfAllVerbs(cluster: Cluster): Promise<readonly Holder[] | undefined> {
  const lists: (readonly Object[])[] = [];
  for (const resource of ["clusterroles", "roles", "clusterrolebindings", "rolebindings"]) {
    const list = await cluster.foreign("rbac.authorization.k8s.io", resource);
    if (list === undefined) return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API server's own objects
    lists.push(list as readonly Object[]);
  }
  const [clusterRoles = [], roles = [], clusterBindings = [], bindings = []] = lists;
  const giving = new Map(
    [...clusterRoles, ...roles].flatMap(({ metadata: { name, namespace }, rules }) => {
      const given = (rules ?? []).filter((rule) => holds(rule.verbs, "*") && names(rule));
      const key = keyOf(namespace === undefined ? "ClusterRole" : "Role", name, namespace);
      return given.length > 0 ? [[key, given.some(isEverything)] as const] : [];
    }),
  );
  const holders = [...clusterBindings, ...bindings].flatMap(({ metadata: { namespace }, roleRef, subjects }) => {
    if (roleRef === undefined) return [];
    const everything = giving.get(keyOf(roleRef.kind, roleRef.name, roleRef.kind === "Role" ? namespace : undefined));
    const where = namespace === undefined ? "" : `, in namespace ${namespace}`;
    return everything === undefined
      ? []
      : (subjects ?? []).map(({ kind, name, namespace: of }) => ({
          says: `${kind} ${of === undefined ? name : `${of}/${name}`} (${roleRef.kind} ${roleRef.name}${where})`,
          everything,
        }));
  });
  return [...new Map(holders.map((holder) => [holder.says, holder])).values()];
}

const keyOf = (kind: string, name: string, namespace = ""): string => `${kind}/${namespace}/${name}`;

const names = ({ apiGroups, resources }: Rule): boolean =>
  holds(apiGroups, "kube-elevate.dev") && holds(resources, "elevationpolicies");
const isEverything = ({ apiGroups, resources }: Rule): boolean => holds(apiGroups, "*") && holds(resources, "*");
const holds = (list: readonly string[] | null | undefined, one: string): boolean =>
  list?.includes(one) === true || list?.includes("*") === true;
