import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { bindingFor, type RoleBinding } from "../../src/domain/binding.ts";
import type { Step } from "../../src/domain/grant.ts";
import { later } from "../../src/domain/time.ts";
import { createAdmission } from "../../src/kube/admission.ts";
import { createAuthenticators } from "../../src/kube/authenticators.ts";
import { createBindings } from "../../src/kube/bindings.ts";
import { connect, type KubeClient } from "../../src/kube/client.ts";
import { readCluster } from "../../src/kube/cluster.ts";
import { createFacts } from "../../src/kube/facts.ts";
import { createRequestWatch } from "../../src/kube/operator.ts";
import { ours } from "../../src/kube/paths.ts";
import { createPolicies } from "../../src/kube/policies.ts";
import { createRecorder } from "../../src/kube/recorder.ts";
import { createRequests } from "../../src/kube/requests.ts";
import { createTrustStore } from "../../src/kube/trust.ts";
import { type WatchEvent, type Watching, watch } from "../../src/kube/watch.ts";
import { holdAdmission } from "../contract/admission.ts";
import { authenticatorBody, hex, requestBody, requestsPath } from "../contract/bodies.ts";
import { bindingOf, denying, holdPorts, offering } from "../contract/ports.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";

// The adapters on the real API server, each with the token of the ServiceAccount that will use it.

const cluster = useControlPlane({ installed: "samples" });
const clients: KubeClient[] = [];
const lines: unknown[] = [];
let controller: KubeClient;
let verifier: KubeClient;
let admin: KubeClient;
/** Where nothing is asked for before the last test looks whether the watch of it still tells. */
const quiet = "quiet";
let silent: { readonly told: string[]; readonly since: number; readonly watching: Watching };

const connected = (kubeconfig: string): KubeClient => {
  const client = connect({ kubeconfig, tell: (message, fields) => void lines.push([message, fields]) });
  clients.push(client);
  return client;
};
const role = { kind: "ClusterRole", name: "pod-debugger" } as const;
const shopRole = { kind: "Role", name: "teller" } as const;
const rule = (verbs: readonly string[]) => ({ apiGroups: [""], resources: ["pods"], verbs });
const rbac = { apiVersion: "rbac.authorization.k8s.io/v1" };

beforeAll(async () => {
  const { plane } = cluster;
  admin = connected(plane.kubeconfigs["admin"] ?? "");
  controller = connected(await plane.accountKubeconfig("controller"));
  verifier = connected(await plane.accountKubeconfig("verifier"));
  const told: string[] = [];
  const onEvent = ({ object }: WatchEvent): void => void told.push(object.metadata.name);
  const watching = watch(controller, { collection: ours("elevationrequests", quiet), onEvent });
  await watching.synced;
  silent = { told, watching, since: performance.now() };
});
afterAll(async () => {
  await silent.watching.stop();
  await Promise.all(clients.map(async (client) => client.close()));
});

/** As alice asks for it; in shop, where she may by the samples, or where `mayAsk` has been. */
async function ask(namespace = "shop"): Promise<ElevationRequest> {
  const name = `a-${randomUUID().slice(0, 8)}`;
  const { code, body } = await cluster.plane.ask("alice", "POST", requestsPath(namespace), requestBody(name));
  if (code !== 201) throw new Error(`alice may not ask: ${JSON.stringify(body)}`);
  const made = await createRequests(controller).get(namespace, name);
  if (made === undefined) throw new Error("the request is not there");
  return made;
}
const mayAsk = async (namespace: string): Promise<void> => {
  const metadata = { name: namespace, labels: { env: "prod" } };
  await cluster.apply("admin", { apiVersion: "v1", kind: "Namespace", metadata }, bindTo(namespace));
  const use = { verb: "use", group: "kube-elevate.dev", resource: "elevationpolicies", name: "shop-debug", namespace };
  await eventually(() => cluster.can("alice", use), 5, "alice may ask");
};
const bindTo = (namespace: string): object => ({
  ...rbac,
  kind: "RoleBinding",
  metadata: { name: "use-shop-debug", namespace },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "use-shop-debug" },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "devs" }],
});
const bindingTo = (to: Parameters<typeof bindingFor>[1], request: ElevationRequest) =>
  bindingFor(request, to, later(controller.now(), 60_000));

holdPorts(() => ({
  requests: createRequests(controller),
  bindings: createBindings(controller),
  ask,
}));

const limits = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/kube-elevate-limits";
const acting = (actions: readonly string[]) => async (): Promise<void> =>
  void (await admin.patch(limits, { spec: { validationActions: actions } }));
holdAdmission(() => ({ objects: createAdmission(controller), weaken: acting(["Audit"]), mend: acting(["Deny"]) }));

test("IA34: a label taken off and an annotation more are no other version, of a policy, its binding and a kind", async () => {
  const objects = createAdmission(controller);
  const before = await objects.versions("one by one");
  const metadata = { labels: { "app.kubernetes.io/part-of": null }, annotations: { "example.com/seen": "yes" } };
  for (const path of [
    limits,
    limits.replace("policybindings", "policies"),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/elevationrequests.kube-elevate.dev",
  ])
    await admin.patch(path, { metadata });
  expect(await objects.versions("one by one")).toBe(before);
  expect(await objects.differences()).toEqual({ holes: [], extras: [] });
});

test("an illegal step of the record throws, with the first line of why", async () => {
  const request = await ask();
  await expect(createRequests(controller).swapStatus(request, { phase: "Active" })).rejects.toMatchObject({
    code: 422,
  });
});

test("the verifier waits for what the controller writes", async () => {
  const request = await ask();
  const next = createRequests(verifier).next(request, 10_000);
  await createRequests(controller).swapStatus(request, offering(request));
  expect((await next)?.status?.phase).toBe("Pending");
});

test("the watch tells of requests that are made, change and end", async () => {
  const hints: string[] = [];
  const requestWatch = createRequestWatch(controller);
  await requestWatch.start(({ uid }) => void hints.push(uid));
  const requests = createRequests(controller);
  const request = await ask();
  const { name, uid } = request.metadata;
  const hinted = (): number => hints.filter((hint) => hint === uid).length;
  await eventually(async () => hinted() === 1, 5, "a hint that it was made");
  await requests.swapStatus(request, offering(request));
  await eventually(async () => hinted() === 2, 5, "a hint that it changed");
  const pending = await requests.get("shop", name);
  await requests.swapStatus(pending ?? request, denying(pending ?? request));
  await eventually(async () => hinted() === 3, 5, "a hint that it left the selection");
  await requestWatch.stop();
  await ask();
  expect(hinted()).toBe(3);
});

test("EX16: a binding that a foreign finalizer keeps is asked to go and still there, until it is freed", async () => {
  const asAdmin = createBindings(admin); // a plain binding: ours cannot get a finalizer while admission stands
  const collection = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings";
  const held = await admin.create<RoleBinding>(collection, {
    ...bindTo("shop"),
    metadata: { name: `held-${randomUUID().slice(0, 8)}`, namespace: "shop", finalizers: ["example.com/held"] },
  });
  for (const _ of [1, 2]) {
    expect(await asAdmin.remove(held)).toBe("won"); // which is why an answer to DELETE is no end
    const left = await asAdmin.get("shop", held.metadata.name);
    expect([left?.metadata.uid, left?.metadata.deletionTimestamp === undefined]).toEqual([held.metadata.uid, false]);
  }
  await admin.patch(`${collection}/${held.metadata.name}`, { metadata: { finalizers: null } });
  expect(await asAdmin.remove(held)).toBe("lost"); // somebody else's release ended it
  expect(await asAdmin.get("shop", held.metadata.name)).toBeUndefined();
});

test("IA26: a rehearsal says in one line what would refuse the binding, and leaves nothing", async () => {
  const bindings = createBindings(controller);
  const request = await ask();
  expect(await bindings.rehearse(bindingOf(request))).toBeUndefined();
  expect(await bindings.get("shop", bindingOf(request).metadata.name)).toBeUndefined();

  const unbindable = await bindings.rehearse(bindingTo({ kind: "ClusterRole", name: "edit" }, request));
  expect(unbindable?.reason).toBe("BindNotPermitted");
  expect(unbindable?.message).toMatch(/may not bind ClusterRole edit/);
  expect(unbindable?.message).not.toMatch(/\n|APIGroups|PolicyRule/);

  const tooLong = bindingFor(request, role, later(controller.now(), 25 * 3_600_000));
  expect(await bindings.rehearse(tooLong)).toMatchObject({ reason: "BindingRefused" });

  await mayAsk("limited");
  const limited = await ask("limited");
  await cluster.apply("admin", {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "none", namespace: "limited" },
    spec: { hard: { "count/rolebindings.rbac.authorization.k8s.io": "1" } },
  });
  // until the quota has been counted it refuses everything, then for a moment nothing
  const full = await eventually(
    async () => {
      const denial = await bindings.rehearse(bindingOf(limited));
      return denial?.message.includes("exceeded quota") === true && denial;
    },
    15,
    "the quota bites",
  );
  expect(full).toMatchObject({ reason: "BindingRefused" });
});

test("IA26, NamespaceTerminating: in a namespace that ends a rehearsal is refused, and its last Event goes to ours", async () => {
  await mayAsk("ending");
  const request = await ask("ending");
  await cluster.apply("admin", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "held", namespace: "ending", finalizers: ["example.com/held"] },
  });
  await cluster.kubectl("admin", "delete", "namespace", "ending", "--wait=false");
  await eventually(
    async () => (await createBindings(controller).rehearse(bindingOf(request)))?.reason === "BindingRefused",
    10,
    "the namespace ends",
  );
  const recorder = createRecorder(controller, {
    component: "controller",
    instance: "test",
    clock: () => controller.now(),
  });
  recorder.tell({ about: request.metadata, step: { do: "unbind", cause: { reason: "RequestDeleted" } } });
  await recorder.settled();
  expect(await cluster.kubectl("admin", "-n", "elevate-system", "get", "events", "-o", "name")).toContain(
    request.metadata.name,
  );
  await cluster.kubectl(
    "admin",
    "-n",
    "ending",
    "patch",
    "configmap",
    "held",
    "-p",
    '{"metadata":{"finalizers":null}}',
  );
});

test("IA06: whether alice may use the policy is asked with her groups, in the request's namespace", async () => {
  const facts = createFacts(controller);
  const request = await ask();
  expect(await facts.mayUse(request, "entry")).toEqual({
    allowed: true,
    reason: expect.stringMatching(/RoleBinding "use-shop-debug\/shop".*Group "devs"/) as unknown,
  });
  const { requester } = request.spec;
  const alone = { ...request, spec: { ...request.spec, requester: { ...requester, groups: [] } } };
  expect((await facts.mayUse(alone, "entry")).allowed).toBe(false);
  const elsewhere = { ...request, metadata: { ...request.metadata, namespace: "default" } };
  expect((await facts.mayUse(elsewhere, "entry")).allowed).toBe(false);
  const another = { ...request, spec: { ...request.spec, policyName: "other" } };
  expect((await facts.mayUse(another, "entry")).allowed).toBe(false);
});

test("IA15, IA26: a role is known by its rules in any order, made again it is another, and a Role is none of the cluster's", async () => {
  const facts = createFacts(controller);
  const write = async (...rules: readonly object[]): Promise<string | undefined> => {
    await cluster.apply("admin", { ...rbac, kind: "Role", metadata: { name: "teller", namespace: "shop" }, rules });
    return facts.rulesHash(shopRole, "shop");
  };
  expect(await facts.rulesHash(shopRole, "shop")).toBeUndefined();
  expect(await facts.rulesHash({ kind: "Role", name: "pod-debugger" }, "shop")).toBeUndefined();
  expect(await facts.rulesHash(role, "shop")).toMatch(/^[0-9a-f]{64}$/);
  const first = await write(rule(["get", "list"]), rule(["watch"]));
  expect(await write(rule(["watch"]), rule(["list", "get"]))).toBe(first);
  expect(await facts.rulesHash(shopRole, "default")).toBeUndefined();
  expect(await write(rule(["watch"]), rule(["list", "get", "delete"]))).not.toBe(first);
  await cluster.kubectl("admin", "-n", "shop", "delete", "role", "teller");
  expect(await write(rule(["get", "list"]), rule(["watch"]))).not.toBe(first);
});

test("policies, labels of namespaces, places of roles and the right to bind are read as they are", async () => {
  const facts = createFacts(controller);
  const policies = createPolicies(controller);
  await cluster.apply("admin", { ...rbac, kind: "Role", metadata: { name: "teller", namespace: "shop" }, rules: [] });
  expect((await facts.policy("shop-debug"))?.spec.roleRef).toEqual(role);
  expect(await facts.policy("other")).toBeUndefined();
  expect((await facts.namespaceLabels("shop"))?.["env"]).toBe("prod");
  expect(await facts.namespaceLabels("nowhere")).toBeUndefined();
  expect((await policies.list()).map(({ metadata }) => metadata.name)).toContain("shop-debug");
  expect((await policies.namespaces()).get("shop")?.["env"]).toBe("prod");
  const everywhere = (await policies.placesOf(role)).get("");
  expect(everywhere?.rulesHash).toBe(await facts.rulesHash(role, "shop"));
  expect(everywhere?.rules.flatMap(({ resources }) => resources)).toContain("pods/exec");
  expect(await policies.placesOf(shopRole)).toEqual(
    new Map([["shop", { rulesHash: await facts.rulesHash(shopRole, "shop"), rules: [] }]]),
  );
  expect(await policies.placesOf({ kind: "ClusterRole", name: "teller" })).toEqual(new Map());
  const odd = String.raw`a,b=c\d`; // a role may be named so, and a field selector must not read it
  await cluster.apply("admin", { ...rbac, kind: "Role", metadata: { name: odd, namespace: "shop" }, rules: [] });
  expect([...(await policies.placesOf({ kind: "Role", name: odd })).keys()]).toEqual(["shop"]);
  expect([await policies.mayBind(role, ""), await policies.mayBind({ kind: "ClusterRole", name: "edit" }, "")]).toEqual(
    [true, false],
  );
  expect(await policies.mayBind(shopRole, "shop")).toBe(false);
});

test("a policy's status is swapped like any other", async () => {
  const policies = createPolicies(controller);
  const [seen] = await policies.list();
  if (seen === undefined) throw new Error("no policy");
  const condition = {
    type: "Ready",
    status: "True",
    reason: "Ready",
    message: "",
    lastTransitionTime: "2026-11-24T10:00:00Z",
  } as const;
  expect(await policies.swapStatus(seen, { conditions: [condition] })).toBe("won");
  expect(await policies.swapStatus(seen, { conditions: [] })).toBe("lost");
});

test("an authenticator is read by its name and swapped by the verifier alone", async () => {
  await cluster.apply("admin", {
    ...rbac,
    kind: "ClusterRoleBinding",
    metadata: { name: "alice-invites" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "kube-elevate-inviter" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "ivy" }],
  });
  const path = "/apis/kube-elevate.dev/v1alpha1/authenticators";
  const { code, body } = await cluster.plane.ask(
    "ivy",
    "POST",
    path,
    authenticatorBody("alice", "totp", { invitedBy: "ivy" }),
  );
  expect([code, code === 201 ? "" : body]).toEqual([201, ""]);
  const name = `${hex("alice")}.totp`;
  const seen = await createAuthenticators(verifier).get(name);
  if (seen === undefined) throw new Error("the authenticator is not there");
  await expect(createAuthenticators(controller).swapStatus(seen, { phase: "Pending" })).rejects.toMatchObject({
    code: 403,
  });
  expect(await createAuthenticators(verifier).swapStatus(seen, { phase: "Pending" })).toBe("won");
  expect(await createAuthenticators(verifier).swapStatus(seen, { phase: "Pending" })).toBe("lost");
  expect(await createAuthenticators(controller).get(`../elevationpolicies/shop-debug`)).toBeUndefined();
});

test("keys and trust are filled by one swap of many, and read back as they were written", async () => {
  const store = createTrustStore(verifier);
  const empty = await store.keys();
  expect(empty.data).toEqual({});
  const texts = Array.from({ length: 5 }, () => ({ "seal-1": `${randomUUID()}\nzoë` }));
  const outcomes = await Promise.all(texts.map(async (data) => store.swapKeys(empty, data)));
  expect(outcomes.filter((outcome) => outcome === "won")).toHaveLength(1);
  const filled = await store.keys();
  expect(filled.data).toEqual(texts[outcomes.indexOf("won")]);
  expect(await store.swapKeys(filled, { other: "x" })).toBe("won");
  expect((await store.keys()).data).toEqual({ other: "x" });
  expect(await store.swapTrust(await store.trust(), { url: "https://verifier" })).toBe("won");
  expect((await createTrustStore(controller).trust()).data).toEqual({ url: "https://verifier" });
  await expect(createTrustStore(controller).keys()).rejects.toMatchObject({ code: 403 });
  await expect(createTrustStore(verifier, "default").trust()).rejects.toMatchObject({ code: 403 });
});

test("Events of a request are there for kubectl, one a step that was told", async () => {
  const request = await ask();
  const { name } = request.metadata;
  const recorder = createRecorder(controller, {
    component: "controller",
    instance: "test",
    clock: () => controller.now(),
  });
  const steps: readonly Step[] = [
    { do: "promise", expiration: controller.now() },
    { do: "activate" },
    { do: "close", phase: "Revoked", cause: { reason: "BindingDrifted" } },
  ];
  for (const step of steps) recorder.tell({ about: request.metadata, step });
  const expiration = later(controller.now(), 5 * 60_000);
  const another = createRecorder(controller, {
    component: "controller",
    instance: "another",
    clock: () => controller.now(),
  });
  for (const replica of [recorder, another]) replica.warn({ about: request.metadata, expiration });
  await Promise.all([recorder.settled(), another.settled()]);
  const printed = await cluster.kubectl("sre", "-n", "shop", "get", "elev", name, "-o", "name");
  expect(printed.trim()).toBe(`elevationrequest.kube-elevate.dev/${name}`);
  const table = await cluster.kubectl("admin", "-n", "shop", "events", "--for", `elev/${name}`);
  expect(table).toMatch(/Normal +ProofAccepted/);
  expect(table).toMatch(/Normal +BindingCreated/);
  expect(table).toMatch(/Warning +BindingDrifted/);
  expect(table.match(/Warning +Expiring .* ends at \d\d:\d\d:\d\d UTC, in 5m/g)).toHaveLength(1);
});

test("the cluster is known by the uid of kube-system, and the API server's clock by its answers", async () => {
  const uid = await cluster.kubectl("admin", "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}");
  for (const client of [controller, verifier]) expect(await readCluster(client, "prod")).toEqual({ name: "prod", uid });
  expect(Math.abs(await createFacts(controller).clockOffMs())).toBeLessThan(2_000);
  expect(controller.now() - (controller.serverNow() ?? 0)).toBeLessThan(2_000);
});

test("a thousand reads go over one connection or two", async () => {
  const request = await ask();
  const client = connected(cluster.plane.kubeconfigs["system:serviceaccount:elevate-system:controller"] ?? "");
  let made = 0;
  const count = (): void => void (made += 1);
  subscribe("undici:client:connected", count);
  const begun = performance.now();
  for (let i = 0; i < 1_000; i++) await createRequests(client).get("shop", request.metadata.name);
  process.stderr.write(`a read takes ${((performance.now() - begun) / 1_000).toFixed(2)} ms\n`);
  unsubscribe("undici:client:connected", count);
  expect([1, 2]).toContain(made);
});

test("after 35 s of silence the watch still tells, and nothing was complained of", async () => {
  const restMs = silent.since + 35_000 - performance.now(); // the operator's own watch ends the process after 30 s
  await new Promise((resolve) => setTimeout(resolve, restMs));
  expect(silent.told).toEqual([]);
  await mayAsk(quiet);
  const { metadata } = await ask(quiet);
  await eventually(async () => silent.told.includes(metadata.name), 5, "a hint after the silence");
  expect(lines).toEqual([]);
});
