import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { startController } from "../../hack/controlplane/processes.ts";
import { formatInstant, instant } from "../../src/domain/time.ts";
import { authenticatorsPath, hex, policiesPath, policyBody, rolesPath } from "../contract/bodies.ts";
import { useControlPlane } from "./support/control-plane.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";

// What the controller judges by live reads: at the request, and once more when it is proven. Each case has a namespace,
// a role and a policy of its own, so that none meets another.

const people = ["ann", "ben"].map((name) => ({ name, groups: ["devs"] }));
const cluster = useControlPlane({ installed: "samples", users: people });
let lives: Lives;

beforeAll(async () => {
  lives = await playLives(cluster.plane, ["alice", "ann", "ben"]);
  await startController(cluster.plane);
}, 60_000);

const rbac = "rbac.authorization.k8s.io";
const apiVersion = `${rbac}/v1`;
const admin = async (method: string, path: string, body?: object): Promise<unknown> =>
  must(cluster.plane, "admin", method, path, body);
const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }];

/** A namespace, a role that the controller may bind, and a policy that everybody in devs may use: all of one name. */
async function stage(name: string, spec: object = {}): Promise<void> {
  const account = { kind: "ServiceAccount", name: "controller", namespace: "elevate-system" };
  const bind = `kube-elevate-bind-${name}`;
  const bindRules = [{ apiGroups: [rbac], resources: ["clusterroles"], resourceNames: [name], verbs: ["bind"] }];
  const use = [
    { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], resourceNames: [name], verbs: ["use"] },
  ];
  await cluster.apply(
    "admin",
    { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { env: "prod" } } },
    { apiVersion, kind: "ClusterRole", metadata: { name }, rules },
    { apiVersion, kind: "ClusterRole", metadata: { name: bind }, rules: bindRules },
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: { name: bind },
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name: bind },
      subjects: [account],
    },
    { apiVersion, kind: "Role", metadata: { name: "use", namespace: name }, rules: use },
    {
      apiVersion,
      kind: "RoleBinding",
      metadata: { name: "use", namespace: name },
      roleRef: { apiGroup: rbac, kind: "Role", name: "use" },
      subjects: [{ apiGroup: rbac, kind: "Group", name: "devs" }],
    },
    policyOf(name, spec),
  );
}
const policyOf = (name: string, spec: object = {}): object =>
  policyBody(name, {
    roleRef: { kind: "ClusterRole", name },
    namespaceSelector: { matchLabels: { env: "prod" } },
    ...spec,
  });
/** Rights that were just given are known to every authorizer of the API server a moment later. */
async function ask(name: string, spec: object = {}, user = "alice"): Promise<void> {
  await eventually(
    async () =>
      lives.ask(name, "fix", { policyName: name, ...spec }, user).then(
        () => true,
        () => false,
      ),
    10,
    `${user} may ask in ${name}`,
  );
}

const bindPath = (name: string): string => `/apis/${apiVersion}/clusterrolebindings/kube-elevate-bind-${name}`;
/** A policy of somebody else's, in whose words a binding is refused. */
async function refuseBindings(namespace: string): Promise<void> {
  const name = `foreign-${namespace}`;
  const admission = "admissionregistration.k8s.io/v1";
  await cluster.apply(
    "admin",
    {
      apiVersion: admission,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          resourceRules: [
            { apiGroups: [rbac], apiVersions: ["v1"], operations: ["CREATE"], resources: ["rolebindings"] },
          ],
        },
        validations: [{ expression: "false", message: "no new bindings on Fridays" }],
      },
    },
    {
      apiVersion: admission,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    },
  );
  const probe = { metadata: { name: "probe" }, roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "view" } };
  const path = `/apis/${apiVersion}/namespaces/${namespace}/rolebindings?dryRun=All`;
  await eventually(async () => (await cluster.plane.ask("admin", "POST", path, probe)).code === 422, 10, "it refuses");
}

const changes: readonly (readonly [string, string, string, (name: string) => Promise<unknown>])[] = [
  ["RC06", "the policy is deleted", "PolicyNotFound", async (name) => admin("DELETE", policiesPath(`/${name}`))],
  [
    "RC06",
    "use is taken away",
    "UseNotPermitted",
    async (name) => admin("DELETE", `/apis/${apiVersion}/namespaces/${name}/rolebindings/use`),
  ],
  [
    "RC06",
    "the namespace loses its label",
    "NamespaceNotSelected",
    async (name) => admin("PATCH", `/api/v1/namespaces/${name}`, { metadata: { labels: { env: null } } }),
  ],
  [
    "RC06",
    "the method is taken away",
    "PolicyChanged",
    async (name) => admin("PATCH", policiesPath(`/${name}`), { spec: { authentication: { methods: ["WebAuthn"] } } }),
  ],
  [
    "RC06",
    "the method lasts shorter",
    "PolicyChanged",
    async (name) =>
      admin("PATCH", policiesPath(`/${name}`), { spec: { authentication: { totp: { maxDuration: "1m" } } } }),
  ],
  [
    "RC06",
    "the maximum falls below the duration",
    "DurationTooLong",
    async (name) => admin("PATCH", policiesPath(`/${name}`), { spec: { duration: { default: "1m", max: "1m" } } }),
  ],
  [
    "IA15",
    "the role gets one rule more",
    "RoleChanged",
    async (name) =>
      admin("PATCH", `${rolesPath}/${name}`, { rules: [...rules, { ...rules[0], resources: ["secrets"] }] }),
  ],
  ["IA26", "the role is deleted", "RoleNotFound", async (name) => admin("DELETE", `${rolesPath}/${name}`)],
  ["IA26", "bind is taken away", "BindNotPermitted", async (name) => admin("DELETE", bindPath(name))],
  ["IA26", "somebody else's policy refuses the binding", "BindingRefused", refuseBindings],
];

test.concurrent.each(changes)(
  "%s: %s between offer and grant: Denied/%s, never bound",
  async (_row, what, reason, change) => {
    const name = what.replaceAll(" ", "-").replaceAll("'", "");
    await stage(name);
    await ask(name);
    await lives.until(name, "fix", "Pending");
    await change(name);
    await lives.prove(name, "fix");
    const { status } = await lives.until(name, "fix", "Denied");
    expect(status).toMatchObject({ reason });
    expect(status?.grant?.grantTime).toBeUndefined();
    expect(await lives.bound(name, "fix")).toBe(false);
    if (reason === "BindingRefused") expect(status?.message).toMatch(/no new bindings on Fridays$/);
    if (reason === "BindNotPermitted") expect(status?.message).not.toContain("pods"); // never a list of rules
  },
);

test.concurrent("RC06: a policy that is deleted and made again with equal content between offer and grant: granted", async () => {
  await stage("again");
  await ask("again");
  await lives.until("again", "fix", "Pending");
  await admin("DELETE", policiesPath("/again"));
  await cluster.apply("admin", policyOf("again"));
  await lives.prove("again", "fix");
  expect((await lives.until("again", "fix", "Active")).status?.reason).toBe("BindingCreated");
});

test.concurrent("IA26: an authenticator that is disabled between offer and grant: Denied/AuthenticatorWithdrawn", async () => {
  await stage("withdrawn");
  await ask("withdrawn", {}, "ann");
  await lives.until("withdrawn", "fix", "Pending");
  await must(cluster.plane, "ivy", "PATCH", authenticatorsPath(`/${hex("ann")}.totp`), { spec: { disabled: true } });
  await lives.prove("withdrawn", "fix");
  expect((await lives.until("withdrawn", "fix", "Denied")).status?.reason).toBe("AuthenticatorWithdrawn");
});

const atEntry: readonly (readonly [string, string, object, (name: string) => Promise<unknown>])[] = [
  ["no such role", "RoleNotFound", {}, async (name) => admin("DELETE", `${rolesPath}/${name}`)],
  [
    "a Role that is only a ClusterRole",
    "RoleNotFound",
    { roleRef: { kind: "Role", name: "a-role-that-is-only-a-clusterrole" } },
    async () => undefined,
  ],
  ["no right to bind", "BindNotPermitted", {}, async (name) => admin("DELETE", bindPath(name))],
  ["a foreign rule at entry", "BindingRefused", {}, refuseBindings],
];

test.concurrent.each(atEntry)("IA26: %s: Denied/%s at once, with no offer", async (what, reason, spec, change) => {
  const name = what.toLowerCase().replaceAll(" ", "-");
  await stage(name, spec);
  await change(name);
  await ask(name);
  const { status } = await lives.until(name, "fix", "Denied");
  expect(status).toMatchObject({ reason });
  expect(status?.offer).toBeUndefined();
  if (reason === "BindingRefused") expect(status?.message).toMatch(/no new bindings on Fridays$/);
});

test.concurrent("EX23: no proof by the deadline is TimedOut; one that was verified after it is TimedOut too, never Active", async () => {
  const authentication = { methods: ["TOTP"], timeout: "2s" };
  await stage("late", { authentication });
  await stage("later", { authentication });
  await ask("late");
  expect((await lives.until("late", "fix", "TimedOut")).status?.reason).toBe("DeadlinePassed");
  await ask("later");
  await lives.until("later", "fix", "Pending");
  const inASecond = formatInstant(instant(Date.now() + 2_500));
  await lives.prove("later", "fix", await lives.verificationOf("later", "fix", { verificationTime: inASecond }));
  const { status } = await lives.until("later", "fix", "TimedOut");
  expect(status?.reason).toBe("DeadlinePassed");
  expect(status?.grant).toBeUndefined();
});

const readyOf = async (name: string) => {
  const policy = z.looseObject({
    status: z
      .object({
        conditions: z.array(
          z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() }),
        ),
      })
      .optional(),
  });
  const { status } = policy.parse(await admin("GET", policiesPath(`/${name}`)));
  return status?.conditions.find(({ type }) => type === "Ready");
};
const readyIs = async (name: string, reason: string) =>
  eventually(
    async () => {
      const ready = await readyOf(name);
      return ready?.reason === reason ? ready : undefined;
    },
    15,
    `policy ${name} says ${reason}`,
  );

test.concurrent.each([
  ["ClusterRole", "cured"],
  ["Role", "cured-in-its-namespace"],
])(
  "IA25: a %s: RoleNotFound, then BindNotPermitted, whose message, run as it stands, makes the policy Ready",
  async (kind, name) => {
    await cluster.apply("admin", ...likeShop(name));
    const roleRef = { kind, name };
    const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": name } };
    await cluster.apply("admin", policyBody(name, { roleRef, namespaceSelector }));
    expect((await readyIs(name, "RoleNotFound")).status).toBe("False");
    await cluster.apply("admin", {
      apiVersion,
      kind,
      metadata: { name, ...(kind === "Role" && { namespace: name }) },
      rules,
    });
    const { status, message } = await readyIs(name, "BindNotPermitted");
    expect(status).toBe("False");
    await promisify(execFile)("sh", ["-ec", message], { env: cluster.plane.envOf("admin") });
    expect((await readyIs(name, "BindPermitted")).status).toBe("True");
  },
);
