import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { startController } from "../../hack/controlplane/processes.ts";
import { bindingName } from "../../src/domain/binding.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { useControlPlane } from "./support/control-plane.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";
import { type Around, type Proxy, startProxy } from "./support/proxy.ts";

// SIGKILL between two writes of a life: 1 offer, 2 promise, 3 bind, 4 activate, 5 unbind, 6 close. Before write n + 1 is
// after write n, for what the process knew dies with it. A proxy holds back the reply, so that only the kill ends the wait.

const cluster = useControlPlane({ installed: "samples" });
const account = "system:serviceaccount:elevate-system:controller";
let lives: Lives;

beforeAll(async () => {
  lives = await playLives(cluster.plane);
  await cluster.plane.accountKubeconfig("controller");
}, 60_000);

const never = async (): Promise<void> => new Promise(() => undefined);
const sleepUntil = async (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));

/** A controller behind a proxy, killed once its write number `last` has been applied. */
async function killedAfter(last: number, during: () => Promise<void>): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const after: Around["after"] = async ({ number }) => {
    if (number !== last) return;
    reached.resolve();
    await never();
  };
  const proxy = await startProxy(cluster.plane, account, { after });
  const controller = await startController(cluster.plane, { kubeconfig: proxy.kubeconfig });
  await during();
  await reached.promise;
  controller.kill("SIGKILL");
  await controller.exited;
  await proxy.close();
  expect(proxy.writes).toHaveLength(last);
}

async function live(shop: string, duration: string): Promise<void> {
  await lives.ask(shop, "fix", { duration });
  await lives.until(shop, "fix", "Pending");
  await lives.prove(shop, "fix");
}
const expirationOf = async (shop: string): Promise<number> =>
  parseInstant((await lives.get(shop, "fix")).status?.grant?.expirationTime);

test.each([
  ["promise", 2, "Granting", false],
  ["bind", 3, "Granting", true],
  ["activate", 4, "Active", true],
] as const)(
  "EX20: SIGKILL after %s: the access is the record's, the next start goes on and ends it on time",
  async (after, last, phase, bound) => {
    const shop = `killed-${after}`;
    await cluster.apply("admin", ...likeShop(shop));
    await killedAfter(last, async () => live(shop, "12s"));
    expect([(await lives.get(shop, "fix")).status?.phase, await lives.bound(shop, "fix")]).toEqual([phase, bound]);
    expect(await lives.allowed(shop)).toBe(bound);

    const next = await startController(cluster.plane);
    const { status } = await lives.until(shop, "fix", "Active");
    expect([await lives.bound(shop, "fix"), await lives.allowed(shop)]).toEqual([true, true]);
    await sleepUntil(parseInstant(status?.grant?.expirationTime));
    await lives.until(shop, "fix", "Expired", 5);
    expect([await lives.bound(shop, "fix"), await lives.allowed(shop)]).toEqual([false, false]);
    await next.stop();
  },
);

test("EX04: killed after the promise and started after the expiration: never bound, Expired", async () => {
  await cluster.apply("admin", ...likeShop("too-late"));
  await killedAfter(2, async () => live("too-late", "2s"));
  await sleepUntil(await expirationOf("too-late"));
  const next = await startController(cluster.plane);
  const { metadata, status } = await lives.until("too-late", "fix", "Expired", 5);
  expect(status?.grant?.grantTime).toBeUndefined();
  const audited = (await readFile(cluster.plane.auditLog, "utf8")).split("\n");
  const creates = audited.filter((line) => line.includes(bindingName(metadata)) && line.includes('"verb":"create"'));
  expect(creates.filter((line) => !line.includes("dryRun=All"))).toEqual([]);
  await next.stop();
});

test("EX02, EX34: dead across the expiration: the start ends it first, then says that it is ready, then grants", async () => {
  await cluster.apply("admin", ...likeShop("dead", "waiting"));
  await killedAfter(5, async () => {
    await lives.ask("waiting", "fix", { duration: "1m" });
    await lives.until("waiting", "fix", "Pending");
    await live("dead", "3s");
  });
  await sleepUntil(await expirationOf("dead"));
  expect(await lives.allowed("dead")).toBe(true); // nobody is there to end it
  await lives.prove("waiting", "fix");

  const readyAt: number[] = [];
  let health = "";
  const before: Around["before"] = async () => {
    readyAt.push((await fetch(`${health}/readyz`)).status);
  };
  const proxy: Proxy = await startProxy(cluster.plane, account, { before });
  const next = await startController(cluster.plane, { kubeconfig: proxy.kubeconfig, waitUntilReady: false });
  ({ health } = next);
  await eventually(async () => (await fetch(`${health}/readyz`).catch(() => undefined))?.status === 200, 20, "ready");
  expect((await lives.get("dead", "fix")).status?.phase).toBe("Expired");
  expect(await lives.allowed("dead")).toBe(false);
  await lives.until("waiting", "fix", "Active");
  const about = proxy.writes.map(({ method, path }) => `${method} ${/namespaces\/([^/]+)/.exec(path)?.[1] ?? ""}`);
  expect(about.slice(0, 2)).toEqual(["DELETE dead", "PATCH dead"]);
  expect(readyAt.slice(0, 2)).toEqual([503, 503]);
  await next.stop();
  await proxy.close();
});

test("SIGKILL between unbind and close: the record is closed by the next start, as Expired", async () => {
  await cluster.apply("admin", ...likeShop("unclosed"));
  await killedAfter(5, async () => live("unclosed", "2s"));
  expect((await lives.get("unclosed", "fix")).status?.phase).toBe("Active");
  expect(await lives.allowed("unclosed")).toBe(false);
  const next = await startController(cluster.plane);
  expect((await lives.get("unclosed", "fix")).status).toMatchObject({ phase: "Expired", reason: "Expired" });
  await next.stop();
});

test("RC13: a gate that closes between bind and Active: the binding goes, Denied with the gate's word, never Active", async () => {
  await cluster.apply("admin", ...likeShop("closing"));
  const after: Around["after"] = async ({ method }) => {
    const path = "/apis/rbac.authorization.k8s.io/v1/namespaces/closing/rolebindings/use-shop-debug";
    if (method === "POST") await must(cluster.plane, "admin", "DELETE", path);
  };
  const proxy = await startProxy(cluster.plane, account, { after });
  const controller = await startController(cluster.plane, { kubeconfig: proxy.kubeconfig });
  await live("closing", "10m");
  const { status } = await lives.until("closing", "fix", "Denied");
  expect(status).toMatchObject({ reason: "UseNotPermitted" });
  expect(status?.grant?.grantTime).toBeUndefined();
  expect(await lives.bound("closing", "fix")).toBe(false);
  expect(proxy.writes.map(({ method }) => method)).toEqual(["PATCH", "PATCH", "POST", "DELETE", "PATCH"]);
  await controller.stop();
  await proxy.close();
});

test("SIGTERM: the controller ends by itself, with exit code 0", async () => {
  const controller = await startController(cluster.plane);
  controller.kill("SIGTERM");
  expect(await controller.exited).toBe(0);
});
