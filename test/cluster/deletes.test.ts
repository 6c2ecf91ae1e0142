import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Process, startController } from "../../hack/controlplane/processes.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { bindingsPath, requestsPath } from "../contract/bodies.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { startForeignWebhook } from "./support/foreign-webhook.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";
import { pluginOf } from "./support/plugin.ts";

// What others delete, and what others do not let us delete: a request, its namespace, its binding.

const downs: { readonly namespace: string; readonly from: number; readonly to: number }[] = [];
const cluster = useControlPlane({ installed: "samples", invariants: { except: ["I4"], downs } }); // codes are played by hand
const elevate = pluginOf(() => cluster.plane);
const well = ["well-0", "well-1", "well-2", "well-3"];
let lives: Lives;
let controller: Process;

beforeAll(async () => {
  await cluster.apply("admin", ...likeShop("kept", "gone", "watched", "terminating", "refusing", "hanging", ...well));
  lives = await playLives(cluster.plane);
  controller = await startController(cluster.plane);
}, 60_000);

async function grant(namespace: string, duration = "10m"): Promise<number> {
  await lives.ask(namespace, "fix", { duration });
  await lives.until(namespace, "fix", "Pending", 20);
  await lives.prove(namespace, "fix");
  const { status } = await lives.until(namespace, "fix", "Active", 20);
  expect(await lives.allowed(namespace)).toBe(true);
  return parseInstant(status?.grant?.expirationTime);
}
/** Admission was changed under the controller: it has seen that, and believes what is asked from now on. */
async function untilBelievedAgain(): Promise<void> {
  const told = "admission is as shipped: requests are believed from then on";
  await eventually(async () => (await logged(told)).length > 1, 15, "the change is seen");
  await eventually(async () => (await fetch(`${controller.health}/readyz`)).ok, 15, "the controller is ready again");
}
/** When alice is first refused there. */
async function whenForbidden(namespace: string, seconds: number): Promise<number> {
  await eventually(async () => !(await lives.allowed(namespace)), seconds, `alice is refused in ${namespace}`);
  return Date.now();
}
const print = (line: string): unknown => process.stderr.write(`${line}\n`);
const remove = async (path: string): Promise<unknown> => must(cluster.plane, "admin", "DELETE", path);
const conditionOf = async (namespace: string, type: string) =>
  (await lives.get(namespace, "fix")).status?.conditions?.find((condition) => condition.type === type);
const logged = async (message: string): Promise<readonly Record<string, unknown>[]> =>
  (await readFile(controller.logFile, "utf8"))
    .split("\n")
    .filter((line) => line.includes(`"msg":"${message}"`))
    .map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
const deletionOf = async (namespace: string) =>
  (await logged("a request was deleted while it gave access")).filter((line) => line["namespace"] === namespace);

test("TA04: kubectl delete elev is refused while Active, with what to do, and works for an SRE when it ended", async () => {
  await grant("kept");
  const fix = ["delete", "elev", "fix", "-n", "kept"];
  expect(await cluster.refused("sre", ...fix)).toContain(
    "DeleteNotPermitted: this request is Active, and access ends before its record. First: kubectl elevate revoke fix -j TEXT",
  );
  expect(await cluster.refused("alice", ...fix)).toContain('cannot delete resource "elevationrequests"');
  await must(cluster.plane, "alice", "PATCH", requestsPath("kept", "/fix"), { spec: { termination: { by: "alice" } } });
  await lives.until("kept", "fix", "Released");
  expect(await lives.allowed("kept")).toBe(false);
  expect(await cluster.refused("alice", ...fix)).toContain('cannot delete resource "elevationrequests"');
  expect(await cluster.kubectl("sre", ...fix)).toContain('"fix" deleted');
}, 60_000);

test("EX37: kubectl delete namespace while Active: nothing hangs, access ends, and the log tells who had what until when", async () => {
  const expiration = await grant("gone");
  const { metadata } = await lives.get("gone", "fix");
  const from = Date.now();
  const deleted = cluster.kubectl("admin", "delete", "namespace", "gone", "--timeout=60s");
  const forbidden = await whenForbidden("gone", 60);
  await deleted;
  print(`namespace deleted: 403 after ${String(forbidden - from)} ms, gone after ${String(Date.now() - from)} ms`);
  await eventually(async () => (await deletionOf("gone")).length > 0, 10, "the deletion is logged");
  expect(await deletionOf("gone")).toEqual([
    expect.objectContaining({
      name: "fix",
      uid: metadata.uid,
      reason: "RequestDeleted",
      requester: "alice",
      policy: "shop-debug",
      role: "ClusterRole/pod-debugger",
      expirationTime: new Date(expiration).toISOString(),
    }),
  ]);
}, 90_000);

test("EX37: a request with a deletionTimestamp that somebody's finalizer keeps: Revoked/RequestDeleted, unbound on time", async () => {
  const guard = "config/admission/request-change.yaml";
  const path = requestsPath("kept", "/fix");
  await grant("kept");
  await cluster.kubectl("admin", "delete", "-f", guard);
  await eventually(
    async () =>
      must(cluster.plane, "admin", "PATCH", path, { metadata: { finalizers: ["example.com/keep"] } }).then(
        () => true,
        () => false,
      ),
    10,
    "the guard is off",
  );
  const from = Date.now();
  await remove(path);
  const forbidden = await whenForbidden("kept", 5);
  const { status } = await lives.until("kept", "fix", "Revoked", 5);
  await cluster.kubectl("admin", "apply", "-f", guard);
  await untilBelievedAgain();
  expect(status).toMatchObject({ reason: "RequestDeleted" });
  expect(await lives.bound("kept", "fix")).toBe(false);
  print(`request deleted, kept by a finalizer: 403 after ${String(forbidden - from)} ms`);
  expect(await deletionOf("kept")).toEqual([expect.objectContaining({ requester: "alice", reason: "RequestDeleted" })]);
  await must(cluster.plane, "admin", "PATCH", path, { metadata: { finalizers: null } });
  await eventually(async () => (await cluster.plane.ask("admin", "GET", path)).code === 404, 10, "it is gone");
}, 60_000);

test("EX18: a watch that was open before the end is no new request: it still hears what happens, for its caller is not asked again", async () => {
  await grant("watched");
  const { plane } = cluster;
  const command = ["get", "pods", "-n", "watched", "--watch", "-o", "name"];
  const watching = spawn(plane.kubectl, command, { env: plane.envOf("alice") });
  let heard = "";
  let complaint = "";
  watching.stdout.on("data", (text) => (heard += String(text)));
  watching.stderr.on("data", (text) => (complaint += String(text)));
  const ended = new Promise((resolve) => watching.once("exit", resolve));
  try {
    const pod = { metadata: { name: "before" }, spec: { containers: [{ name: "a", image: "none.invalid/a" }] } };
    const pods = "/api/v1/namespaces/watched/pods";
    await must(cluster.plane, "admin", "POST", pods, pod);
    await eventually(() => heard.includes("pod/before"), 20, "the watch is open");
    await must(cluster.plane, "sre", "PATCH", requestsPath("watched", "/fix"), {
      spec: { termination: { by: "sre", justification: "enough" } },
    });
    await lives.until("watched", "fix", "Revoked");
    expect(await cluster.refused("alice", "get", "pods", "-n", "watched")).toContain("Forbidden");
    await must(cluster.plane, "admin", "POST", pods, { ...pod, metadata: { name: "after" } });
    await eventually(() => heard.includes("pod/after"), 10, "the watch still hears");
    expect(complaint).toBe("");
  } finally {
    watching.kill();
  }
  await ended;
}, 60_000);

test("RC08: a namespace that ends while a request is granted: Denied at its first refusal and one rehearsal, no hot loop", async () => {
  await lives.ask("terminating", "fix");
  await lives.until("terminating", "fix", "Pending", 20);
  const { controllerManager } = cluster.plane.pids;
  process.kill(controllerManager, "SIGSTOP"); // so that it ends, and nothing in it is deleted yet
  try {
    await remove("/api/v1/namespaces/terminating");
    await lives.prove("terminating", "fix");
    const { status } = await lives.until("terminating", "fix", "Denied", 30);
    expect(status).toMatchObject({
      reason: "BindingRefused",
      message: expect.stringContaining("terminated") as unknown,
    });
    const creates = (await readFile(cluster.plane.auditLog, "utf8"))
      .split("\n")
      .filter((line) => line.includes(`"verb":"create"`) && line.includes(bindingsPath("terminating")))
      .filter((line) => line.includes("elevate:fix:"));
    const rehearsals = creates.filter((line) => line.includes("dryRun=All"));
    print(
      `namespace ended while Granting: ${String(rehearsals.length)} rehearsals of ${String(creates.length)} creates`,
    );
    expect(rehearsals).toHaveLength(2); // for the offer, and to learn why it is refused
    expect(creates.length - rehearsals.length).toBeLessThanOrEqual(2);
  } finally {
    process.kill(controllerManager, "SIGCONT");
  }
  await cluster.kubectl("admin", "wait", "--for=delete", "namespace/terminating", "--timeout=60s");
}, 90_000);

test("EX39: others' webhooks that refuse DELETE, or never answer: Stalled and told at once, all others on time, ended when they go", async () => {
  const refusing = await startForeignWebhook("refuses");
  const hanging = await startForeignWebhook("hangs");
  try {
    await cluster.apply("admin", refusing.configuration("foreign-refusing", "refusing", 10));
    await cluster.apply("admin", hanging.configuration("foreign-hanging", "hanging", 30));
    await eventually(
      async () => {
        const dry = bindingsPath("refusing", "/use-shop-debug?dryRun=All");
        await cluster.plane.ask("admin", "DELETE", dry);
        return refusing.asked() > 0;
      },
      10,
      "others' webhooks are asked",
    );
    const all = ["refusing", "hanging", ...well];
    const expirations = new Map(
      await Promise.all(all.map(async (namespace) => [namespace, await grant(namespace, "8s")] as const)),
    );
    const expirationOf = (namespace: string): number => expirations.get(namespace) ?? Number.NaN;
    await new Promise((resolve) => setTimeout(resolve, Math.max(...expirations.values()) - Date.now()));
    const stalled = (namespace: string): Promise<number> =>
      eventually(
        async () => (await conditionOf(namespace, "Stalled"))?.status === "True" && Date.now(),
        40,
        `${namespace} is stalled`,
      );
    const [first, second, ...ended] = await Promise.all([
      stalled("refusing"),
      stalled("hanging"),
      ...well.map(async (namespace) => (await whenForbidden(namespace, 10)) - expirationOf(namespace)),
    ]);
    print(`others ended after ${ended.join(", ")} ms`);
    print(
      `stalled: refused after ${String(first - expirationOf("refusing"))} ms, hanging after ${String(second - expirationOf("hanging"))} ms`,
    );
    expect(Math.max(...ended)).toBeLessThan(5_000);
    expect(first - expirationOf("refusing")).toBeLessThan(5_000);
    expect(second - expirationOf("hanging")).toBeLessThan(5_000);
    for (const namespace of ["refusing", "hanging"]) {
      expect((await lives.get(namespace, "fix")).status).toMatchObject({ phase: "Active", reason: "UnbindFailing" });
      expect(await lives.allowed(namespace)).toBe(true);
      const events = await cluster.kubectl(
        "admin",
        "get",
        "events",
        "-n",
        namespace,
        "-o",
        "jsonpath={.items[*].reason}",
      );
      expect(events).toContain("UnbindFailing");
    }
    const doctor = async (user: string): Promise<string> =>
      (await elevate(user, ["doctor", "-n", "refusing"]).ended).stdout;
    expect(await doctor("admin")).toContain(
      `wrong  others are asked before a binding goes: while one refuses, or does not answer, no access ends
       ValidatingWebhookConfiguration foreign-hanging: foreign-hanging.example.com (up to 30s)
       ValidatingWebhookConfiguration foreign-refusing: foreign-refusing.example.com (up to 10s)
`,
    );
    expect(await doctor("alice")).toContain(
      "ok     whether others can keep a binding from going, only those can look up",
    );

    const from = Date.now();
    await remove("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/foreign-refusing");
    await remove("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/foreign-hanging");
    const gone = await Promise.all(["refusing", "hanging"].map(async (namespace) => whenForbidden(namespace, 60)));
    expect(Math.max(...gone) - from).toBeLessThan(5_000);
    print(
      `403 after they went: refused ${String((gone[0] ?? 0) - from)} ms, hanging ${String((gone[1] ?? 0) - from)} ms`,
    );
    for (const namespace of ["refusing", "hanging"]) {
      downs.push({ namespace, from: expirationOf(namespace) - 1_000, to: from });
      const { status } = await lives.until(namespace, "fix", "Expired", 10);
      expect(status?.conditions).toContainEqual(expect.objectContaining({ type: "Stalled", status: "False" }));
    }
  } finally {
    refusing.close();
    hanging.close();
  }
}, 180_000);
