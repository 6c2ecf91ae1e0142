import {
  array,
  assert,
  constant,
  constantFrom,
  nat,
  option,
  property,
  record,
  shuffledSubarray,
  string,
} from "fast-check";
import { expect, test } from "vitest";
import { lastingAccess, type PolicyRule } from "./persistence.ts";
import { hazards } from "./persistence-table.ts";

const rule = (verbs: string, resources: string, group = "", names = ""): PolicyRule => ({
  apiGroups: [group],
  resources: resources.split(" "),
  verbs: verbs.split(" "),
  resourceNames: names === "" ? null : names.split(" "),
});
const linesOf = (given: PolicyRule): string => lastingAccess([given]).join("\n");
const isTold = (given: PolicyRule): boolean => linesOf(given) !== "";
const rbac = "rbac.authorization.k8s.io";
const admission = "admissionregistration.k8s.io";
const certificates = "certificates.k8s.io";
const ours = "kube-elevate.dev";

const mints = "create serviceaccounts/token: a token outlives the grant";

test.each<readonly [string, PolicyRule, string]>([
  ["PE01", rule("create", "serviceaccounts/token"), mints],
  ["PE01", rule("create", "serviceaccounts/token", "", "b a"), mints.replace(":", " named a and 1 more:")],
  ["PE01", rule("create", "*/token"), mints],
  ["PE01", rule("create", "serviceaccounts/token", "*"), mints],
  ["PE02", rule("patch create", "rolebindings", rbac), `create,patch rolebindings.${rbac}: rights that it gives stay`],
  ["PE02", rule("update", "roles", rbac), `update roles.${rbac}: rights that it gives stay`],
  [
    "PE02",
    rule("create", "cronjobs", "batch"),
    "create cronjobs.batch: it runs on, as any ServiceAccount of the namespace",
  ],
  ["PE02", rule("patch", "jobs", "batch"), "patch jobs.batch: it runs on, as any ServiceAccount of the namespace"],
  [
    "PE02",
    rule("create", "mutatingwebhookconfigurations", admission),
    `create mutatingwebhookconfigurations.${admission}: guards can be switched off (not by a binding in a namespace)`,
  ],
  [
    "PE02",
    rule("create", "certificatesigningrequests", certificates),
    `create certificatesigningrequests.${certificates}: a certificate cannot be taken back (not by a binding in a namespace)`,
  ],
  ["PE03", rule("*", "*", "*"), "* *: everything, and so whatever lasts"],
  [
    "PE03",
    rule("get", "nodes/proxy"),
    "get nodes/proxy: it leads into every pod of the node (not by a binding in a namespace)",
  ],
  ["PE03", rule("create get", "pods/exec"), "create,get pods/exec: it stays open, and a pod's token can be copied"],
  ["PE03", rule("get", "pods/exec"), "get pods/exec: it stays open, and a pod's token can be copied"],
  ["PE03", rule("create", "pods/attach"), "create pods/attach: it stays open, and a pod's token can be copied"],
  [
    "PE03",
    rule("patch", "pods/ephemeralcontainers"),
    "patch pods/ephemeralcontainers: it runs on, beside the pod's token",
  ],
  ["PE03", rule("create", "pods/portforward"), "create pods/portforward: it stays open, and a pod may serve tokens"],
  ["PE03", rule("create", "pods"), "create pods: it runs on, as any ServiceAccount of the namespace"],
  [
    "PE03",
    rule("patch get", "deployments statefulsets", "apps"),
    "patch deployments.apps, statefulsets.apps: it runs on, as any ServiceAccount of the namespace",
  ],
  ["PE03", rule("get", "secrets"), "get secrets: credentials that were read stay good"],
  ["PE03", rule("list", "secrets", "", "db"), "list secrets named db: credentials that were read stay good"],
  ["PE03", rule("create", "secrets"), "create secrets: a Secret can hold a token that never ends"],
  ["PE03", rule("escalate", "roles", rbac), `escalate roles.${rbac}: rights beyond one's own can be given`],
  [
    "PE03",
    rule("bind", "clusterroles", rbac, "admin"),
    `bind clusterroles.${rbac} named admin: rights beyond one's own can be given`,
  ],
  [
    "PE03",
    rule("impersonate", "serviceaccounts"),
    "impersonate serviceaccounts: whoever has lasting rights can be acted as",
  ],
  [
    "PE03",
    rule("impersonate:user-info", "users"),
    "impersonate:user-info users: whoever has lasting rights can be acted as (not by a binding in a namespace)",
  ],
  [
    "PE03",
    rule("deletecollection", "validatingadmissionpolicybindings", admission),
    `deletecollection validatingadmissionpolicybindings.${admission}: guards can be switched off (not by a binding in a namespace)`,
  ],
  ["PE03", rule("patch", "namespaces"), "patch namespaces: its labels choose policies, guards and Pod Security"],
  [
    "PE03",
    rule("use", "elevationpolicies", ours, "shop-debug"),
    `use elevationpolicies.${ours} named shop-debug: whoever may use it can ask for more`,
  ],
  [
    "PE03",
    rule("revoke", "elevationpolicies", ours),
    `revoke elevationpolicies.${ours}: whoever may revoke ends grants of others`,
  ],
  [
    "PE03",
    rule("create", "elevationrequests", ours),
    `create elevationrequests.${ours}: more can be asked for, and records changed`,
  ],
  [
    "PE03",
    rule("patch", "elevationrequests/status", ours),
    `patch elevationrequests.${ours}/status: more can be asked for, and records changed`,
  ],
  [
    "PE03",
    rule("invite", "authenticators", ours),
    `invite authenticators.${ours}: a second factor stays (not by a binding in a namespace)`,
  ],
  [
    "PE03",
    rule("create", "pipelineruns", "tekton.dev"),
    "create pipelineruns.tekton.dev: not known to end with the grant",
  ],
  ["PE03", rule("promote", "pods"), "promote pods: not known to end with the grant"],
  ["PE03", rule("create", "leases", "*"), "create leases.*: not known to end with the grant"],
  [
    "PE03",
    rule("patch", "services/status"),
    "patch services/status: an address that it names is taken from who has it",
  ],
  ["PE03", rule("update get", "configmaps"), "update configmaps: pods run on by the scripts and settings in it"],
  [
    "PE03",
    rule("get", "virtualmachineinstances/console", "subresources.kubevirt.io"),
    "get virtualmachineinstances.subresources.kubevirt.io/console: not known to end with the grant",
  ],
  [
    "PE03",
    rule("get list", "*", "subresources.kubevirt.io"),
    "get *.subresources.kubevirt.io: not known to end with the grant",
  ],
  ["PE03", rule("create", "evil\u202e\n\u001b[2J", "x.io"), "create evil???[2J.x.io: not known to end with the grant"],
])("%s: %j: %s", (_row, given, line) => {
  expect(lastingAccess([given])).toEqual([line]);
});

test("IA10: who has verbs * on elevationpolicies is told to use and to revoke", () => {
  expect(lastingAccess([rule("*", "elevationpolicies", ours)])).toEqual([
    `* elevationpolicies.${ours}: it says what may be asked for (not by a binding in a namespace)`,
    `* elevationpolicies.${ours}: whoever may revoke ends grants of others`,
    `* elevationpolicies.${ours}: whoever may use it can ask for more`,
  ]);
});

test("PE03: a wildcard reaches each thing that lasts, by its name", () => {
  for (const { group, resources } of hazards) {
    const one = `${resources[0]?.split("/")[0] ?? ""}${group === "" ? "" : `.${group}`}`;
    expect(linesOf(rule("*", "*", group))).toContain(one);
    expect(linesOf(rule("*", resources.join(" "), "*"))).toContain(one);
  }
  expect(linesOf(rule("get list watch", "*", "*"))).toMatch(/nodes\/proxy.*pods\/exec.*secrets/s);
});

test.each<readonly [string, PolicyRule]>([
  ["pods, logs and events are read", rule("get list watch", "pods pods/log events")],
  ["pods are deleted and evicted", rule("delete deletecollection create", "pods/eviction")],
  ["a deployment is scaled", rule("get update patch", "deployments/scale deployments/status", "apps")],
  ["configmaps are read and deleted", rule("get list watch delete", "configmaps")],
  ["claims are written", rule("*", "persistentvolumeclaims")],
  ["the status of somebody else's kind is read", rule("get", "pipelineruns/status pipelineruns/scale", "tekton.dev")],
  ["tokens are reviewed", rule("create", "tokenreviews", "authentication.k8s.io")],
  ["rights are asked about", rule("create", "selfsubjectaccessreviews", "authorization.k8s.io")],
  ["requests, policies, authenticators are read", rule("get list watch", "*", ours)],
  ["a kind of somebody else's is read and deleted", rule("get list watch delete", "pipelineruns", "tekton.dev")],
  ["no verb", { apiGroups: [""], resources: ["secrets"], verbs: [] }],
  ["a URL of no resource", { verbs: ["*"], nonResourceURLs: ["*"] } as PolicyRule],
  ["nothing at all", {}],
])("PE03: nothing is told where %s", (_what, given) => {
  expect(lastingAccess([given])).toEqual([]);
});

const words = (...more: readonly string[]) =>
  option(array(constantFrom(...new Set(more)), { maxLength: 4 }), { nil: null });
const anyRule = record({
  apiGroups: words("*", "x.io", ...hazards.map(({ group }) => group), "policy"),
  resources: words("*", "*/token", "configmaps", "widgets", ...hazards.flatMap(({ resources }) => resources)),
  verbs: words("*", "get", "delete", "promote", ...hazards.flatMap(({ verbs }) => verbs)),
  resourceNames: option(array(string(), { maxLength: 2 }), { nil: null }),
});

test("PE03: whatever the rules are, an answer comes; one rule more takes no line away, and their order says nothing", () => {
  const anyRules = array(anyRule, { maxLength: 4 });
  let told = 0;
  assert(
    property(
      anyRules.chain((rules) => record({ rules: constant(rules), part: shuffledSubarray(rules) })),
      ({ rules, part }) => {
        const all = lastingAccess(rules);
        told += all.length;
        expect(all).toEqual(expect.arrayContaining([...lastingAccess(part)]));
        expect(lastingAccess(rules.toReversed())).toEqual(all);
        expect(all).toEqual([...new Set(all)].toSorted());
        expect(all.filter((line) => !/^[\u0020-\u007e]+$/.test(line))).toEqual([]);
      },
    ),
  );
  expect(told).toBeGreaterThan(20);
});

test("PE03: a rule that gives more is never the safer one; nor does a name of an object make one safe", () => {
  const fields = ["apiGroups", "resources", "verbs"] as const;
  assert(
    property(
      anyRule,
      constantFrom(...fields),
      constantFrom("*", "secrets", "apps", "promote"),
      (given, field, more) => {
        const wider = { ...given, [field]: [...(given[field] ?? []), more] };
        if (isTold(given)) expect(isTold(wider)).toBe(true);
        expect(isTold({ ...given, resourceNames: ["one"] })).toBe(isTold(given));
      },
    ),
  );
});

test("PE03: rules without any of these words are read without an error, whatever is in them", () => {
  const text = array(nat(0xffff), { maxLength: 8 }).map((units) => String.fromCharCode(...units));
  const texts = option(array(text, { maxLength: 3 }), { nil: null });
  const odd = record({ apiGroups: texts, resources: texts, verbs: texts, resourceNames: texts }, { requiredKeys: [] });
  const read = property(array(odd, { maxLength: 3 }), (rules) => {
    expect(lastingAccess(rules).filter((line) => !/^[\u0020-\u007e]+$/.test(line))).toEqual([]);
  });
  assert(read);
});
