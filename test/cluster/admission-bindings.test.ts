import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { at, bindingBody, bindingsPath, type Named, nameOfBinding } from "../contract/bodies.ts";
import {
  accountName,
  applying,
  type Installed,
  installedPlane,
  jsonPatching,
  merging,
  type Reply,
} from "../contract/installed.ts";
import { expectAccepted, expectRefusedBy, newJudge } from "../contract/judging.ts";
import { landed, live } from "../contract/lives.ts";

// Admission policies 5 and 9, which are about bindings: config/admission/{bindings,own-deletes}.yaml

let installed: Installed;
let request: Named;
const judge = newJudge();
const all = bindingsPath("shop");
const path = (): string => bindingsPath("shop", `/${nameOfBinding(request)}`);
const creates = (change: Parameters<typeof bindingBody>[1]): Promise<Reply> =>
  installed.post("controller", `${all}?dryRun=All`, bindingBody(request, change));
const deletes = (user: string, where: string, options: object = {}): Promise<Reply> =>
  installed.call(user, "DELETE", where, { kind: "DeleteOptions", apiVersion: "v1", ...options });
const metadataOf = (binding: object): object => z.object({ metadata: z.looseObject({}) }).parse(binding).metadata;
const isGone = async (where: string): Promise<boolean> => (await installed.call("admin", "GET", where)).code === 404;
const mayGetPods = async (user: string): Promise<boolean> =>
  (await installed.plane.run(user, ["auth", "can-i", "get", "pods", "-n", "shop"], { check: false })).code === 0;
const collector = "system:serviceaccount:kube-system:generic-garbage-collector";
const clusterBindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const bob = { apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bob" };

beforeAll(async () => {
  installed = await installedPlane([{ name: "nora", groups: [] }]);
  request = await live(installed, "b1", "Granting");
  await installed.plane.accountKubeconfig("generic-garbage-collector", "kube-system");
  const { run } = installed.plane;
  await run("admin", ["create", "rolebinding", "nora", "-n", "shop", "--clusterrole=admin", "--user=nora"]);
  await eventually(
    async () =>
      (await run("nora", ["auth", "can-i", "delete", "rolebindings", "-n", "shop"], { check: false })).code === 0,
    10,
    "nora is admin of shop",
  );
});
afterAll(() => installed[Symbol.asyncDispose]());

test("TA03: what looks like ours is created by the controller alone", async () => {
  const { call, post } = installed;
  const body = bindingBody(request);
  const labelled = { name: "mine", labels: { "kube-elevate.dev/request-uid": "" } };
  const cluster = { ...body, kind: "ClusterRoleBinding", metadata: { name: "elevate:x" } };
  const managed = { labels: { "app.kubernetes.io/managed-by": "kube-elevate" } };
  const [byLabel, byGenerated] = [
    { name: "mine", ...managed },
    { generateName: "mine-", ...managed },
  ];
  await judge.expectRefused("bindings", 1, "BindingRefused", {
    admin: post("admin", all, body),
    "nora, by an empty label": post("nora", all, bindingBody(request, { role: "view", metadata: labelled })),
    "admin, by generateName": post("admin", all, { ...body, metadata: { generateName: "elevate:" } }),
    "nora, by the label of the list": post("nora", all, bindingBody(request, { role: "view", metadata: byLabel })),
    "admin, by that label and generateName": post("admin", all, { ...body, metadata: byGenerated }),
    "admin, by a PUT": call("admin", "PUT", path(), body),
    "admin, by apply": call("admin", "PATCH", `${path()}?fieldManager=x`, body, applying),
    "admin, a ClusterRoleBinding": post("admin", clusterBindings, cluster),
    "admin, one by its label": post("admin", clusterBindings, { ...cluster, metadata: byLabel }),
    "admin, one by generateName": post("admin", clusterBindings, {
      ...cluster,
      metadata: { generateName: "elevate:" },
    }),
  });
  await expectRefusedBy(403, "cannot create", {
    "the verifier": post("verifier", all, body),
    "the sweeper": post("sweeper", all, body),
    "the controller, a ClusterRoleBinding": post("controller", clusterBindings, cluster),
  });
  await expectRefusedBy(403, "attempting to grant", { "a role that nobody let it bind": creates({ role: "view" }) });
});

test("TA03: the controller creates none of another shape", async () => {
  const { uid } = request;
  const [owner] = z
    .object({ ownerReferences: z.array(z.looseObject({})) })
    .parse(metadataOf(bindingBody(request))).ownerReferences;
  const label = { "app.kubernetes.io/managed-by": "kube-elevate" };
  const formed = (metadata: object): Promise<Reply> => creates({ metadata });
  await judge.expectRefused("bindings", 2, "BindingRefused", {
    "another name": formed({ name: "mine" }),
    "another uid in its name": formed({ name: "elevate:b1:00000000" }),
    "the name of another request": formed({ name: `elevate:b2:${uid.slice(0, 8)}` }),
    "no managed-by": formed({ labels: { "kube-elevate.dev/request-uid": uid } }),
    "another uid in its label": formed({
      labels: { ...label, "kube-elevate.dev/request-uid": `00000000${uid.slice(8)}` },
    }),
    "no owner": formed({ ownerReferences: undefined }),
    "two owners": formed({ ownerReferences: [owner, { ...owner, uid: "x" }] }),
    "an owner of another kind": formed({ ownerReferences: [{ ...owner, kind: "ElevationPolicy" }] }),
    "an owner that controls": formed({ ownerReferences: [{ ...owner, controller: true }] }),
    "a finalizer": formed({ finalizers: ["evil.example/x"] }),
    "nothing that looks like ours": formed({ name: "mine", labels: undefined }),
    "an owner of another version": formed({ ownerReferences: [{ ...owner, apiVersion: "kube-elevate.dev/v1beta1" }] }),
    "an owner of another uid": formed({ ownerReferences: [{ ...owner, uid: `00000000${uid.slice(8)}` }] }),
    "an owner that waits for it": formed({ ownerReferences: [{ ...owner, blockOwnerDeletion: true }] }),
    "a uid that is none": formed({
      name: "elevate:b1:not-a-ui",
      labels: { ...label, "kube-elevate.dev/request-uid": "not-a-uid" },
      ownerReferences: [{ ...owner, uid: "not-a-uid" }],
    }),
    "a ClusterRoleBinding, with the right": installed.as(
      "admin",
      [`--as=${accountName("controller")}`, "--as-group=system:masters"],
      "create",
      { ...bindingBody(request), kind: "ClusterRoleBinding" },
    ),
  });
  const annotated = (changes: object): Promise<Reply> =>
    formed({
      annotations: {
        ...z.object({ annotations: z.looseObject({}) }).parse(metadataOf(bindingBody(request))).annotations,
        ...changes,
      },
    });
  await judge.expectRefused("bindings", 3, "BindingRefused", {
    "a system: subject": creates({ user: "system:anonymous" }),
    "a Group": creates({ subjects: [{ ...bob, kind: "Group", name: "alice" }] }),
    "two subjects": creates({ subjects: [bob, bob] }),
    "no subject": creates({ subjects: [] }),
    "another requester": annotated({ "kube-elevate.dev/requester": "bob" }),
    "no policy": annotated({ "kube-elevate.dev/policy": undefined }),
  });
  const expires = (time: string): Promise<Reply> => annotated({ "kube-elevate.dev/expiration-time": time });
  await judge.expectRefused("bindings", 5, "BindingRefused", {
    "past, as when it comes late": expires(at(-2)),
    "25h from now": expires(at(25 * 3_600)),
    "no time": expires("soon"),
    "no zone": expires(at(60).slice(0, -1)),
    "an offset": expires(at(60).replace("Z", "+00:00")),
  });
  expect((await expires("2026-02-30T00:00:00Z")).code).toBe(422);
  await expectAccepted({ "24h, computed within a second": expires(at(24 * 3_600)) });
});

test("TA03: neither roles nor namespaces of the cluster are ever bound", async () => {
  const { as, post } = installed;
  const asController = [`--as=${accountName("controller")}`, "--as-group=system:masters", "-n", "shop"];
  await judge.expectRefused("bindings", 4, "BindingRefused", {
    "kube-elevate-nothing": creates({ role: "kube-elevate-nothing" }),
    "its own": creates({ role: "kube-elevate-controller" }),
    "cluster-admin, with the right": as(
      "admin",
      asController,
      "create",
      bindingBody(request, { role: "cluster-admin" }),
    ),
  });
  await judge.expectRefused("bindings", 6, "BindingRefused", {
    "elevate-system": post("controller", bindingsPath("elevate-system", "?dryRun=All"), bindingBody(request)),
    "kube-system": post("controller", bindingsPath("kube-system", "?dryRun=All"), bindingBody(request)),
  });
});

test("TA02: a binding that stands is changed by nobody, the garbage collector included", async () => {
  const { call, merge, post } = installed;
  landed(await post("controller", all, bindingBody(request)));
  await eventually(() => mayGetPods("alice"), 5, "alice is allowed");
  const longer = { annotations: { "kube-elevate.dev/expiration-time": at(90_000) } };
  const applied = { ...bindingBody(request), metadata: { name: nameOfBinding(request) }, subjects: [bob] };
  const asController = [`--as=${accountName("controller")}`, "--as-group=system:masters", "-n", "shop"];
  const stored = z
    .object({ metadata: z.object({ name: z.string(), labels: z.unknown(), annotations: z.unknown() }) })
    .loose()
    .parse((await call("admin", "GET", path())).body);
  landed(await post("admin", all, { ...bindingBody(request, { user: "bob" }), metadata: { name: "plain" } }));
  await judge.expectRefused("bindings", 1, "BindingRefused", {
    "another subject": merge("admin", path(), { subjects: [bob] }),
    "another subject, by strategic patch": call(
      "admin",
      "PATCH",
      path(),
      { subjects: [bob] },
      merging.replace("merge", "strategic-merge"),
    ),
    "another subject, by apply": call("admin", "PATCH", `${path()}?fieldManager=x&force=true`, applied, applying),
    "what is there, by another field manager": call(
      "admin",
      "PATCH",
      `${path()}?fieldManager=x`,
      { ...applied, ...stored, subjects: undefined },
      applying,
    ),
    "the controller, with the right": installed.as("admin", asController, "apply", {
      ...bindingBody(request),
      metadata: { ...stored.metadata, labels: { a: "b" } },
    }),
    "a label more": call(
      "nora",
      "PATCH",
      path(),
      [{ op: "add", path: "/metadata/labels/x", value: "y" }],
      jsonPatching,
    ),
    "no labels": merge("nora", path(), { metadata: { labels: null } }),
    "no owner": merge("nora", path(), { metadata: { ownerReferences: null } }),
    "no owner, the garbage collector": merge(collector, path(), { metadata: { ownerReferences: null } }),
    "a finalizer, the garbage collector": merge(collector, path(), { metadata: { finalizers: ["orphan"] } }),
    "another subject, by a PUT": call("admin", "PUT", path(), bindingBody(request, { user: "bob" })),
    "an annotation more": merge("admin", path(), { metadata: { annotations: { x: "y" } } }),
    "a finalizer": merge("admin", path(), { metadata: { finalizers: ["evil.example/x"] } }),
    "a later end": merge("nora", path(), { metadata: longer }),
    "our label on a plain one": merge("admin", bindingsPath("shop", "/plain"), {
      metadata: { labels: { "kube-elevate.dev/request-uid": "x" } },
    }),
  });
  await expectRefusedBy(403, "cannot patch", { "the controller": merge("controller", path(), { metadata: longer }) });
});

test("TA16: a binding is deleted in Background alone, and is gone at once", async () => {
  const { call, plane, post } = installed;
  const ours = `${all}?labelSelector=app.kubernetes.io/managed-by=kube-elevate`;
  await judge.expectRefused("bindings", 7, "BindingRefused", {
    "in Foreground": deletes("nora", path(), { propagationPolicy: "Foreground" }),
    "in Foreground, the controller": deletes("controller", path(), { propagationPolicy: "Foreground" }),
    "in Foreground, by the query": call("nora", "DELETE", `${path()}?propagationPolicy=Foreground`),
    "as orphan": deletes("nora", path(), { propagationPolicy: "Orphan" }),
    "as orphan, the old way": deletes("nora", path(), { orphanDependents: true }),
    "all at once, as orphan": deletes("nora", ours, { propagationPolicy: "Orphan" }),
    "all at once, as orphan, the old way": deletes("nora", ours, { orphanDependents: true }),
    "all at once, in Foreground, by the query": call("nora", "DELETE", `${ours}&propagationPolicy=Foreground`),
    "as orphan, the old way, by the query": call("nora", "DELETE", `${path()}?orphanDependents=true`),
  });
  await expectRefusedBy(409, "", {
    "of an earlier life": deletes("controller", path(), { preconditions: { uid: "x" } }),
  });
  await expectAccepted({ "the controller": await deletes("controller", path(), { propagationPolicy: "Background" }) });
  expect(await isGone(path())).toBe(true);
  await eventually(async () => !(await mayGetPods("alice")), 5, "alice is denied");
  for (const options of [{}, { orphanDependents: false }]) {
    landed(await post("controller", all, bindingBody(request)));
    await expectAccepted({ "without a word on how": await deletes("nora", path(), options) });
    expect(await isGone(path())).toBe(true);
  }
  landed(await post("controller", all, bindingBody(request)));
  await plane.run("nora", ["delete", "rolebinding", nameOfBinding(request), "-n", "shop"]);
  expect(await isGone(path())).toBe(true);
});

test("TA02, TA07: our accounts delete no binding but ours; the probe tells whether policy 5 is on; who is terminating may lose a finalizer", async () => {
  const { merge, plane, post } = installed;
  const plain = bindingsPath("shop", "/plain");
  await judge.expectRefused("own-deletes", 1, "DeleteNotPermitted", {
    "the controller": deletes("controller", plain),
    "the sweeper": deletes("sweeper", plain),
  });
  const probe = {
    ...bindingBody(request, { role: "kube-elevate-nothing", subjects: [] }),
    metadata: { name: "elevate:probe:00000000" },
  };
  const probes = (): Promise<Reply> => post("controller", bindingsPath("elevate-system", "?dryRun=All"), probe);
  await judge.expectRefused("bindings", 2, "BindingRefused", { "the probe": probes() });

  await plane.run("admin", ["delete", "validatingadmissionpolicybinding", "kube-elevate-bindings"]);
  await eventually(async () => (await probes()).code === 201, 10, "policy 5 is off");
  landed(await post("admin", all, { ...bindingBody(request), metadata: { name: nameOfBinding(request) } }));
  await expectAccepted({ "the sweeper, by name, a binding without labels": await deletes("sweeper", path()) });
  landed(await post("admin", all, { ...bindingBody(request), metadata: { name: "elevate:x" } }));
  await judge.expectRefused("own-deletes", 1, "DeleteNotPermitted", {
    "a name of one part": deletes("sweeper", bindingsPath("shop", "/elevate:x")),
  });
  landed(await post("controller", all, bindingBody(request, { metadata: { finalizers: ["evil.example/x"] } })));

  await plane.run("admin", ["apply", "-k", "config/admission"]);
  await eventually(async () => (await probes()).code === 422, 10, "policy 5 is on");
  await deletes("controller", path());
  expect(await isGone(path())).toBe(false);
  await judge.expectRefused("bindings", 1, "BindingRefused", {
    "a later end while terminating": merge("admin", path(), {
      metadata: { annotations: { "kube-elevate.dev/expiration-time": at(90_000) } },
    }),
    "no labels with the finalizer off": merge("admin", path(), { metadata: { finalizers: null, labels: null } }),
    "no owner with the finalizer off": merge("admin", path(), {
      metadata: { finalizers: null, ownerReferences: null },
    }),
    "a subject more with the finalizer off": merge("admin", path(), {
      metadata: { finalizers: null },
      subjects: [bob],
    }),
  });
  await expectRefusedBy(422, "no new finalizers can be added", {
    "another finalizer in its place": merge("nora", path(), { metadata: { finalizers: ["evil.example/y"] } }),
  });
  const without = { metadata: { finalizers: null } };
  await expectAccepted({ "the finalizer off, the garbage collector": await merge(collector, path(), without) });
  expect(await isGone(path())).toBe(true);
});

test("every rule of these policies has refused something", () => {
  judge.expectAllReached("bindings", "own-deletes");
});
