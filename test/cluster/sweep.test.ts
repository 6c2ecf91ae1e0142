import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Process, runSweep, startController } from "../../hack/controlplane/processes.ts";
import { bindingName } from "../../src/domain/binding.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { at, bindingsPath } from "../contract/bodies.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";

// The day when every controller is dead: what one pass of the sweeper ends by itself, and what it leaves alone.

const cluster = useControlPlane({ installed: "samples" });
const guard = "config/admission/bindings.yaml";
let lives: Lives;
let controller: Process;

beforeAll(async () => {
  lives = await playLives(cluster.plane);
  await cluster.apply("admin", ...likeShop("expired", "stripped", "garbled", "lengthened", "due"));
  controller = await startController(cluster.plane);
}, 60_000);

const sleepUntil = async (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));

async function grant(shop: string, duration: string): Promise<void> {
  await lives.ask(shop, "fix", { duration });
  await lives.until(shop, "fix", "Pending");
  await lives.prove(shop, "fix");
  await lives.until(shop, "fix", "Active");
}
const pathOf = async (shop: string): Promise<string> =>
  bindingsPath(shop, `/${bindingName((await lives.get(shop, "fix")).metadata)}`);
const change = async (path: string, metadata: object): Promise<unknown> =>
  must(cluster.plane, "admin", "PATCH", path, { metadata });

/** A binding that nobody of ours made. */
const binding = (name: string, metadata: object = {}): object => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: { name, namespace: "shop", annotations: { "kube-elevate.dev/expiration-time": at(-60) }, ...metadata },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bob" }],
});
const managed = { labels: { "app.kubernetes.io/managed-by": "kube-elevate" } };
const names = async (): Promise<readonly string[]> =>
  (await cluster.kubectl("admin", "get", "rolebindings", "-n", "shop", "-o", "name")).trim().split("\n");

test("EX35, TA17: controller dead: sweep alone ends what is overdue by the binding alone, labels or not, and nothing else", async () => {
  for (const [shop, duration] of [
    ["garbled", "10m"],
    ["lengthened", "10m"],
    ["due", "10m"],
    ["stripped", "9s"],
    ["expired", "8s"],
  ] as const)
    await grant(shop, duration);
  controller.kill("SIGKILL");
  await controller.exited;
  const { metadata, status } = await lives.get("stripped", "fix");

  await cluster.kubectl("admin", "delete", "-f", guard);
  const stripped = { "app.kubernetes.io/managed-by": null, "kube-elevate.dev/request-uid": null };
  await eventually(
    async () =>
      change(await pathOf("stripped"), { labels: stripped }).then(
        () => true,
        () => false,
      ),
    10,
    "the guard is off",
  );
  await change(await pathOf("garbled"), {
    annotations: { "kube-elevate.dev/expiration-time": "2026-02-30T10:00:00Z" },
  });
  await change(await pathOf("lengthened"), { annotations: { "kube-elevate.dev/expiration-time": at(86_000) } });
  await cluster.apply(
    "admin",
    binding("theirs"),
    binding("theirs-labelled", managed),
    binding("elevate:planted:00000000"),
  );
  await cluster.kubectl("admin", "apply", "-f", guard);

  await sleepUntil(parseInstant(status?.grant?.expirationTime));
  for (const shop of ["expired", "stripped", "garbled", "lengthened", "due"])
    expect(await lives.allowed(shop)).toBe(true);
  const { code, log } = await runSweep(cluster.plane);
  const access = await Promise.all(
    ["expired", "stripped", "garbled", "lengthened", "due"].map(async (shop) => lives.allowed(shop)),
  );
  expect(access).toEqual([false, false, false, true, true]); // what was lengthened is not due by its own word, and not a day old
  expect(code).toBe(0);
  expect(log.match(/an overdue binding is gone/g)).toHaveLength(4);
  expect(log).toContain(bindingName(metadata));
  expect(await names()).toEqual(
    expect.arrayContaining(
      ["theirs", "theirs-labelled"].map((name) => `rolebinding.rbac.authorization.k8s.io/${name}`),
    ),
  );
  expect(await names()).not.toContain("rolebinding.rbac.authorization.k8s.io/elevate:planted:00000000");
  // the records are the controller's, and are closed when it is back
  expect((await lives.get("expired", "fix")).status?.phase).toBe("Active");
}, 90_000);

test("EX35: the controller is back: it closes the records of what was swept", async () => {
  controller = await startController(cluster.plane);
  expect((await lives.until("expired", "fix", "Expired")).status).toMatchObject({ reason: "Expired" });
  expect((await lives.until("stripped", "fix", "Expired")).status).toMatchObject({ reason: "Expired" });
  expect((await lives.until("garbled", "fix", "Revoked")).status).toMatchObject({ reason: "BindingRemoved" });
  expect((await lives.until("lengthened", "fix", "Revoked")).status).toMatchObject({ reason: "BindingDrifted" });
  expect((await lives.get("due", "fix")).status?.phase).toBe("Active");
  await controller.stop();
});

test("a binding that a finalizer keeps is not gone: sweep says so and ends with 1, and with 0 once it is", async () => {
  await cluster.kubectl("admin", "delete", "-f", guard);
  const kept = "elevate:kept:00000000";
  const made = async (): Promise<boolean> =>
    cluster.apply("admin", binding(kept, { finalizers: ["example.com/keep"] })).then(
      () => true,
      () => false,
    );
  await eventually(made, 10, "the guard is off");
  await cluster.kubectl("admin", "apply", "-f", guard);
  const first = await runSweep(cluster.plane);
  expect(first.code).toBe(1);
  expect(first.log).toContain("an overdue binding is still there");
  await change(bindingsPath("shop", `/${kept}`), { finalizers: null });
  const second = await runSweep(cluster.plane);
  expect(second.code).toBe(0);
  expect(second.log).toContain("no binding is overdue");
  expect((await runSweep(cluster.plane, { env: { KUBECONFIG: "/does/not/exist" } })).code).toBe(1);
}, 90_000);

test("the Pod of the CronJob is let in where pod security is restricted, also when an admin starts it by hand", async () => {
  const create = ["create", "job", "sweep-now", "-n", "elevate-system", "--from=cronjob/sweeper"];
  const job = await cluster.kubectl("admin", ...create, "--dry-run=server", "-o", "json");
  const { spec } = z
    .object({ spec: z.object({ template: z.looseObject({ spec: z.looseObject({}) }) }) })
    .parse(JSON.parse(job));
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "sweep-now" }, spec: spec.template.spec };
  const path = "/api/v1/namespaces/elevate-system/pods?dryRun=All";
  await must(cluster.plane, "admin", "POST", path, pod);
  const loose = { ...pod, spec: { ...pod.spec, hostNetwork: true } };
  await expect(must(cluster.plane, "admin", "POST", path, loose)).rejects.toThrow("violates PodSecurity");
});
