import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { RoleRef } from "../api/v1alpha1/meta.ts";
import type { PolicyReason, RefusalReason } from "../api/v1alpha1/reasons.ts";
import { messageMax } from "./policy-status.ts";
import type { Places, Policies } from "./ports.ts";

export type Ready =
  | { readonly holds: true; readonly reason: PolicyReason; readonly message: string }
  | { readonly holds: false; readonly reason: RefusalReason; readonly message: string };

type Asked = Pick<Policies, "mayBind" | "granted">;

/**
 * Whether the role of a policy is there, and the controller may bind it, wherever the policy is for. Where it may, also
 * whether the role changed under a grant that stands: that ends none, so it is told here.
 */
export async function readyOf(
  policies: Asked,
  { metadata, spec: { roleRef } }: ElevationPolicy,
  found: Places,
): Promise<Ready> {
  const { kind, name } = roleRef;
  const everywhere = kind === "ClusterRole";
  const places = [...found.keys()];
  const where = everywhere ? "does not exist" : "exists in no namespace that this policy is for";
  if (places.length === 0)
    return { holds: false, reason: "RoleNotFound", message: `${kind} ${name} ${where}: make it, or name another role` };
  const asked = await Promise.all(
    places.map(async (place) => [place, await policies.mayBind(roleRef, place)] as const),
  );
  const refused = asked.flatMap(([place, allowed]) => (allowed ? [] : [place])).toSorted();
  if (refused.length > 0) return { holds: false, reason: "BindNotPermitted", message: cure(roleRef, refused) };
  const [first = ""] = places;
  const there = everywhere
    ? ""
    : places.length === 1
      ? ` in namespace ${first}`
      : ` in ${String(places.length)} namespaces`;
  const message = `the controller may bind ${kind} ${name}${there}`;
  const changed = (await policies.granted()).filter(
    ({ policyName, namespace, roleRef: proven, rulesHash }) =>
      policyName === metadata.name &&
      proven.kind === kind &&
      proven.name === name &&
      (found.get(everywhere ? "" : namespace)?.rulesHash ?? rulesHash) !== rulesHash,
  ).length;
  if (changed === 0) return { holds: true, reason: "BindPermitted", message };
  const grants = `${String(changed)} active grant${changed === 1 ? "" : "s"}`;
  const under = `its rules changed under ${grants}: what they say now is in force`;
  return { holds: true, reason: "RoleChanged", message: `${message}; ${under}` };
}

/** While the walls are down nothing is granted, whatever else is true. */
export const readyWhileUnprotected = (hole: string): Ready => ({
  holds: false,
  reason: "AdmissionUnprotected",
  message: `${hole.slice(0, messageMax - applyAgain.length)}${applyAgain}`,
});
/** kubectl apply takes away nothing that others added; with a CRD goes all that was recorded. */
const applyAgain =
  ". Apply what was shipped again: kubectl apply -k config/default. Delete a policy or binding that has more than was shipped first, and never a CRD: its records go with it";

/** Commands to be run as they stand, two for each place: a shell takes the whole message. */
function cure(role: RoleRef, places: readonly string[]): string {
  const commands: string[] = [];
  for (const [done, place] of places.entries()) {
    const block = commandsFor(role, place).join("\n");
    const rest = `# and the same in ${String(places.length - done)} more namespaces`;
    if ([...commands, block, rest].join("\n").length > messageMax) return [...commands, rest].join("\n");
    commands.push(block);
  }
  return commands.join("\n");
}

function commandsFor({ kind, name }: RoleRef, place: string): readonly string[] {
  const bind = quoted(`kube-elevate-bind-${name}`);
  const account = "--serviceaccount=elevate-system:controller";
  const what = kind === "ClusterRole" ? "clusterrole" : "role";
  const where = kind === "ClusterRole" ? "" : ` --namespace=${quoted(place)}`;
  const resource = `--resource=${what}s.rbac.authorization.k8s.io --resource-name=${quoted(name)}`;
  return [
    `kubectl create ${what} ${bind}${where} --verb=bind ${resource}`,
    `kubectl create ${what}binding ${bind}${where} --${what}=${bind} ${account}`,
  ];
}

/** For a shell: a role may be named almost anything, and whoever reads this is an admin. */
const quoted = (text: string): string =>
  /^[A-Za-z0-9._:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
