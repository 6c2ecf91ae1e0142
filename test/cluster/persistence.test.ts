import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { asking } from "../../hack/controlplane/ask.ts";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { startController } from "../../hack/controlplane/processes.ts";
import { bindingsPath, policiesPath, policyBody, requestsPath } from "../contract/bodies.ts";
import { useControlPlane } from "./support/control-plane.ts";
import { placesOf, podsRule, rowsOf } from "./support/grants.ts";
import { type Lives, must, playLives } from "./support/lives.ts";
import { pluginOf } from "./support/plugin.ts";
import { signingRequest } from "./support/signing-request.ts";

// What outlives a grant: that a policy says so, what it is in truth, and the guard that refuses it.

const cluster = useControlPlane({ installed: "samples", users: [{ name: "ann", groups: [] }] });
const rbac = "rbac.authorization.k8s.io";
const certificates = "certificates.k8s.io";
const admission = "admissionregistration.k8s.io";
let lives: Lives;

const rule = (verbs: string, group: string, resources: string, more: object = {}): object => ({
  apiGroups: [group],
  resources: resources.split(" "),
  verbs: verbs.split(" "),
  ...more,
});
const mints = rule("create", "", "serviceaccounts/token");
const makes = [
  rule("create patch", rbac, "rolebindings roles"),
  rule("create", rbac, "clusterrolebindings"),
  rule("bind", rbac, "clusterroles", { resourceNames: ["view"] }),
  rule("create patch", "", "secrets"),
  rule("create", "", "serviceaccounts/token configmaps"),
  rule("patch", "", "namespaces namespaces/status"),
  rule("create patch", "batch", "cronjobs"),
  rule("create", certificates, "certificatesigningrequests"),
  rule("create", admission, "validatingwebhookconfigurations"),
];
const roles = {
  minting: [podsRule, mints],
  guarded: makes,
  authors: [rule("*", "kube-elevate.dev", "elevationpolicies")],
};

const subject = (kind: "User" | "Group", name: string): object => ({ apiGroup: rbac, kind, name });
const binding = (name: string, role: string, to: object, namespace?: string): object => ({
  apiVersion: `${rbac}/v1`,
  kind: namespace === undefined ? "ClusterRoleBinding" : "RoleBinding",
  metadata: { name, ...(namespace !== undefined && { namespace }) },
  roleRef: { apiGroup: rbac, kind: "ClusterRole", name: role },
  subjects: [to],
});

beforeAll(async () => {
  const robot = { name: "robot", namespace: "minting" };
  await cluster.apply(
    "admin",
    ...placesOf(Object.keys(roles)),
    ...Object.entries(roles).map(([name, rules]) => ({
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRole",
      metadata: { name },
      rules,
    })),
    { apiVersion: "v1", kind: "ServiceAccount", metadata: robot },
    binding("robot", "view", { kind: "ServiceAccount", ...robot }, "minting"),
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "elsewhere" } },
    ...["guarded", "elsewhere"].flatMap(standingIn),
    binding("makers", "guarded", subject("Group", "devs")), // so that she is refused for the grant, and not for want of rights
    ...["view", "edit"].map((name) => policyBody(name, { roleRef: { kind: "ClusterRole", name } })),
    binding("authors", "authors", subject("User", "dan")),
    binding("ann", "cluster-admin", subject("User", "ann"), "elsewhere"),
  );
  lives = await playLives(cluster.plane, ["alice"]);
  await startController(cluster.plane);
}, 90_000);

const said = z.object({
  status: z
    .object({ conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), message: z.string() })) })
    .optional(),
});
async function safeOf(policy: string): Promise<{ readonly status: string; readonly message: string }> {
  const found = async () => {
    const { status } = said.parse(await must(cluster.plane, "admin", "GET", policiesPath(`/${policy}`)));
    return status?.conditions.find(({ type }) => type === "PersistenceSafe");
  };
  return eventually(found, 30, `policy ${policy} says whether it is PersistenceSafe`);
}

async function elevate(namespace: string): Promise<void> {
  const asks = async (): Promise<boolean> =>
    lives.ask(namespace, "fix", { policyName: namespace }).then(
      () => true,
      () => false,
    );
  await eventually(asks, 15, `alice may ask in ${namespace}`);
  await lives.until(namespace, "fix", "Pending", 30);
  await lives.prove(namespace, "fix");
  await lives.until(namespace, "fix", "Active", 30);
}
async function release(namespace: string): Promise<void> {
  const spec = { termination: { by: "alice", justification: "done" } };
  await must(cluster.plane, "alice", "PATCH", requestsPath(namespace, "/fix"), { spec });
  await lives.until(namespace, "fix", "Released", 30);
}

test.concurrent("PE01: a role that mints tokens is not PersistenceSafe, and a token that was minted works after the end", async () => {
  const { plane } = cluster;
  expect(await safeOf("minting")).toMatchObject({
    status: "False",
    reason: "LastingAccess",
    message: "create serviceaccounts/token: a token outlives the grant",
  });
  const printed = rowsOf(await cluster.kubectl("admin", "get", "elevpol", "-o", "wide"));
  expect(printed.get("/minting")).toMatchObject({ "PERSISTENCE-SAFE": "False" });

  await elevate("minting");
  const path = "/api/v1/namespaces/minting/serviceaccounts/robot/token";
  const minted = z.object({ status: z.object({ token: z.string(), expirationTimestamp: z.string() }) });
  const { token, expirationTimestamp } = minted.parse(await must(plane, "alice", "POST", path, { spec: {} })).status;
  await release("minting");
  await eventually(async () => !(await lives.allowed("minting")), 5, "alice is refused");
  const robot = asking(plane.server, plane.caFile);
  try {
    expect((await robot.ask(token, "GET", "/api/v1/namespaces/minting/pods")).code).toBe(200);
  } finally {
    robot.close();
  }
  const { status } = await lives.get("minting", "fix");
  expect(Date.parse(expirationTimestamp)).toBeGreaterThan(Date.parse(status?.grant?.expirationTime ?? ""));
});

type Deed = readonly [what: string, method: "POST" | "PATCH", path: string, body: object];
const metadata = { name: "lasting" };
const roleRef = { apiGroup: rbac, kind: "ClusterRole", name: "view" };
const container = { name: "a", image: "a" };
const pods = { spec: { restartPolicy: "Never", containers: [container] } };
const cronJob = { schedule: "0 3 * * *", suspend: true, jobTemplate: { spec: { template: pods } } };
const unlabelled = { metadata: { labels: { "kube-elevate.dev/guard": null } } };

/** What is there before the guard, for somebody to change. */
function standingIn(namespace: string): readonly object[] {
  const own = { namespace, name: "standing" };
  return [
    binding("standing", "view", subject("User", "carol"), namespace),
    { apiVersion: `${rbac}/v1`, kind: "Role", metadata: own, rules: [podsRule] },
    { apiVersion: "v1", kind: "Secret", metadata: own },
    { apiVersion: "batch/v1", kind: "CronJob", metadata: own, spec: cronJob },
  ];
}
const lastingIn = (namespace: string): readonly Deed[] => {
  const at = (api: string, rest: string): string => `${api}/namespaces/${namespace}${rest}?dryRun=All`;
  return [
    ["RoleBinding", "POST", bindingsPath(namespace, "?dryRun=All"), { metadata, roleRef }],
    ["Role", "POST", at(`/apis/${rbac}/v1`, "/roles"), { metadata, rules: [] }],
    ["Secret", "POST", at("/api/v1", "/secrets"), { metadata }],
    ["token", "POST", at("/api/v1", "/serviceaccounts/default/token"), { spec: {} }],
    ["CronJob", "POST", at("/apis/batch/v1", "/cronjobs"), { metadata, spec: cronJob }],
    [
      "RoleBinding changed",
      "PATCH",
      bindingsPath(namespace, "/standing?dryRun=All"),
      { subjects: [subject("User", "alice")] },
    ],
    ["Role changed", "PATCH", at(`/apis/${rbac}/v1`, "/roles/standing"), { rules: [rule("create", "", "configmaps")] }],
    ["Secret changed", "PATCH", at("/api/v1", "/secrets/standing"), { data: { key: "YQ==" } }],
    ["CronJob changed", "PATCH", at("/apis/batch/v1", "/cronjobs/standing"), { spec: { schedule: "* * * * *" } }],
    ["label", "PATCH", at("/api/v1", ""), unlabelled],
    ["label by status", "PATCH", at("/api/v1", "/status"), unlabelled],
  ];
};
const harmlessIn = (namespace: string): Deed => [
  "ConfigMap",
  "POST",
  `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`,
  { metadata },
];
const lastingEverywhere = (request: string): readonly Deed[] => {
  const signerName = "kubernetes.io/kube-apiserver-client";
  const signing = { metadata, spec: { request, signerName, usages: ["client auth"] } };
  return [
    ["ClusterRoleBinding", "POST", `/apis/${rbac}/v1/clusterrolebindings?dryRun=All`, { metadata, roleRef }],
    ["CSR", "POST", `/apis/${certificates}/v1/certificatesigningrequests?dryRun=All`, signing],
    ["webhook", "POST", `/apis/${admission}/v1/validatingwebhookconfigurations?dryRun=All`, { metadata }],
  ];
};

/** What becomes of each as this user: that it goes through, or the word of the refusal. */
async function outcomes(user: string, deeds: readonly Deed[]): Promise<Readonly<Record<string, string>>> {
  const type = { PATCH: "application/merge-patch+json", POST: "application/json" };
  const each = deeds.map(async ([what, method, path, body]): Promise<[string, string]> => {
    const answer = await cluster.plane.ask(user, method, path, body, type[method]);
    const text = JSON.stringify(answer.body);
    return [what, answer.code < 300 ? "done" : (/denied request: (\w+):/.exec(text)?.[1] ?? text)];
  });
  return Object.fromEntries(await Promise.all(each));
}
const all = (deeds: readonly Deed[], outcome: string): Readonly<Record<string, string>> =>
  Object.fromEntries(deeds.map(([what]) => [what, outcome]));

test.concurrent("PE02: what lasts is flagged; with the guard it is refused to who is elevated, there, until the end, and to nobody else", async () => {
  const everywhere = lastingEverywhere(await signingRequest("alice"));
  const here = [...lastingIn("guarded"), ...everywhere];
  const { status, message } = await safeOf("guarded");
  expect(status).toBe("False");
  expect(message.split("\n")).toEqual([
    "bind clusterroles.rbac.authorization.k8s.io named view: rights beyond one's own can be given",
    "create certificatesigningrequests.certificates.k8s.io: a certificate cannot be taken back (not by a binding in a namespace)",
    "create clusterrolebindings.rbac.authorization.k8s.io: rights that it gives stay (not by a binding in a namespace)",
    "create configmaps: pods run on by the scripts and settings in it",
    "create serviceaccounts/token: a token outlives the grant",
    "create validatingwebhookconfigurations.admissionregistration.k8s.io: guards can be switched off (not by a binding in a namespace)",
    "create,patch cronjobs.batch: it runs on, as any ServiceAccount of the namespace",
    "create,patch rolebindings.rbac.authorization.k8s.io, roles.rbac.authorization.k8s.io: rights that it gives stay",
    "create,patch secrets: a Secret can hold a token that never ends",
    "patch namespaces, namespaces/status: its labels choose policies, guards and Pod Security",
  ]);

  await elevate("guarded");
  expect(await outcomes("alice", here)).toEqual(all(here, "done")); // it is shipped off
  await cluster.kubectl("admin", "apply", "-k", "config/guard");
  const scoped = (await readFile("config/guard/cluster-scoped.yaml", "utf8")).replaceAll("NAMESPACE", "guarded");
  const apply = promisify(execFile)(cluster.plane.kubectl, ["apply", "-f", "-"], { env: cluster.plane.envOf("admin") });
  apply.child.stdin?.end(scoped);
  await apply;
  await cluster.kubectl("admin", "label", "namespace", "guarded", "kube-elevate.dev/guard=enabled");

  const refused = all(here, "PersistenceRefused");
  await eventually(
    async () => JSON.stringify(await outcomes("alice", here)) === JSON.stringify(refused),
    30,
    "the guard bites",
  ).catch(() => undefined);
  expect(await outcomes("alice", here)).toEqual(refused);
  expect(await cluster.refused("alice", "create", "secret", "generic", "lasting", "-n", "guarded")).toContain(
    "PersistenceRefused: it would outlive your grant by ElevationRequest fix. Release first: kubectl elevate release fix -n guarded. Or ask somebody who is not elevated",
  );
  expect(await outcomes("alice", [harmlessIn("guarded")])).toEqual({ ConfigMap: "done" });
  const there = lastingIn("elsewhere");
  expect(await outcomes("alice", there)).toEqual(all(there, "done"));
  expect(await outcomes("bob", here)).toEqual(all(here, "done"));

  await release("guarded");
  await eventually(
    async () => JSON.stringify(await outcomes("alice", here)) === JSON.stringify(all(here, "done")),
    10,
    "alice may do again what she may without a grant",
  );
});

test.concurrent("IA10: verbs * on policies: its policy is not PersistenceSafe, and doctor says to who may look who may use and revoke", async () => {
  expect((await safeOf("authors")).message.split("\n")).toEqual([
    "* elevationpolicies.kube-elevate.dev: it says what may be asked for (not by a binding in a namespace)",
    "* elevationpolicies.kube-elevate.dev: whoever may revoke ends grants of others",
    "* elevationpolicies.kube-elevate.dev: whoever may use it can ask for more",
  ]);
  const run = pluginOf(() => cluster.plane);
  const doctor = async (user: string): Promise<string> => (await run(user, ["doctor", "-n", "shop"]).ended).stdout;
  const [toAdmin, toBob] = await Promise.all([doctor("admin"), doctor("bob")]);
  expect(toAdmin).toMatch(/^wrong {2}verbs \* on policies are also use and revoke: these hold them$/m);
  expect(toAdmin).toMatch(/^ {7}User dan \(ClusterRole authors\)$/m);
  expect(toAdmin).toMatch(/^ {7}Group system:masters \(ClusterRole cluster-admin\)$/m);
  expect(toBob).toMatch(/^ok {5}who may use and revoke each policy, by verbs \*, only those can look up/m);
});

test.concurrent("PE03: of Kubernetes' own roles, whose rules are gathered from others, view is PersistenceSafe, and edit is not", async () => {
  expect(await safeOf("view")).toMatchObject({
    status: "True",
    reason: "NoLastingAccess",
    message: "no rule of ClusterRole view is known to outlive a grant",
  });
  const { status, message } = await safeOf("edit");
  expect(status).toBe("False");
  expect(message).toMatch(/^create.* serviceaccounts\/token: a token outlives the grant$/m);
  expect(message).not.toContain("not known to end with the grant");
});

test.concurrent("PE03: a binding in a namespace gives what is in it, and of all else the namespace itself alone", async () => {
  const { plane } = cluster;
  const code = async (method: "POST" | "PATCH" | "GET", path: string, body?: object): Promise<number> =>
    (await plane.ask("ann", method, path, body, method === "PATCH" ? "application/merge-patch+json" : undefined)).code;
  const labels = { metadata: { labels: { mine: "yes" } } };
  await eventually(
    async () => (await code("GET", "/api/v1/namespaces/elsewhere/secrets")) === 200,
    10,
    "ann has rights",
  );
  expect(await code("PATCH", "/api/v1/namespaces/elsewhere", labels)).toBe(200);
  expect(await code("PATCH", "/api/v1/namespaces/shop", labels)).toBe(403);
  const lasting = lastingEverywhere(await signingRequest("ann"));
  expect(await Promise.all(lasting.map(async ([, , path, body]) => code("POST", path, body)))).toEqual([403, 403, 403]);
  const elsewhere = ["nodes/one/proxy/metrics", "persistentvolumes", "namespaces/shop/secrets"];
  expect(await Promise.all(elsewhere.map(async (path) => code("GET", `/api/v1/${path}`)))).toEqual([403, 403, 403]);
});
