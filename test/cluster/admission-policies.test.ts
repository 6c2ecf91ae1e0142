import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { policiesPath, policyBody } from "../contract/bodies.ts";
import { accountName, type Installed, installedPlane, type Reply } from "../contract/installed.ts";
import { expectAccepted, expectRefusedBy, newJudge } from "../contract/judging.ts";
import { landed } from "../contract/lives.ts";

// Admission policies 7 and 10: what may be offered, and what everything is checked against: config/admission/{policy,trust}.yaml

let installed: Installed;
const judge = newJudge();
const offers = (user: string, spec: object): Promise<Reply> =>
  installed.post(user, policiesPath("?dryRun=All"), policyBody("p", spec));
const role = (name: string, kind = "ClusterRole"): object => ({ roleRef: { kind, name } });
const path = (kind: string, name = ""): string =>
  `/api/v1/namespaces/elevate-system/${kind}${name === "" ? "" : `/${name}`}`;
const allowed = async (user: string, ...what: readonly string[]): Promise<boolean> =>
  (await installed.plane.run(user, ["auth", "can-i", ...what], { check: false })).code === 0;

beforeAll(async () => {
  installed = await installedPlane([{ name: "nora", groups: [] }]);
  const { run } = installed.plane;
  const clusterroles = "--resource=clusterroles.rbac.authorization.k8s.io";
  await run("admin", ["create", "clusterrole", "bind-view", "--verb=bind", clusterroles, "--resource-name=view"]);
  await run("admin", ["create", "clusterrolebinding", "bind-view", "--clusterrole=bind-view", "--user=pat"]);
  await run("admin", ["create", "rolebinding", "nora", "-n", "elevate-system", "--clusterrole=edit", "--user=nora"]);
  await eventually(() => allowed("pat", "bind", "clusterroles/view"), 10, "pat may bind view");
  await eventually(() => allowed("nora", "delete", "secrets", "-n", "elevate-system"), 10, "nora edits elevate-system");
});
afterAll(() => installed[Symbol.asyncDispose]());

test("IA24: cluster-admin and our own roles are offered by nobody", async () => {
  await judge.expectRefused("policy", 1, "RoleNotAllowed", {
    "cluster-admin": offers("admin", role("cluster-admin")),
    "kube-elevate-controller": offers("admin", role("kube-elevate-controller")),
    "a Role kube-elevate-x": offers("admin", role("kube-elevate-x", "Role")),
  });
});

test("IA24: who may not bind a role does not offer it", async () => {
  const { merge, post } = installed;
  landed(await post("pat", policiesPath(), policyBody("viewing", role("view"))));
  await judge.expectRefused("policy", 2, "BindNotPermitted", {
    "a new policy": offers("pat", role("edit")),
    "another role": merge("pat", policiesPath("/viewing"), { spec: role("edit") }),
    "a Role of the same name": merge("pat", policiesPath("/viewing"), { spec: role("view", "Role") }),
    "more of a role that is not pat's to bind": merge("pat", policiesPath("/shop-debug"), {
      spec: { duration: { max: "2h" } },
    }),
  });
  await expectAccepted({
    "labels alone": merge("pat", policiesPath("/shop-debug"), { metadata: { labels: { a: "b" } } }),
    "more of view": merge("pat", policiesPath("/viewing"), { spec: { duration: { max: "2h" } } }),
  });
});

const trusted = [
  { kind: "configmaps", name: "kube-elevate-trust", writer: "verifier", other: "controller" },
  { kind: "secrets", name: "kube-elevate-keys", writer: "verifier", other: "controller" },
  { kind: "configmaps", name: "kube-elevate-seen", writer: "controller", other: "verifier" },
] as const;

test.each(trusted)(
  "TA20: data of $name is the $writer's alone, and is kept once it is there",
  async ({ kind, name, writer, other }) => {
    const { as, call, merge } = installed;
    const here = path(kind, name);
    const data = { a: "YQ==" };
    const whole = {
      apiVersion: "v1",
      kind: kind === "secrets" ? "Secret" : "ConfigMap",
      metadata: { name, namespace: "elevate-system" },
      data,
    };
    const asOther = [`--as=${accountName(other)}`, "--as-group=system:masters"];
    await judge.expectRefused("trust", 1, "WriteNotPermitted", {
      nora: merge("nora", here, { data }),
      admin: merge("admin", here, { data }),
      "in its other fields": merge(
        "nora",
        here,
        kind === "secrets" ? { stringData: { b: "c" } } : { binaryData: data },
      ),
      "the other account, with the right": as("admin", asOther, "apply", whole),
      "made anew": installed.post("nora", `${path(kind)}?dryRun=All`, whole),
    });
    await expectRefusedBy(403, "cannot patch", { "the other account": merge(other, here, { data }) });
    await expectAccepted({ "emptied by the writer": await merge(writer, here, { data: null }) });
    await expectAccepted({ "nora, while it is empty": call("nora", "DELETE", `${here}?dryRun=All`) });
    await expectAccepted({ "the writer": await merge(writer, here, { data }) });
    await judge.expectRefused("trust", 1, "WriteNotPermitted", {
      "emptied by admin": merge("admin", here, { data: null }),
    });
    const owners = [{ apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "x" }];
    await judge.expectRefused("trust", 2, "WriteNotPermitted", {
      immutable: merge("nora", here, { immutable: true }),
      "an owner": merge("nora", here, { metadata: { ownerReferences: owners } }),
      "a finalizer": merge("nora", here, { metadata: { finalizers: ["evil.example/x"] } }),
    });
    await judge.expectRefused("trust", 3, "DeleteNotPermitted", {
      nora: call("nora", "DELETE", here),
      admin: call("admin", "DELETE", here),
      "all at once": call("nora", "DELETE", `${path(kind)}?fieldSelector=metadata.name=${name}`),
    });
    await expectAccepted({ "nora's label": merge("nora", here, { metadata: { labels: { a: "b" } } }) });
  },
);

test("applied again, the install leaves what they hold alone; all read the trust, nobody the keys", async () => {
  const { call, plane } = installed;
  await plane.run("admin", ["apply", "-k", "config/default"]);
  expect((await call("verifier", "GET", path("secrets", "kube-elevate-keys"))).body).toMatchObject({
    data: { a: "YQ==" },
  });
  await expectAccepted({ trust: call("alice", "GET", path("configmaps", "kube-elevate-trust")) });
  await expectRefusedBy(403, "cannot get", { keys: call("alice", "GET", path("secrets", "kube-elevate-keys")) });
});

test("every rule of these policies has refused something", () => {
  judge.expectAllReached("policy", "trust");
});
