import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { challengeOf, policiesPath, policyBody, requestBody, requestsPath } from "../contract/bodies.ts";
import { applying, type Installed, installedPlane, jsonPatching, type Reply } from "../contract/installed.ts";
import { expectAccepted, expectRefusedBy, newJudge } from "../contract/judging.ts";
import { live } from "../contract/lives.ts";

// Admission policies 1, 2, 3 and 6, which are about requests: config/admission/{stamp,request-create,request-change,limits}.yaml

const devs = ["devs"];
const role = "arn:aws:sts::111122223333:assumed-role/dev";
const strange = {
  serviceaccount: "system:serviceaccount:shop:ci",
  node: "system:node:n1",
  "kubernetes-admin": "kubernetes-admin",
  "a space at the end": "al ",
  "a space in front": " al",
  "a line break": "al\nice",
  "a zero width space": "al\u200bice",
  "a bidi override": "al\u202eice",
  "a line separator": "al\u2028ice",
  eks: `${role}/EKSGetTokenAuth`,
  botocore: `${role}/botocore-session-1700000000`,
  carol: `${role}/carol`,
  zoe: "Zoë van Dijk",
};
const users = [
  ...Object.entries(strange).map(([name, username]) => ({ name, username, groups: devs })),
  { name: "root", groups: [...devs, "system:masters"] },
  { name: "uma", groups: [...devs, "all"] },
];

let installed: Installed;
const judge = newJudge();
const dry = requestsPath("shop", "?dryRun=All");
const asks = (user: string, spec: object = {}, metadata: object = {}): Promise<Reply> =>
  installed.post(user, dry, requestBody("c", spec, metadata));
const namespaced = (name: string, labels: object): Promise<Reply> =>
  installed.post("admin", "/api/v1/namespaces", { metadata: { name, labels } });
const patches = (user: string, name: string, body: object): Promise<Reply> =>
  installed.merge(user, requestsPath("shop", `/${name}`), body);
const ended = (by: string): object => ({ spec: { termination: { by } } });
const some = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${String(index)}`, "v"]));
/** As Amazon's authenticator tells of a user. */
const as = (user: string, session: string): Promise<Reply> => {
  const flags = ["-n", "shop", `--as=${user}`, "--as-group=devs", `--as-user-extra=sessionName=${session}`];
  return installed.as("admin", flags, "create", requestBody("c"));
};
const requesterOf = ({ body }: Reply): unknown =>
  z.object({ spec: z.object({ requester: z.unknown() }) }).parse(body).spec.requester;

beforeAll(async () => {
  installed = await installedPlane(users);
});
afterAll(() => installed[Symbol.asyncDispose]());

test("IA02: requester left out is stamped as whoami tells it; given and equal it is taken", async () => {
  const { stdout } = await installed.plane.run("alice", ["auth", "whoami", "-o", "json"]);
  const { status } = z.object({ status: z.object({ userInfo: z.looseObject({}) }) }).parse(JSON.parse(stdout));
  const { username, uid, groups } = status.userInfo;
  const stamped = await asks("alice");
  expect(requesterOf(stamped)).toEqual({ username, uid, groups });
  await expectAccepted({
    "given and equal": asks("alice", { requester: requesterOf(stamped) }),
    generateName: asks("alice", {}, { name: undefined, generateName: "shop-debug-" }),
  });
  // No field of the CRD: kubectl refuses it, and by HTTP it is dropped.
  const extra = { username, uid, groups, extra: { a: ["b"] } };
  expect(requesterOf(await asks("alice", { requester: extra }))).toEqual({ username, uid, groups });
  await expectRefusedBy(0, 'unknown field "spec.requester.extra"', {
    extra: installed.as("alice", ["-n", "shop"], "create", requestBody("c", { requester: extra })),
  });
});

test("IA01: a requester of another name, uid or other groups is refused", async () => {
  const { username, uid, groups } = z
    .object({ username: z.string(), uid: z.string(), groups: z.array(z.string()) })
    .parse(requesterOf(await asks("alice")));
  const applied = requestBody("c", { requester: { username: "bob", uid, groups } });
  await judge.expectRefused("request-create", 1, "RequesterMismatch", {
    "another name": asks("alice", { requester: { username: "bob", uid, groups } }),
    "another uid": asks("alice", { requester: { username, uid: "x", groups } }),
    "no uid": asks("alice", { requester: { username, groups } }),
    "one group more": asks("alice", { requester: { username, uid, groups: [...groups, "admins"] } }),
    "one group less": asks("alice", { requester: { username, uid, groups: groups.slice(1) } }),
    "by server-side apply": installed.call(
      "alice",
      "PATCH",
      requestsPath("shop", "/c?fieldManager=x"),
      applied,
      applying,
    ),
  });
});

test("IA03: a request --as alice is alice's, without her uid, and the audit log shows who made it", async () => {
  const { plane } = installed;
  const may = ["create", "clusterrole", "impersonator", "--verb=impersonate", "--resource=users,groups"];
  await plane.run("admin", may);
  await plane.run("admin", ["create", "clusterrolebinding", "bob", "--clusterrole=impersonator", "--user=bob"]);
  const asAlice = ["-n", "shop", "--as=alice", "--as-group=devs"];
  const made = await eventually(
    async () => {
      const reply = await installed.as("bob", asAlice, "create", requestBody("ridden"));
      return reply.code === 200 && reply;
    },
    10,
    "bob may impersonate",
  );
  expect(requesterOf({ ...made, body: JSON.parse(String(made.body)) })).toMatchObject({ username: "alice", uid: "" });
  const line =
    readFileSync(plane.auditLog, "utf8")
      .split("\n")
      .find((entry) => entry.includes('"name":"ridden"')) ?? "{}";
  expect(JSON.parse(line)).toMatchObject({ user: { username: "bob" }, impersonatedUser: { username: "alice" } });
});

test("IA04: who is no person, and who may do everything, is refused", async () => {
  await judge.expectRefused("request-create", 2, "RequesterNotAllowed", {
    "a ServiceAccount": asks("serviceaccount"),
    "a node": asks("node"),
  });
  await judge.expectRefused("request-create", 3, "RequesterNotAllowed", {
    "system:masters": asks("admin"),
    "system:masters among others": asks("root"),
    "kubernetes-admin": asks("kubernetes-admin"),
  });
  const names = ["a space at the end", "a space in front", "a line break", "a zero width space", "a bidi override"];
  const tries = [...names, "a line separator"].map((name) => [name, asks(name)] as const);
  await judge.expectRefused("request-create", 4, "RequesterNotAllowed", Object.fromEntries(tries));
  await expectAccepted({ "a space inside, and letters beyond ASCII": asks("zoe") });
});

test("IA19: a name that many share is refused, and sessionName is stored nowhere", async () => {
  await judge.expectRefused("request-create", 5, "RequesterShared", {
    "no session in the name": as("dev-role", "carol"),
    "not at its end": as("dev:carol:x", "carol"),
    "an address, its host cut off": as("dev:carol", "carol@corp.example"),
  });
  await judge.expectRefused("request-create", 6, "RequesterShared", { eks: asks("eks"), botocore: asks("botocore") });
  const told = await as("dev:carol", "carol");
  await expectAccepted({
    "the session at the end": told,
    "an address as it is": as("dev:carol@corp.example", "carol@corp.example"),
    "an address with - for @": as("dev:carol-corp.example", "carol@corp.example"),
    "a session name of one's own": asks("carol"),
  });
  expect(String(told.body).toLowerCase()).not.toContain("sessionname");
});

test("IA17, IA20: namespaces of the cluster are never allowed; what does not belong into a new request is refused or dropped", async () => {
  const { post } = installed;
  await namespaced("kube-foo", {});
  const other = requestBody("c", { policyName: "other" });
  await judge.expectRefused("request-create", 7, "NamespaceNotAllowed", {
    "kube-system": post("alice", requestsPath("kube-system"), other),
    "kube-foo": post("alice", requestsPath("kube-foo"), other),
    "elevate-system": post("alice", requestsPath("elevate-system"), other),
  });
  const owner = { apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "x" };
  await judge.expectRefused("request-create", 8, "InvalidRequest", {
    termination: asks("alice", { termination: { by: "alice" } }),
    finalizers: asks("alice", {}, { finalizers: ["evil.example/x"] }),
    ownerReferences: asks("alice", {}, { ownerReferences: [owner] }),
  });
  const active = { ...requestBody("c"), status: { phase: "Active" } };
  expect((await post("alice", dry, active)).body).not.toHaveProperty("status");
  await expectRefusedBy(422, "must be at most 63 characters", {
    "64 characters": asks("alice", {}, { name: "a".repeat(64) }),
  });
  await expectAccepted({ "63 characters": asks("alice", {}, { name: "a".repeat(63) }) });
});

test("UseNotPermitted: without verb use on the policy, in this namespace, nothing is asked for", async () => {
  await namespaced("team", { env: "prod" });
  await judge.expectRefused("request-create", 9, "UseNotPermitted", {
    "another policy": asks("alice", { policyName: "other" }),
    "another namespace": installed.post("alice", requestsPath("team"), requestBody("c")),
  });
});

test("IA17, IA21: the limits of the policy are told at create", async () => {
  const { plane, post } = installed;
  const expressions = [
    { key: "env", operator: "In", values: ["prod", "stage"] },
    { key: "env", operator: "NotIn", values: ["dev"] },
    { key: "env", operator: "Exists" },
    { key: "frozen", operator: "DoesNotExist" },
  ];
  const byLabel = { namespaceSelector: { matchExpressions: expressions }, duration: { default: "30s", max: "90s" } };
  await post("admin", policiesPath(), policyBody("by-label", byLabel));
  const useAll = { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], verbs: ["use"] };
  const input = JSON.stringify({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "use-all" },
    rules: [useAll],
  });
  await plane.run("admin", ["create", "-f", "-"], { input });
  await plane.run("admin", ["create", "clusterrolebinding", "use-all", "--clusterrole=use-all", "--group=all"]);
  await namespaced("bare", {});
  await namespaced("dev", { env: "dev" });
  await namespaced("frozen", { env: "prod", frozen: "y" });
  const uma = (namespace: string, spec: object = {}): Promise<Reply> =>
    post("uma", requestsPath(namespace, "?dryRun=All"), requestBody("c", spec));
  const labelled = { policyName: "by-label", duration: "1m" };
  await eventually(
    async () => (await uma("shop", labelled)).code === 201,
    10,
    "uma may use all, and the policy is known",
  );
  await judge.expectRefused("limits", 1, "NamespaceNotSelected", {
    "matchLabels, another value": uma("dev"),
    "matchLabels, no label": uma("bare"),
    "In and NotIn": uma("dev", labelled),
    Exists: uma("bare", labelled),
    DoesNotExist: uma("frozen", labelled),
  });
  for (const [index, expression] of expressions.entries())
    await post(
      "admin",
      policiesPath(),
      policyBody(`by-${String(index)}`, { namespaceSelector: { matchExpressions: [expression] } }),
    );
  const alone = async (index: number, namespace: string): Promise<Reply> =>
    uma(namespace, { policyName: `by-${String(index)}` });
  await eventually(async () => (await alone(3, "frozen")).code === 403, 10, "the last of them is known");
  await judge.expectRefused("limits", 1, "NamespaceNotSelected", {
    "In alone, another value": alone(0, "dev"),
    "In alone, no label": alone(0, "bare"),
    "NotIn alone": alone(1, "dev"),
    "Exists alone": alone(2, "bare"),
    "DoesNotExist alone": alone(3, "frozen"),
  });
  await judge.expectRefused("limits", 2, "DurationTooLong", {
    "61m of 1h": asks("alice", { duration: "61m" }),
    "91s of 90s": uma("shop", { ...labelled, duration: "91s" }),
  });
  await expectRefusedBy(422, "must be between 1s and 24h", { "25h": asks("alice", { duration: "25h" }) });
  await judge.expectRefused("limits", 3, "JustificationRequired", {
    none: asks("alice", { justification: undefined }),
    empty: asks("alice", { justification: "" }),
  });
  const off = await asks("alice", { justification: "checkout is down" });
  await judge.expectRefused("limits", 4, "JustificationMismatch", { "off the pattern": off });
  expect(off.message).toContain('like "INC-4312 what happens"');
  await expectAccepted({
    "the max, otherwise written": asks("alice", { duration: "60m" }),
    "the policy's default": asks("alice", { duration: undefined }),
    "90s of 90s": uma("shop", { ...labelled, duration: "1m30s" }),
    "no justification wanted": uma("shop", { policyName: "by-label", duration: "30s", justification: undefined }),
    "a policy that does not exist is the controller's to deny": uma("shop", { policyName: "nope" }),
  });
});

test("IA22: the requester alone claims a request, once", async () => {
  await live(installed, "claimed", "Pending");
  const claim = { spec: { codeChallenge: challengeOf("one") } };
  const asUidless = ["-n", "shop", "--as=alice", "--as-group=devs"];
  await judge.expectRefused("request-change", 2, "RequesterMismatch", {
    "a colleague": patches("bob", "claimed", claim),
    "alice without her uid": installed.as("admin", asUidless, "apply", requestBody("claimed", claim.spec)),
    "a revoker": patches("sre", "claimed", claim),
    "an admin": patches("admin", "claimed", claim),
  });
  await expectAccepted({ alice: await patches("alice", "claimed", claim) });
  const again = { spec: { codeChallenge: challengeOf("two") } };
  await expectRefusedBy(422, "codeChallenge is set once", { "alice again": patches("alice", "claimed", again) });
});

test("EX25: a request is ended once, in one's own name, by its requester or a revoker; nobody else touches it", async () => {
  for (const name of ["r1", "r2", "r3"]) await live(installed, name, "Pending");
  const annotated = {
    apiVersion: "kube-elevate.dev/v1alpha1",
    kind: "ElevationRequest",
    metadata: { name: "r1", annotations: { a: "b" } },
  };
  const r1 = requestsPath("shop", "/r1");
  await judge.expectRefused("request-change", 3, "RevokeNotPermitted", {
    "bob ends it": patches("bob", "r1", ended("bob")),
    "bob ends it in the name of alice": patches("bob", "r1", ended("alice")),
    "bob labels it": patches("bob", "r1", { metadata: { labels: { a: "b" } } }),
    "bob annotates it": installed.call("bob", "PATCH", `${r1}?fieldManager=x&force=true`, annotated, applying),
    // nothing changes but the list of field managers, and the resourceVersion that swaps are held against
    "bob applies what is there": installed.call("bob", "PATCH", `${r1}?fieldManager=x`, requestBody("r1"), applying),
  });
  await judge.expectRefused("request-change", 4, "InvalidRequest", {
    "alice in the name of sre": patches("alice", "r1", ended("sre")),
    "sre in the name of bob": patches("sre", "r1", ended("bob")),
  });
  const owners = [{ apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "x" }];
  await judge.expectRefused("request-change", 5, "InvalidRequest", {
    "a finalizer": patches("alice", "r1", { metadata: { finalizers: ["evil.example/x"] } }),
    "a dead owner": patches("sre", "r1", { metadata: { ownerReferences: owners } }),
  });
  const byPatch = [{ op: "add", path: "/spec/termination", value: { by: "sre" } }];
  await expectAccepted({
    "a write that changes nothing": patches("bob", "r3", {}),
    "alice, by merge patch": patches("alice", "r1", ended("alice")),
    "sre, by JSON patch": installed.call("sre", "PATCH", requestsPath("shop", "/r2"), byPatch, jsonPatching),
  });
  await expectRefusedBy(422, "termination is set once", {
    "by another": patches("sre", "r1", ended("sre")),
    "by the same, in other words": patches("alice", "r1", { spec: { termination: { justification: "no" } } }),
    "taken back by alice": patches("alice", "r1", { spec: { termination: null } }),
    "taken back by system:masters": patches("admin", "r2", { spec: { termination: null } }),
  });
  await live(installed, "r4", "Expired");
  await expectRefusedBy(422, "spec of an ended request never changes", {
    "released after its end": patches("alice", "r4", ended("alice")),
    "revoked after its end": patches("sre", "r4", ended("sre")),
  });
});

test("nobody fills a request up so that no termination and no proof fits into it", async () => {
  await live(installed, "full", "Pending");
  const path = requestsPath("shop", "/full");
  const long = { annotations: { a: "x".repeat(4_097) } };
  await judge.expectRefused("request-create", 10, "InvalidRequest", {
    "17 labels": asks("alice", {}, { labels: some(17) }),
    "9 annotations": asks("alice", {}, { annotations: some(9) }),
    "a long annotation": asks("alice", {}, long),
  });
  await judge.expectRefused("request-change", 8, "InvalidRequest", {
    "17 labels": patches("alice", "full", { metadata: { labels: some(17) } }),
    "9 annotations": patches("alice", "full", { metadata: { annotations: some(9) } }),
    "a long annotation": patches("sre", "full", { metadata: long }),
  });
  await expectAccepted({
    "as many as may be, at create": asks("alice", {}, { labels: some(16), annotations: some(8) }),
    "as many as may be": patches("alice", "full", { metadata: { labels: some(16), annotations: some(8) } }),
  });
  // who changes nothing may still be one more field manager, which is told of each time
  const applies = (manager: string): Promise<Reply> =>
    installed.call("alice", "PATCH", `${path}?fieldManager=${manager}`, requestBody("full"), applying);
  const codes: number[] = [];
  for (let manager = 0; manager < 20 && !codes.includes(422); manager++)
    codes.push((await applies(`m${String(manager)}`)).code);
  expect(codes.at(-1)).toBe(422);
  await judge.expectRefused("request-change", 8, "InvalidRequest", { "one manager more": applies("more") });
  await expectAccepted({ "it is ended all the same": patches("sre", "full", ended("sre")) });
});

test("IA14: no field of spec but the two changes, by whomever and however", async () => {
  const { call } = installed;
  await live(installed, "fixed", "Pending");
  const path = requestsPath("shop", "/fixed");
  const seen = z.looseObject({ spec: z.looseObject({}) }).parse((await call("admin", "GET", path)).body);
  const longer = { ...seen, spec: { ...seen.spec, duration: "59m" } };
  const byPatch = [{ op: "replace", path: "/spec/duration", value: "59m" }];
  const applied = requestBody("fixed", { duration: "59m" });
  await expectRefusedBy(422, "is immutable", {
    duration: patches("alice", "fixed", { spec: { duration: "11m" } }),
    "duration, by a revoker": patches("sre", "fixed", { spec: { duration: "11m" } }),
    "duration, by system:masters": patches("admin", "fixed", { spec: { duration: "11m" } }),
    "duration, removed": patches("alice", "fixed", { spec: { duration: null } }),
    "justification, removed": patches("alice", "fixed", { spec: { justification: null } }),
    "duration, by JSON patch": call("alice", "PATCH", path, byPatch, jsonPatching),
    "duration, by apply": call("alice", "PATCH", `${path}?fieldManager=x&force=true`, applied, applying),
    "duration, by update": call("admin", "PUT", path, longer),
    justification: patches("alice", "fixed", { spec: { justification: "INC-2" } }),
    policyName: patches("alice", "fixed", { spec: { policyName: "other" } }),
    groups: patches("alice", "fixed", { spec: { requester: { groups: ["admins"] } } }),
  });
  await expectRefusedBy(403, "cannot patch resource", {
    "the controller's account": patches("controller", "fixed", { spec: { duration: "11m" } }),
  });
  await live(installed, "over", "Expired");
  await expectRefusedBy(422, "spec of an ended request never changes", {
    "claimed after its end": patches("alice", "over", { spec: { codeChallenge: challengeOf("one") } }),
    "ended after its end": patches("sre", "over", { spec: { termination: { by: "sre" } } }),
  });
});

test("TA04: a record is kept: while access lasts nobody deletes it, and afterwards revokers, never their own", async () => {
  const { call, plane } = installed;
  await live(installed, "d-pending", "Pending");
  await live(installed, "d-granting", "Granting");
  await live(installed, "d-active", "Active");
  await live(installed, "d-over", "Expired");
  const remove = (user: string, name: string): Promise<Reply> =>
    call(user, "DELETE", requestsPath("shop", `/${name}?dryRun=All`));
  /** Those of shop that are in this phase. */
  const removeAll = (user: string, phase: string): Promise<Reply> =>
    call(user, "DELETE", requestsPath("shop", `?dryRun=All&fieldSelector=status.phase%3D${phase}`));
  const removeAs = (account: string, name: string): Promise<Reply> => {
    const flags = ["-n", "shop", "--dry-run=server", `--as=${account}`, "--as-group=system:masters"];
    return plane.run("admin", ["delete", "elev", name, ...flags], { check: false }).then(({ code, stderr }) => ({
      code: code === 0 ? 200 : 0,
      message: stderr,
      body: undefined,
    }));
  };
  await expectRefusedBy(403, "cannot delete", { alice: remove("alice", "d-over") });
  await expectRefusedBy(403, "cannot deletecollection", { "sre, all of them": removeAll("sre", "Expired") });
  const all = ["create", "role", "all", "-n", "shop", "--verb=*", "--resource=*.kube-elevate.dev"];
  await plane.run("admin", all);
  await plane.run("admin", ["create", "rolebinding", "all", "-n", "shop", "--role=all", "--user=alice", "--user=bob"]);
  await eventually(
    async () => !(await remove("alice", "d-over")).message.includes("cannot delete"),
    10,
    "alice may delete",
  );
  const deployments = "system:serviceaccount:kube-system:deployment-controller";
  await judge.expectRefused("request-change", 6, "DeleteNotPermitted", {
    "alice, her Active one": remove("alice", "d-active"),
    "alice, her Granting one": remove("alice", "d-granting"),
    "alice, all that are Active": removeAll("alice", "Active"),
    "sre, an Active one": remove("sre", "d-active"),
    "sre, a Granting one": remove("sre", "d-granting"),
    "admin, an Active one": remove("admin", "d-active"),
    "admin, all that are Granting": removeAll("admin", "Granting"),
    "the controller, an Active one": remove("controller", "d-active"),
    "another controller of the cluster, an Active one": removeAs(deployments, "d-active"),
  });
  expect((await remove("sre", "d-active")).message).toContain(
    "access ends before its record. First: kubectl elevate revoke d-active -j TEXT (or release, by its requester)",
  );
  await judge.expectRefused("request-change", 7, "DeleteNotPermitted", {
    "alice, her own": remove("alice", "d-over"),
    "alice, all that are over": removeAll("alice", "Expired"),
    "bob, who may do anything in this namespace alone": remove("bob", "d-over"),
    "bob, all that are over": removeAll("bob", "Expired"),
    "the controller, a Pending one": remove("controller", "d-pending"),
  });
  const revoking = [
    "create",
    "clusterrolebinding",
    "alice-revokes",
    "--clusterrole=kube-elevate-revoker",
    "--user=alice",
  ];
  await plane.run("admin", revoking);
  const mayRevoke = ["auth", "can-i", "revoke", "elevationpolicies.kube-elevate.dev/shop-debug"];
  await eventually(
    async () => (await plane.run("alice", mayRevoke, { check: false })).code === 0,
    10,
    "alice may revoke",
  );
  await judge.expectRefused("request-change", 7, "DeleteNotPermitted", {
    "alice, her own, though she may revoke": remove("alice", "d-over"),
  });
  await expectAccepted({
    "sre, a Pending one": remove("sre", "d-pending"),
    "sre, an ended one": remove("sre", "d-over"),
    "the controller, an ended one": remove("controller", "d-over"),
    "the namespace controller, an Active one": removeAs(
      "system:serviceaccount:kube-system:namespace-controller",
      "d-active",
    ),
  });
});

test("IA14: policy 3 holds where somebody edits the CRD", async () => {
  const { call, plane } = installed;
  await live(installed, "edited", "Pending");
  const name = "customresourcedefinition/elevationrequests.kube-elevate.dev";
  const rules = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations";
  const patch = JSON.stringify([{ op: "remove", path: rules }]);
  await plane.run("admin", ["patch", name, "--type=json", "-p", patch]);
  const change = (spec: object): Promise<Reply> =>
    installed.merge("alice", requestsPath("shop", "/edited?dryRun=All"), { spec });
  await eventually(
    async () => (await change({ duration: "59m" })).message.includes("what was asked for never changes"),
    30,
    "the CRD's own rule is gone",
  );
  await expectAccepted({
    "claimed once": await patches("alice", "edited", { spec: { codeChallenge: challengeOf("one") } }),
  });
  await judge.expectRefused("request-change", 1, "InvalidRequest", {
    duration: change({ duration: "59m" }),
    policyName: change({ policyName: "other" }),
    groups: change({ requester: { groups: ["admins"] } }),
    "justification removed": change({ justification: null }),
    "claimed twice": change({ codeChallenge: challengeOf("two") }),
  });
  await expectAccepted({ "ended once": await patches("sre", "edited", ended("sre")) });
  await judge.expectRefused("request-change", 1, "InvalidRequest", {
    "EX25: ended twice": change({ termination: { by: "alice" } }),
    "EX25: the end taken back": change({ termination: null }),
  });
  expect((await call("admin", "GET", requestsPath("shop", "/edited"))).body).toMatchObject({
    spec: { duration: "10m" },
  });
});

test("every rule of these policies has refused something", () => {
  judge.expectAllReached("request-create", "request-change", "limits");
});
