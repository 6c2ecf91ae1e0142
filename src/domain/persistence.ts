import { type Hazard, harmless, hazards } from "./persistence-table.ts";

// Which rules of a role let somebody who held it for an hour keep access. A courtesy to whoever writes policies: it
// knows Kubernetes' own kinds, not what is in a namespace, and keeps nobody from a grant. When unsure, it tells.

/** A rule of a Role or ClusterRole. Left out, or null: an empty list, with which a rule gives nothing. */
export type PolicyRule = {
  readonly [field in "apiGroups" | "resources" | "verbs" | "resourceNames"]?: readonly string[] | null;
};

/** Lines of `verbs resources: why`, sorted, none twice. None at all: no rule is known to last. */
export function lastingAccess(rules: readonly PolicyRule[]): readonly string[] {
  return [...new Set(rules.flatMap(linesOf))].toSorted();
}

type Lists = {
  readonly groups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
};

/** `nonResourceURLs` are not read: a binding in a namespace gives none. */
function linesOf({ apiGroups, resources, verbs, resourceNames }: PolicyRule): readonly string[] {
  const rule: Lists = { groups: apiGroups ?? [], resources: resources ?? [], verbs: verbs ?? [] };
  const named = namesOf(resourceNames ?? []);
  if ([rule.groups, rule.resources, rule.verbs].every((list) => list.includes("*")))
    return [`* *${named}: everything, and so whatever lasts`];
  const findings = [...known(rule), ...unknown(rule)].map((found) => ({ ...found, given: listed(found.verbs) }));
  const alike = Map.groupBy(findings, ({ given, why }) => `${given} ${why}`);
  return [...alike.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const targets = new Set([first, ...others].flatMap((each) => each.targets));
    return [`${first.given} ${[...targets].toSorted().join(", ")}${named}: ${first.why}`];
  });
}

type Finding = { readonly verbs: readonly string[]; readonly targets: readonly string[]; readonly why: string };

const known = ({ groups, resources, verbs }: Lists): readonly Finding[] =>
  hazards.flatMap((hazard) => {
    const targets = groups.flatMap((group) => resources.flatMap((resource) => touched(hazard, group, resource)));
    const given = verbs.filter((verb) => isOf(hazard, verb));
    return targets.length > 0 && given.length > 0 ? [{ verbs: given, targets, why: hazard.why }] : [];
  });

const unknown = ({ groups, resources, verbs }: Lists): readonly Finding[] =>
  groups.flatMap((group) =>
    resources
      .filter((resource) => harmless.get(group)?.some((pattern) => covers(pattern, resource)) !== true)
      .flatMap((resource) => {
        const told = hazards.filter((hazard) => touched(hazard, group, resource).length > 0);
        const excused = (verb: string): boolean =>
          verb === "get" ? told.length > 0 || !mayConnect(group, resource) : leavesNothing.has(verb);
        const given = verbs.filter((verb) => !excused(verb) && !told.some((hazard) => isOf(hazard, verb)));
        const why = "not known to end with the grant";
        return given.length > 0 ? [{ verbs: given, targets: [target(group, resource)], why }] : [];
      }),
  );

const leavesNothing = new Set(["list", "watch", "delete", "deletecollection"]);

/** A console is opened by GET. Of `*` in a group that the table knows, it knows each subresource. */
const mayConnect = (group: string, resource: string): boolean =>
  resource === "*"
    ? !harmless.has(group) && !hazards.some((hazard) => hazard.group === group)
    : resource.includes("/") && !/\/(scale|status)$/.test(resource);

const isOf = (hazard: Hazard, verb: string): boolean =>
  verb === "*" || hazard.verbs.some((word) => verb.startsWith(word));

/** What of it a rule reaches that names this group and this resource. */
const touched = (hazard: Hazard, group: string, resource: string): readonly string[] =>
  group === "*" || group === hazard.group
    ? hazard.resources.filter((one) => covers(resource, one)).map((one) => target(hazard.group, one))
    : [];

/** As RBAC reads resources: `*` is also each subresource, a subresource may be of any resource, and nothing else is a pattern. */
const covers = (pattern: string, resource: string): boolean =>
  pattern === "*" || pattern === resource || (pattern.startsWith("*/") && resource.endsWith(pattern.slice(1)));

/** As kubectl writes it: deployments.apps/scale. */
function target(group: string, resource: string): string {
  const [name = "", ...rest] = resource.split("/");
  return shown([group === "" ? name : `${name}.${group}`, ...rest].join("/"));
}

function namesOf(resourceNames: readonly string[]): string {
  const [first = "", ...rest] = resourceNames.toSorted();
  if (resourceNames.length === 0) return "";
  return ` named ${shown(first)}${rest.length > 0 ? ` and ${String(rest.length)} more` : ""}`;
}

const listed = (verbs: readonly string[]): string =>
  verbs.includes("*") ? "*" : [...new Set(verbs)].toSorted().map(shown).join(",");

/** A role may say almost anything, and this is read in terminals. */
const shown = (text: string): string => text.replaceAll(/[^\u0021-\u007e]/g, "?");
