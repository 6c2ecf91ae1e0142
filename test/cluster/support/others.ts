import { authenticatorsPath, bindingsPath, policyBody } from "../../contract/bodies.ts";
import { type Cluster, eventually } from "./control-plane.ts";
import { must } from "./lives.ts";

// What others have in a cluster: bindings of their own, policies that change what is created, accounts that prune.

const rbac = "rbac.authorization.k8s.io";

/** One that nobody of ours made. */
export const plainBinding = (namespace: string, name: string): object => ({
  apiVersion: `${rbac}/v1`,
  kind: "RoleBinding",
  metadata: { name: `${name}s`, namespace },
  roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "pod-debugger" },
  subjects: [{ apiGroup: rbac, kind: "User", name }],
});

/** As Kyverno, Rancher or a GitOps tool does it: all that is created in this namespace gets a label and an annotation. */
export async function hangOn(cluster: Cluster, shop: string): Promise<void> {
  const hung = '{labels: {"example.com/team": "shop"}, annotations: {"example.com/seen-by": "policy"}}';
  const mutation = {
    patchType: "ApplyConfiguration",
    applyConfiguration: { expression: `Object{metadata: Object.metadata${hung}}` },
  };
  const bindings = { apiGroups: [rbac], apiVersions: ["v1"], operations: ["CREATE"], resources: ["rolebindings"] };
  const matchConstraints = {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": shop } },
    resourceRules: [bindings],
  };
  await mutate(cluster, "hang-on", { matchConstraints, mutations: [mutation] });
  const probe = async (): Promise<string> =>
    JSON.stringify(
      await must(cluster.plane, "admin", "POST", bindingsPath(shop, "?dryRun=All"), plainBinding(shop, "probe")),
    );
  await eventually(async () => (await probe()).includes("seen-by"), 10, "it is hung on");
}

/** Has a mutating policy undo what is counted in this authenticator, until the returned function is called. */
export async function takeBack(cluster: Cluster, authenticator: string): Promise<() => Promise<void>> {
  const fields = ["lastTimeStep", "failures"].map(
    (field) => `JSONPatch{op: "replace", path: "/status/totp/${field}", value: oldObject.status.totp.${field}}`,
  );
  const rule = {
    apiGroups: ["kube-elevate.dev"],
    apiVersions: ["*"],
    operations: ["UPDATE"],
    resources: ["authenticators/status"],
  };
  const letGo = await mutate(cluster, "take-back", {
    matchConstraints: { resourceRules: [rule] },
    matchConditions: [{ name: "one", expression: `object.metadata.name == "${authenticator}"` }],
    mutations: [{ patchType: "JSONPatch", jsonPatch: { expression: `[${fields.join(", ")}]` } }],
  });
  await cluster.plane.accountKubeconfig("verifier");
  const path = `${authenticatorsPath(`/${authenticator}/status`)}?dryRun=All`;
  const change = { status: { totp: { lastTimeStep: 999_999_999 } } };
  const undone = async (): Promise<boolean> => {
    const account = "system:serviceaccount:elevate-system:verifier";
    return !JSON.stringify(await must(cluster.plane, account, "PATCH", path, change)).includes("999999999");
  };
  await eventually(undone, 10, "it is taken back");
  return async () => {
    await letGo();
    await eventually(async () => !(await undone()), 10, "it is taken back no more");
  };
}

/** A mutating policy with its binding, which some seconds later are in force; what is returned deletes both. */
async function mutate(cluster: Cluster, name: string, spec: object): Promise<() => Promise<void>> {
  const apiVersion = "admissionregistration.k8s.io/v1";
  const kind = "MutatingAdmissionPolicy";
  const metadata = { name };
  await cluster.apply(
    "admin",
    { apiVersion, kind, metadata, spec: { reinvocationPolicy: "Never", ...spec } },
    { apiVersion, kind: `${kind}Binding`, metadata, spec: { policyName: name } },
  );
  return async () => {
    await cluster.kubectl("admin", "delete", kind, name);
    await cluster.kubectl("admin", "delete", `${kind}Binding`, name);
  };
}

const clusterRole = (name: string, rule: object): object => ({
  apiVersion: `${rbac}/v1`,
  kind: "ClusterRole",
  metadata: { name },
  rules: [rule],
});
const bound = (name: string, subject: object): object => ({
  apiVersion: `${rbac}/v1`,
  kind: "ClusterRoleBinding",
  metadata: { name: `${name}-by-hand` },
  roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
  subjects: [subject],
});
const mayBind = { apiGroups: [rbac], resources: ["clusterroles"], resourceNames: ["admin"], verbs: ["bind"] };
const mayUse = {
  apiGroups: ["kube-elevate.dev"],
  resources: ["elevationpolicies"],
  resourceNames: ["admin"],
  verbs: ["use"],
};
/** A policy on role admin that devs may use and the controller may bind; an account that prunes, as GitOps tools do. */
export const stage: readonly object[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "gitops" } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "pruner", namespace: "gitops" } },
  bound("admin", { kind: "ServiceAccount", name: "pruner", namespace: "gitops" }),
  clusterRole("kube-elevate-bind-admin", mayBind),
  bound("kube-elevate-bind-admin", { kind: "ServiceAccount", name: "controller", namespace: "elevate-system" }),
  clusterRole("use-admin", mayUse),
  bound("use-admin", { apiGroup: rbac, kind: "Group", name: "devs" }),
  policyBody("admin", { roleRef: { kind: "ClusterRole", name: "admin" } }),
];
