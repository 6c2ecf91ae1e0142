import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Process, startController } from "../../hack/controlplane/processes.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { at, bindingBody, bindingsPath, type Named } from "../contract/bodies.ts";
import { startBlindController } from "./support/blind.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { type Deed, type Deeds, type Met, playDeeds } from "./support/deeds.ts";
import { withoutGuard } from "./support/guard.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";
import { hangOn, plainBinding, stage } from "./support/others.ts";
import { startProxy } from "./support/proxy.ts";

// What people and machines do to our RoleBindings, with the guard of admission on and off, while a controller runs. Each
// case has a namespace of its own, and those that wait for the same list wait together. Only the tests of a group run at
// the same time, never the groups: the guard is one for all.

const cluster = useControlPlane({ installed: "samples" });
let lives: Lives;
let deeds: Deeds;
let controller: Process;

const rbac = "rbac.authorization.k8s.io";
const account = (namespace: string, name: string): string => `system:serviceaccount:${namespace}:${name}`;
const collector = account("kube-system", "generic-garbage-collector");
const pruner = account("gitops", "pruner");
const user = (name: string): object => ({ apiGroup: rbac, kind: "User", name });
const ourLabels = { "app.kubernetes.io/managed-by": "kube-elevate" };
const refusal: unknown = expect.stringContaining("denied request: BindingRefused: ");
const named = async (shop: string): Promise<Named> => (await lives.get(shop, "fix")).metadata;

const listMs = 5_000; // between two lists of the controller: what nothing else tells of is found by them
const busyMs = 2_000; // for a machine that has more to do
const inTime = ({ ms }: Met): boolean => ms < listMs + busyMs;

const rows: string[] = [];
const told = (what: string, who: string, answer: string, end: string): void =>
  void rows.push([what.padEnd(52), who.padEnd(26), answer.padEnd(20), end].join(" "));

beforeAll(async () => {
  const { plane } = cluster;
  lives = await playLives(plane);
  deeds = playDeeds(cluster, lives);
  await cluster.apply("admin", ...stage);
  await plane.accountKubeconfig("pruner", "gitops");
  await plane.accountKubeconfig("generic-garbage-collector", "kube-system");
  controller = await startBlindController(plane); // or what waits while the guard is off would end, and be seen no more
}, 120_000);
afterAll(() => void process.stderr.write(`\nwhat was done to bindings\n${rows.join("\n")}\n`));

/** Warnings and errors of the controller that name this namespace. */
async function complaintsAbout(shop: string): Promise<readonly string[]> {
  const lines = (await readFile(controller.logFile, "utf8")).split("\n");
  return lines.filter((line) => line.includes(`"${shop}`) && !line.includes('"level":"info"'));
}

const isList = (path: string): boolean => /\/rolebindings\?.*labelSelector/.test(path);
const isWrite = (method: string, path: string): boolean =>
  method !== "GET" && /\/(elevationrequests|rolebindings)(\/|$)/.test(path);
const leftAlone = async (shop: string): Promise<number> =>
  (await complaintsAbout(shop)).filter((line) => line.includes("left alone")).length;

/** Access is gone at once; the record follows by the next list, and nobody makes it again. */
async function afterRemoval(shop: string, what: string, who: string, removed: Deed) {
  const met = await deeds.met(shop, removed);
  const end = await deeds.ended(shop);
  const closed = parseInstant((await lives.get(shop, "fix")).status?.endTime) - removed.at;
  told(what, who, "200", `Forbidden after ${String(met.ms)} ms, ${end[0]} after ${String(closed)} ms`);
  return { code: removed.code, inTime: inTime(met), end, complaints: await complaintsAbout(shop) };
}
const endOfRemoval = { code: 200, inTime: true, end: ["Revoked/BindingRemoved", "unbound", 1], complaints: [] };

describe("with the guard on", () => {
  test.concurrent("EX29: deleted by hand while Active: access ends at once, Revoked/BindingRemoved, never made again", async () => {
    await deeds.active("by-hand");
    const removed = await deeds.byKubectl("admin", "delete", "rolebinding", await deeds.nameOf("by-hand"), "-nby-hand");
    expect(await afterRemoval("by-hand", "kubectl delete rolebinding", "admin", removed)).toEqual(endOfRemoval);
  });

  test.concurrent("EX29: deleted by the garbage collector: the same, and the log complains of nothing", async () => {
    await deeds.active("collected");
    const uid = (await deeds.bindingIn("collected"))?.metadata.uid;
    const options = { preconditions: { uid }, propagationPolicy: "Background" };
    const removed = await deeds.deletes(collector, await deeds.pathOf("collected"), options);
    expect(await afterRemoval("collected", "DELETE, Background, by UID", "garbage collector", removed)).toEqual(
      endOfRemoval,
    );
  });

  test.concurrent("EX29: pruned by GitOps: the same in Background; in Foreground it is refused, and the access stays", async () => {
    await deeds.active("pruned");
    const foreground = await deeds.deletes(pruner, await deeds.pathOf("pruned"), { propagationPolicy: "Foreground" });
    expect(foreground).toMatchObject({ code: 403, message: refusal });
    told("prune in Foreground", "GitOps account", "403 BindingRefused", "stays Active");
    expect([await lives.allowed("pruned"), await deeds.recordOf("pruned")]).toEqual([true, "Active/BindingCreated"]);
    const ours = "app.kubernetes.io/managed-by=kube-elevate";
    const removed = await deeds.byKubectl(pruner, "delete", "rolebindings", "-l", ours, "-n", "pruned");
    expect(await afterRemoval("pruned", "kubectl delete rolebindings -l", "GitOps account", removed)).toEqual(
      endOfRemoval,
    );
  });

  test.concurrent("TA02, TA16: an elevated namespace admin changes her own binding, or deletes it so that it would linger: refused; in Background: Revoked/BindingRemoved", async () => {
    const shop = "cascading";
    const who = "alice, elevated to admin";
    await deeds.active(shop, { policyName: "admin" });
    const [path, binding] = [await deeds.pathOf(shop), await deeds.nameOf(shop)];
    const uid = (await deeds.bindingIn(shop))?.metadata.uid;
    const foreground = { propagationPolicy: "Foreground" };
    const later = { "kube-elevate.dev/expiration-time": at(80_000) };
    const kubectl = async (...args: readonly string[]): Promise<Deed> => deeds.byKubectl("alice", ...args, "-n", shop);
    const patch = async (metadata: object): Promise<Deed> => deeds.deed("alice", "PATCH", path, { metadata });
    const tries: { readonly [what: string]: () => Promise<Deed> } = {
      "kubectl delete --cascade=foreground": async () =>
        kubectl("delete", "rolebinding", binding, "--cascade=foreground"),
      "kubectl delete --cascade=orphan": async () => kubectl("delete", "rolebinding", binding, "--cascade=orphan"),
      "DELETE, orphanDependents": async () => deeds.deletes("alice", path, { orphanDependents: true }),
      "DELETE, Foreground, by its UID": async () =>
        deeds.deletes("alice", path, { ...foreground, preconditions: { uid } }),
      "kubectl set subject": async () => kubectl("set", "subject", `rolebinding/${binding}`, "--user=bob"),
      "kubectl label": async () => kubectl("label", "rolebinding", binding, "team=shop"),
      "PATCH, a finalizer": async () => patch({ finalizers: ["example.com/keep"] }),
      "PATCH, a later end": async () => patch({ annotations: later }),
      "PATCH, no labels": async () => patch({ labels: null }),
      "PATCH, no owner": async () => patch({ ownerReferences: null }),
    };
    for (const [what, attempt] of Object.entries(tries)) {
      expect([what, await attempt()]).toEqual([what, expect.objectContaining({ code: 403, message: refusal })]);
      told(what, who, "403 BindingRefused", "stays Active");
    }
    expect((await deeds.bindingIn(shop))?.metadata).toMatchObject({ uid });
    expect((await deeds.bindingIn(shop))?.metadata.deletionTimestamp).toBeUndefined();
    const removed = await kubectl("delete", "rolebinding", binding);
    expect(await afterRemoval(shop, "kubectl delete rolebinding", who, removed)).toEqual(endOfRemoval);
  });

  test.concurrent("TA16: the same by deletecollection", async () => {
    const who = "alice, elevated to admin";
    await deeds.active("collection", { policyName: "admin" });
    const ours = bindingsPath("collection", "?labelSelector=app.kubernetes.io/managed-by=kube-elevate");
    for (const options of [
      { propagationPolicy: "Foreground" },
      { propagationPolicy: "Orphan" },
      { orphanDependents: true },
    ]) {
      expect(await deeds.deletes("alice", ours, options)).toMatchObject({ code: 403, message: refusal });
      told(`deletecollection, ${JSON.stringify(options)}`, who, "403 BindingRefused", "stays Active");
    }
    expect((await deeds.bindingIn("collection"))?.metadata.deletionTimestamp).toBeUndefined();
    const removed = await deeds.deletes("alice", ours, { propagationPolicy: "Background" });
    expect(await afterRemoval("collection", "deletecollection, Background", who, removed)).toEqual(endOfRemoval);
  });

  test.concurrent("EX31: labels and annotations that a mutating policy hangs on our binding at its create are no drift: it lives to its end", async () => {
    await cluster.apply("admin", ...likeShop("hung"));
    await hangOn(cluster, "hung");
    await deeds.active("hung", { duration: "12s" });
    expect((await deeds.bindingIn("hung"))?.metadata).toMatchObject({
      labels: { ...ourLabels, "example.com/team": "shop" },
      annotations: { "example.com/seen-by": "policy" },
    });
    const { grant } = (await lives.get("hung", "fix")).status ?? {};
    const expiration = parseInstant(grant?.expirationTime);
    expect(await deeds.ended("hung", 40)).toEqual(["Expired/Expired", "unbound", 1]);
    const lateMs = parseInstant((await lives.get("hung", "fix")).status?.endTime) - expiration;
    told(
      "labels and annotations at its create",
      "MutatingAdmissionPolicy",
      "201",
      `Expired, ${String(lateMs)} ms late`,
    );
    expect([lateMs >= 0, lateMs < listMs, await lives.allowed("hung")]).toEqual([true, true, false]);
    expect(await complaintsAbout("hung")).toEqual([]);
  });

  test.concurrent("RC14: a list of bindings from before the create that is handled after Active: not taken for gone, nothing is ended", async ({
    onTestFinished,
  }) => {
    let holding = false;
    let listsSince = 0;
    const held = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    const proxy = await startProxy(cluster.plane, account("elevate-system", "controller"), {
      namespace: "late-list",
      counts: (method, path) => isList(path) || isWrite(method, path),
      after: async ({ path }) => {
        if (!isList(path)) return;
        listsSince++;
        if (!holding) return;
        holding = false;
        held.resolve();
        await letGo.promise;
        listsSince = 0;
      },
    });
    onTestFinished(async () => proxy.close());
    const replica = await startController(cluster.plane, { kubeconfig: proxy.kubeconfig });
    onTestFinished(async () => replica.stop());
    await deeds.asked("late-list");
    holding = true;
    await held.promise; // the API server has answered it
    await lives.prove("late-list", "fix");
    await lives.until("late-list", "fix", "Active", 9); // the replica waits 10 s for a list
    const before = proxy.writes.length;
    letGo.resolve();
    await eventually(() => listsSince >= 2, 30, "it was handled, and one list since");
    const since = proxy.writes.slice(before).filter(({ path }) => !isList(path));
    const endings = since.filter(({ body }) => !JSON.stringify(body).includes('"phase":"Active"'));
    expect([await deeds.recordOf("late-list"), await lives.allowed("late-list")]).toEqual([
      "Active/BindingCreated",
      true,
    ]);
    expect(endings).toEqual([]);
    told("its LIST is older than the create", "two replicas", "200", "stays Active");
  });
});

type Change = (request: Named) => object;
const later = "kube-elevate.dev/expiration-time";
const owner = { apiVersion: "kube-elevate.dev/v1alpha1", kind: "ElevationRequest" };
const drifts: readonly (readonly [row: string, shop: string, what: string, change: Change])[] = [
  ["EX30", "subject-added", "a subject added", () => ({ subjects: [user("alice"), user("bob")] })],
  ["EX30", "subject-replaced", "its subject replaced", () => ({ subjects: [user("bob")] })],
  ["EX30", "subject-gone", "its subject taken out", () => ({ subjects: null })],
  ["EX30", "put-off", "its end put off", () => ({ metadata: { annotations: { [later]: at(80_000) } } })],
  [
    "EX30",
    "of-policy",
    "its policy changed",
    () => ({ metadata: { annotations: { "kube-elevate.dev/policy": "x" } } }),
  ],
  [
    "EX30",
    "of-owner",
    "its owner replaced",
    ({ name }) => ({
      metadata: { ownerReferences: [{ ...owner, name, uid: "00000000-0000-4000-8000-000000000000" }] },
    }),
  ],
  ["EX30", "ownerless", "its owner taken off", () => ({ metadata: { ownerReferences: null } })],
  [
    "TA17",
    "labels-off",
    "both its labels stripped",
    () => ({ metadata: { labels: { "app.kubernetes.io/managed-by": null, "kube-elevate.dev/request-uid": null } } }),
  ],
  [
    "TA17",
    "label-off",
    "the label of the list stripped",
    () => ({ metadata: { labels: { "app.kubernetes.io/managed-by": null } } }),
  ],
];
const lingering = [
  ["in-foreground", { propagationPolicy: "Foreground" }],
  ["as-orphan", { propagationPolicy: "Orphan" }],
  ["the-old-way", { orphanDependents: true }],
] as const;
const keep = { metadata: { finalizers: ["example.com/keep"] } };

describe("with the guard off for the moment of the deed", () => {
  const done = new Map<string, Deed & { readonly met: Promise<Met> }>();
  let endedBefore: unknown;
  const outcome = async (shop: string, what: string, who = "admin") => {
    const { code, met: meeting } = done.get(shop) ?? { code: 0, met: Promise.resolve({ ms: 0, letThrough: 0 }) };
    const met = await meeting;
    const end = await deeds.ended(shop);
    told(what, who, `${String(code)}, guard off`, `Forbidden after ${String(met.ms)} ms, ${end[0]}`);
    return { code, inTime: inTime(met), end, letThrough: met.letThrough };
  };

  beforeAll(async () => {
    const { plane } = cluster;
    const standing = [...drifts.map(([, shop]) => shop), "kept", "labelled", "colleague", "collided", "swapped"];
    await Promise.all([
      ...[...standing, "ended"].map(async (shop) => deeds.active(shop)),
      ...lingering.map(async ([shop]) => deeds.active(shop, { policyName: "admin" })),
      ...["planted", "planted-bare"].map(async (shop) => deeds.asked(shop)),
    ]);
    await cluster.apply("admin", plainBinding("colleague", "bob"));
    await must(plane, "admin", "DELETE", await deeds.pathOf("ended"));
    await Promise.all([deeds.ended("ended"), deeds.active("kept-to-its-end", { duration: "20s" })]);
    endedBefore = (await lives.get("ended", "fix")).metadata.resourceVersion;

    const does = async (shop: string, deed: Promise<Deed>, who = "alice"): Promise<void> => {
      const found = await deed;
      done.set(shop, { ...found, met: deeds.met(shop, found, who, found.code === 201) });
    };
    const patch = async (shop: string, change: Change): Promise<Deed> =>
      deeds.deed("admin", "PATCH", await deeds.pathOf(shop), change(await named(shop)));
    const remove = async (shop: string, who = "admin", options = {}): Promise<Deed> =>
      deeds.deletes(who, await deeds.pathOf(shop), options);
    const plant = async (shop: string, who: string, metadata: object = {}): Promise<Deed> =>
      deeds.deed("admin", "POST", bindingsPath(shop), bindingBody(await named(shop), { user: who, metadata }));
    const nobodys = { name: "elevate:nobody:00000000", ownerReferences: [] };
    const labelled = async (): Promise<Deed> => {
      const labels = { ...ourLabels, "kube-elevate.dev/request-uid": (await named("colleague")).uid };
      return deeds.deed("admin", "PATCH", bindingsPath("colleague", "/bobs"), { metadata: { labels } });
    };
    process.kill(plane.pids.controllerManager, "SIGSTOP"); // or its collector takes finalizers off before ours comes
    await withoutGuard(cluster, async () =>
      Promise.all([
        ...drifts.map(async ([, shop, , change]) => does(shop, patch(shop, change))),
        ...lingering.map(async ([shop, options]) => does(shop, remove(shop, "alice", options))),
        patch("kept", () => keep).then(async () => does("kept", remove("kept"))),
        does(
          "kept-to-its-end",
          patch("kept-to-its-end", () => keep),
        ),
        does(
          "labelled",
          patch("labelled", () => ({ metadata: { labels: { a: "b" }, annotations: { c: "d" } } })),
        ),
        does("colleague", labelled(), "nobody"),
        does("collided", plant("collided", "bob"), "bob"),
        remove("swapped").then(async () => does("swapped", plant("swapped", "bob"), "bob")),
        does("ended", plant("ended", "bob"), "bob"),
        does("planted", plant("planted", "alice")),
        does("planted-bare", plant("planted-bare", "bob", { labels: {} }), "bob"),
        does("nobodys", plant("labelled", "bob", nobodys)),
      ]),
    );
  }, 120_000);
  afterAll(() => void process.kill(cluster.plane.pids.controllerManager, "SIGCONT"));

  test.concurrent.each(drifts)("%s: %s: %s: unbound on time, Revoked/BindingDrifted", async (_row, shop, what) => {
    const { code, inTime: onTime, end } = await outcome(shop, what);
    expect({ code, onTime, end }).toEqual({ code: 200, onTime: true, end: ["Revoked/BindingDrifted", "unbound", 1] });
    expect([await lives.allowed(shop), await lives.allowed(shop, "bob")]).toEqual([false, false]);
  });

  test.concurrent("TA16: guard off: a binding with a deletionTimestamp gives access still, is not taken for gone, and is ended on time", async () => {
    const seen = await Promise.all(
      lingering.map(async ([shop, options]) =>
        outcome(shop, `DELETE, ${JSON.stringify(options)}`, "alice, elevated to admin"),
      ),
    );
    for (const { code, inTime: onTime, end } of seen)
      expect({ code, onTime, end }).toEqual({ code: 200, onTime: true, end: ["Revoked/BindingRemoved", "unbound", 1] });
    for (const [shop] of lingering) expect(JSON.stringify(done.get(shop)?.body)).toContain('"deletionTimestamp":"');
    expect(Math.max(...seen.map(({ letThrough }) => letThrough))).toBeGreaterThan(0);
  });

  test.concurrent.each([
    ["kept", "who deleted it", "Revoked/BindingRemoved"],
    ["kept-to-its-end", "its time", "Expired/Expired"],
  ])(
    "TA16, EX16: %s: a foreign finalizer outlasts %s: Stalled/UnbindFailing, not over, tried until it is freed: then ended",
    async (shop, what, end) => {
      const stalled = await eventually(
        async () => {
          const { status } = await lives.get(shop, "fix");
          return status?.reason === "UnbindFailing" && status;
        },
        60,
        `${shop} is stalled`,
      );
      expect([stalled.phase, stalled.endTime]).toEqual(["Active", undefined]);
      expect(stalled.conditions).toContainEqual(expect.objectContaining({ type: "Stalled", status: "True" }));
      expect(await lives.allowed(shop)).toBe(true); // RBAC honours it, and no right of ours cures it
      const events = async (): Promise<string> => cluster.kubectl("admin", "get", "events", "-n", shop, "-o", "wide");
      await eventually(async () => (await events()).includes("UnbindFailing"), 30, "an Event tells it");
      const tries = async (): Promise<number> =>
        (await complaintsAbout(shop)).filter((line) => line.includes("still there")).length;
      const before = await tries();
      await eventually(async () => (await tries()) > before + 1, 30, "it is tried again");
      const freed = await deeds.deed("admin", "PATCH", await deeds.pathOf(shop), { metadata: { finalizers: null } });
      expect(freed.code).toBe(200);
      const met = await deeds.met(shop, freed);
      expect(await deeds.ended(shop)).toEqual([end, "unbound", 1]);
      told(
        `a foreign finalizer outlasts ${what}`,
        "admin",
        "Stalled until freed",
        `Forbidden after ${String(met.ms)} ms, ${end}`,
      );
      expect(inTime(met)).toBe(true);
    },
  );

  test.concurrent("EX31: labels and annotations of others that come later are no drift either; TA18: nor does a plant take the place of a binding that stands", async () => {
    await done.get("planted")?.met;
    expect(done.get("labelled")?.code).toBe(200);
    expect(done.get("collided")?.code).toBe(409);
    for (const shop of ["labelled", "collided"])
      expect([shop, await deeds.recordOf(shop), await lives.allowed(shop), await lives.allowed(shop, "bob")]).toEqual([
        shop,
        "Active/BindingCreated",
        true,
        false,
      ]);
    told("a label more, later", "admin", "200, guard off", "stays Active");
    told("planted over the binding of an Active request", "admin", "409, guard off", "stays Active");
  });

  test.concurrent("TA18: planted for a Pending request: gone within a tick, never adopted; the true grant is made after it", async () => {
    const { code, met: meeting } = done.get("planted") ?? {};
    const met = await meeting;
    expect([code, met && inTime(met)]).toEqual([201, true]);
    // without labels no list shows it: then it goes before the true one is made, or by the sweeper
    expect([done.get("planted-bare")?.code, await lives.bound("planted-bare", "fix")]).toEqual([201, true]);
    for (const shop of ["planted", "planted-bare"]) {
      const before = await deeds.recordOf(shop);
      await lives.prove(shop, "fix");
      await lives.until(shop, "fix", "Active", 20);
      const { status } = await lives.get(shop, "fix");
      expect([before, status?.grant?.bindingName]).toEqual(["Pending/AwaitingProof", await deeds.nameOf(shop)]);
      expect((await deeds.bindingIn(shop))?.metadata.annotations?.[later]).toBe(status?.grant?.expirationTime);
      expect([await lives.allowed(shop), await lives.allowed(shop, "bob")]).toEqual([true, false]);
    }
    told("planted for a Pending request", "admin", "201, guard off", `Forbidden after ${String(met?.ms)} ms, goes on`);
    told("the same without labels", "admin", "201, guard off", "gone before the true one is made");
  });

  test.concurrent("TA18: planted in the place of an Active one, for an ended one and for nobody: gone within a tick, never adopted", async () => {
    const { code, inTime: onTime, end } = await outcome("swapped", "planted in the place of an Active one");
    expect({ code, onTime, end }).toEqual({ code: 201, onTime: true, end: ["Revoked/BindingDrifted", "unbound", 2] });
    const over = await outcome("ended", "planted for an ended one");
    expect([over.code, over.inTime, over.end]).toEqual([201, true, ["Revoked/BindingRemoved", "unbound", 2]]);
    expect((await lives.get("ended", "fix")).metadata.resourceVersion).toBe(endedBefore);
    const nobodys = bindingsPath("labelled", "/elevate:nobody:00000000");
    const isGone = async (): Promise<boolean> => (await cluster.plane.ask("admin", "GET", nobodys)).code === 404;
    expect(done.get("nobodys")?.code).toBe(201);
    await eventually(isGone, (listMs + busyMs) / 1_000, "what is planted for nobody is gone");
  });

  test.concurrent("TA07: our labels on a colleague's binding: told once in the log, not deleted", async () => {
    await eventually(async () => (await leftAlone("colleague")) > 0, 15, "it is told of");
    await done.get("planted")?.met;
    expect([done.get("colleague")?.code, await leftAlone("colleague")]).toEqual([200, 1]);
    expect(await lives.allowed("colleague", "bob")).toBe(true);
    expect(await deeds.recordOf("colleague")).toBe("Active/BindingCreated");
    told("our labels on a colleague's binding", "admin", "200, guard off", "stays, told in the log");
  });
});

const isReady = async (): Promise<boolean> => fetch(`${controller.health}/readyz`).then(({ status }) => status === 200);
test("TA07: nor is it counted: when all that was due has ended, the controller is ready", async () => {
  expect(await lives.allowed("colleague", "bob")).toBe(true);
  await eventually(isReady, 10, "nothing is overdue");
});

test("EX30, TA17: no controller runs while one is changed and one loses its labels: both end when it is back, and a crash between unbind and close changes the word at most", async () => {
  const { plane } = cluster;
  await Promise.all([deeds.active("crashed"), deeds.active("stripped")]);
  await controller.stop("SIGKILL");
  await withoutGuard(cluster, async () => {
    const labels = { "app.kubernetes.io/managed-by": null, "kube-elevate.dev/request-uid": null };
    await must(plane, "admin", "PATCH", await deeds.pathOf("crashed"), { subjects: [user("alice"), user("bob")] });
    await must(plane, "admin", "PATCH", await deeds.pathOf("stripped"), { metadata: { labels } });
  });
  let crash: (() => void) | undefined;
  const proxy = await startProxy(plane, account("elevate-system", "controller"), {
    namespace: "crashed",
    before: async ({ body }) => {
      if (!JSON.stringify(body).includes('"phase":"Revoked"')) return undefined;
      crash?.();
      return "cut";
    },
  });
  const replica = await startController(plane, { kubeconfig: proxy.kubeconfig, waitUntilReady: false });
  crash = () => replica.kill("SIGKILL");
  await replica.exited;
  await proxy.close();
  expect([await deeds.recordOf("crashed"), await lives.bound("crashed", "fix")]).toEqual([
    "Active/BindingCreated",
    false,
  ]);
  for (const who of ["alice", "bob"]) expect([who, await lives.allowed("crashed", who)]).toEqual([who, false]);

  controller = await startController(plane);
  expect(await deeds.ended("crashed")).toEqual(["Revoked/BindingRemoved", "unbound", 1]);
  expect(await deeds.ended("stripped")).toEqual(["Revoked/BindingDrifted", "unbound", 1]);
  expect(await lives.allowed("stripped")).toBe(false);
  told("a subject added, a crash between unbind and close", "admin", "200, guard off", "Revoked/BindingRemoved");
}, 120_000);
