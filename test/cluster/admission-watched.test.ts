import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Process, startController } from "../../hack/controlplane/processes.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { bindingsPath, policiesPath, requestBody, requestsPath } from "../contract/bodies.ts";
import { type Asking, playAsking } from "./support/asking.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { forbiddenAfterMs, readyOf } from "./support/grants.ts";
import { type LaxServer, startLaxServer } from "./support/lax-server.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";
import { type Proxy, startProxy } from "./support/proxy.ts";
import { aligned, everBound } from "./support/refused.ts";
import {
  binding,
  blink,
  crd,
  nameOf,
  ofCRDs,
  ofPolicies,
  policy,
  requests,
  rulesOf,
  sabotage,
  wordsOf,
} from "./support/sabotage.ts";

// Whoever may write admission objects and CRDs can take our walls down. It is seen, also afterwards, and nothing new is
// granted on what may have been written meanwhile. All tests share one controller, and go on where the last one ended.

const eve = { name: "eve", groups: ["guests"] }; // she may ask, but use nothing
const cluster = useControlPlane({
  installed: "samples",
  users: [eve],
  invariants: { except: ["I4"] }, // codes are played by hand
});
let lives: Lives;
let controller: Process;
/** Started beforehand, while others wait. */
let enforcingNone: Promise<LaxServer>;
let alice: Asking;

beforeAll(async () => {
  const { plane } = cluster;
  await cluster.apply("admin", ...likeShop("walls", "lasts", "ends"), mayAsk("eve"));
  lives = await playLives(plane, ["alice", "eve"]);
  controller = await startController(plane);
  enforcingNone = startLaxServer(plane);
  enforcingNone.catch(() => undefined); // its own test tells
  alice = playAsking(cluster, lives, "walls");
}, 120_000);

const mayAsk = (name: string): object => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: `requester-${name}` },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "kube-elevate-requester" },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name }],
});

const denied = /^Denied\/AdmissionUnprotected: /;

/** What /readyz?verbose says of admission. */
async function readyz({ health }: Process = controller): Promise<string> {
  const text = await (await fetch(`${health}/readyz?verbose`)).text();
  return /^\[.\] admission.*$/m.exec(text)?.[0] ?? text;
}
const whole = async (): Promise<unknown> =>
  eventually(async () => (await readyz()).startsWith("[+]"), 30, "admission is whole, and in force");

const table = [["OBJECT", "SABOTAGE", "DENIED AFTER", "WHO ASKS OR WAITS IS TOLD"]];
const row = (on: string, what: string, from: number, says: string): void => {
  const told = says.replace(/^Denied\/AdmissionUnprotected: /, "").replace(`${on}: `, "");
  table.push([on, what, `${((Date.now() - from) / 1_000).toFixed(1)} s`, told.slice(0, 150)]);
};
afterAll(() => void process.stderr.write(`\nadmission sabotaged\n${aligned(table)}\n`));

test("IA12, IA29: each sabotage of an object of ours: who asks is Denied/AdmissionUnprotected and told of it; grants live on, and end on time", async () => {
  const { plane } = cluster;
  for (const [shop, duration] of [
    ["lasts", "10m"],
    ["ends", "12s"],
  ] as const) {
    await lives.ask(shop, "fix", { duration });
    await lives.until(shop, "fix", "Pending");
    await lives.prove(shop, "fix");
    await lives.until(shop, "fix", "Active");
  }
  const expiration = parseInstant((await lives.get("ends", "fix")).status?.grant?.expirationTime);
  const ending = { user: "alice", namespace: "ends", name: "fix", codeVerifier: "" };
  const late = forbiddenAfterMs(plane, ending, { from: expiration, within: 20_000, every: 100 });
  late.catch(() => undefined);

  for (const one of [...ofPolicies, ...ofCRDs]) {
    const mend = await sabotage(plane, one);
    const from = Date.now();
    const told = async () => {
      const { said } = await alice.judged();
      return said.includes(wordsOf(one)) && said;
    };
    try {
      const says = await eventually(told, 20, `${one.what}: who asks is told that ${wordsOf(one)}`);
      row(nameOf(one.on), one.what, from, says);
      expect(says).toMatch(denied);
      expect(await readyz()).toContain(`[-] admission: ${wordsOf(one)}`);
      expect(await lives.allowed("lasts")).toBe(true);
    } finally {
      await mend(); // and on to the next, so that all are seen as soon as somebody looks
    }
  }
  const all = [...ofPolicies, ...ofCRDs].map(wordsOf);
  const untold = async () => {
    const told = await alice.notes("AdmissionUnprotected");
    return all.filter((words) => !told.includes(words));
  };
  await eventually(async () => (await untold()).length === 0, 20, "Events say all of it").catch(() => undefined);
  expect(await untold()).toEqual([]);
  expect(await late).toBeLessThan(5_000);
  expect(await alice.says("fix", "ends")).toMatch(/^Expired\/Expired/);
  await whole();
  await alice.granted();
  expect(await alice.says("fix", "lasts")).toMatch(/^Active\//);
}, 240_000);

test("IA12: seen though nobody asks: what waits is denied, the policy and an Event say why; deleted and applied as shipped, grants go on", async () => {
  const { plane } = cluster;
  const name = await alice.waiting();
  const from = Date.now();
  await Promise.all([
    sabotage(plane, { on: binding("status") }),
    sabotage(plane, { on: policy("limits"), path: ["spec", "matchConditions"], to: () => [never] }),
    sabotage(plane, rulesOf(crd("authenticators"))),
  ]);
  const says = await alice.ended(name);
  row("three at once", "nobody asks", from, says);
  expect(says).toMatch(denied);
  const places: Readonly<Record<string, () => Promise<string | undefined>>> = {
    "/readyz": readyz,
    "the policy": async () => (await ready())?.message,
    "an Event": async () => alice.notes("AdmissionUnprotected"),
  };
  for (const [place, said] of Object.entries(places))
    await eventually(async () => (await said())?.includes("; and 2 more"), 20, `${place} says so`);
  expect(await ready()).toMatchObject({ status: "False", reason: "AdmissionUnprotected" });

  // as the policy says: what somebody added stays when it is applied again
  await cluster.kubectl("admin", "delete", "validatingadmissionpolicy", "kube-elevate-limits");
  await cluster.kubectl("admin", "apply", "-k", "config/default");
  await whole();
  expect(await alice.granted()).toMatch(/^Active\//);
}, 120_000);
const ready = async () => readyOf(cluster.plane, policiesPath("/shop-debug"));
const never = { name: "never", expression: "false" };

test("IA34: labels and annotations of our objects are anybody's: nobody is denied", async () => {
  const kinds =
    "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings,customresourcedefinitions";
  const name = await alice.waiting();
  for (const deed of ["label", "annotate"])
    await cluster.kubectl("admin", deed, kinds, "-l", "app.kubernetes.io/part-of=kube-elevate", "example.com/team=sre");
  await sleep(1_100); // until what was looked at before is asked for anew
  expect(await alice.prove(name)).toMatch(/^Active\//);
});

test.each([
  ["a binding is deleted and made again", { on: binding("request-create") }],
  ["a CRD loses its rules, and gets them back", rulesOf(requests)],
] as const)(
  "IA30: %s between two looks, its managedFields wound back: what waits is denied, what comes after is granted",
  async (_what, deed) => {
    const name = await alice.waiting();
    const from = Date.now();
    await blink(cluster.plane, deed);
    const says = await alice.ended(name, { asking: true });
    row(nameOf(deed.on), "off and on again", from, says);
    expect(says).toMatch(denied);
    expect(await alice.granted()).toMatch(/^Active\//);
  },
  120_000,
);

const seenPath = "/api/v1/namespaces/elevate-system/configmaps/kube-elevate-seen";
const account = (name: string): string => `system:serviceaccount:elevate-system:${name}`;
const shippedEmpty = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "kube-elevate-seen", namespace: "elevate-system" },
};
const stored = z.object({ data: z.record(z.string(), z.string()).optional() });
const kept = async (): Promise<Readonly<Record<string, string>>> =>
  stored.parse(await must(cluster.plane, "admin", "GET", seenPath)).data ?? {};

test("IA31: kube-elevate-seen is written by the controller alone, and deleted by nobody while it holds something", async () => {
  const entries = Object.keys(await kept());
  expect(entries).not.toEqual([]);
  const changes = [{ anything: "else" }, Object.fromEntries(entries.map((key) => [key, null]))];
  for (const user of ["admin", "alice"])
    for (const data of changes) {
      const { code, body } = await cluster.plane.ask(user, "PATCH", seenPath, { data }, "application/merge-patch+json");
      expect([user, code]).toEqual([user, 403]);
      expect(JSON.stringify(body)).toContain(user === "admin" ? "WriteNotPermitted: " : "forbidden");
    }
  const deleted = await cluster.refused("admin", "delete", "configmap", "kube-elevate-seen", "-n", "elevate-system");
  expect(deleted).toContain("DeleteNotPermitted: ");
});

test.each(["set by hand", "emptied and deleted"])(
  "IA31: kube-elevate-seen %s, by whoever has the controller's token: it counts as none kept",
  async (how) => {
    const { plane } = cluster;
    const name = await alice.waiting();
    const from = Date.now();
    const entries = Object.keys(await kept());
    expect(entries).not.toEqual([]);
    const value = how === "set by hand" ? "2020-01-01T00:00:00Z" : null;
    await must(plane, account("controller"), "PATCH", seenPath, {
      data: Object.fromEntries(entries.map((key) => [key, value])),
    });
    if (how === "emptied and deleted") await must(plane, "admin", "DELETE", seenPath);
    const says = await alice.ended(name, { asking: true });
    row("configmap kube-elevate-seen", how, from, says);
    expect(says).toMatch(denied);
    if (how === "emptied and deleted") await cluster.apply("admin", shippedEmpty);
    expect(await alice.granted()).toMatch(/^Active\//);
    expect(Object.keys(await kept())).toEqual(entries);
  },
  120_000,
);

test("IA30, IA32, IA29: all controllers are dead while policies are off, requests forged and edited, and policies on again: Denied, never bound", async () => {
  const { plane } = cluster;
  const edits: Readonly<Record<string, object>> = {
    [await alice.waiting()]: { policyName: "another" },
    [await alice.waiting()]: { duration: "1h" },
    [await alice.waiting()]: { requester: { groups: ["sres", "system:authenticated"] } },
    [await alice.waiting()]: {}, // untouched, and nobody can tell it from the others
  };
  await controller.stop("SIGKILL");
  const undo = [
    await sabotage(plane, { on: binding("request-create") }),
    await sabotage(plane, { on: binding("request-change") }),
    await sabotage(plane, rulesOf(requests)),
  ];
  const post = async (user: string, name: string, requester: object, query = ""): Promise<number> =>
    (await plane.ask(user, "POST", requestsPath("walls", query), requestBody(name, { requester }))).code;
  const devs = { username: "eve", uid: "uid-eve", groups: ["devs", "system:authenticated"] };
  const bob = { username: "bob", uid: "uid-bob", groups: ["devs", "system:authenticated"] };
  await eventually(async () => (await post("eve", "as-devs", devs)) === 201, 20, "eve says that she is in devs");
  await eventually(async () => (await post("alice", "as-bob", bob)) === 201, 20, "alice says that she is bob");
  for (const [name, spec] of Object.entries(edits)) {
    const edit = async () =>
      plane.ask("alice", "PATCH", requestsPath("walls", `/${name}`), { spec }, "application/merge-patch+json");
    await eventually(async () => (await edit()).code === 200, 20, `alice edits ${name}`);
    await lives.prove("walls", name);
  }
  for (const mend of undo) await mend();
  await eventually(async () => (await post("eve", "again", devs, "?dryRun=All")) === 422, 20, "policies are on");

  const from = Date.now();
  newer = true;
  proxy = await startProxy(plane, account("controller"), { server: () => lax?.server ?? plane.server, alters });
  controller = await startController(plane, { kubeconfig: proxy.kubeconfig });
  for (const name of [...Object.keys(edits), "as-devs", "as-bob"])
    expect([name, await alice.ended(name)]).toEqual([name, expect.stringMatching(denied)]);
  row("three at once", "off and on, no controller alive", from, await alice.says("as-devs"));
}, 120_000);

let newer = false;
let lax: LaxServer | undefined;
let proxy: Proxy | undefined;
/** What a newer API server might add to its objects. */
const alters = (path: string) =>
  newer && path.includes("admissionregistration.k8s.io") && !path.includes("watch=") ? withMore : undefined;
function withMore(body: unknown): unknown {
  const { spec, items, ...rest } = z
    .looseObject({ spec: z.looseObject({}).optional(), items: z.array(z.unknown()).optional() })
    .parse(body);
  return {
    ...rest,
    ...(spec && { spec: { ...spec, evaluationOrder: "Newer" } }),
    ...(items && { items: items.map(withMore) }),
  };
}

test("IA34: a field that a newer API server adds is told by an Event, and denies nobody", async () => {
  expect(newer).toBe(true);
  await alice.granted();
  await eventually(async () => (await alice.notes("AdmissionExtended")).includes("evaluationOrder"), 20, "it is told");
}, 60_000);

test("IA33: an API server that stores our policies and enforces none is found by the probe alone, on a change and at the start, and the probe leaves nothing behind", async () => {
  const { plane } = cluster;
  const other = await enforcingNone;
  const name = await alice.waiting();
  lax = other;
  const from = Date.now();
  await blink(plane, { on: binding("status") });
  expect(await alice.ended(name)).toMatch(denied);
  await eventually(async () => /probe/.test(await readyz()), 20, "the probe finds it");
  row("an API server that enforces none", "on a change", from, (await alice.judged()).said);
  expect((await alice.judged()).said).toMatch(denied);
  const second = await startController(plane, { kubeconfig: proxy?.kubeconfig ?? "", waitUntilReady: false });
  await eventually(
    async () => /^\[-\].*probe/.test(await readyz(second).catch(() => "")),
    30,
    "the probe finds it at the start",
  );
  await second.stop("SIGTERM");

  lax = undefined;
  await whole();
  await alice.granted();
  const { code } = await plane.ask("admin", "GET", bindingsPath("default", "/elevate:probe:00000000"));
  expect(code).toBe(404);
  expect(await readFile(other.auditLog, "utf8")).toContain("elevate:probe:00000000");
}, 120_000);

test("IA12, IA32: nothing was ever bound for who was denied, and policies are ready again", async () => {
  await eventually(async () => (await ready())?.status === "True", 20, "the policy is ready again");
  const bound = (await everBound(cluster.plane)).map((name) => name.split(":")[1]);
  expect(new Set(bound)).toEqual(new Set(["fix", ...alice.grants]));
});
