import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { install } from "../../hack/controlplane/install.ts";
import { root } from "../../hack/controlplane/plugin.ts";
import { type Process, startController } from "../../hack/controlplane/processes.ts";
import { uninstallLines } from "../../hack/uninstall.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { type Lives, likeShop, playLives } from "./support/lives.ts";

// The lines of README that remove kube-elevate, run as they stand, while somebody is elevated.

const cluster = useControlPlane({ installed: "nothing" });
const { removal, cure } = uninstallLines();

/** A fresh install, and alice elevated in `shop-0`. */
async function elevated(): Promise<{ readonly lives: Lives; readonly controller: Process }> {
  await install(cluster.plane);
  await cluster.kubectl("admin", "apply", "-k", "config/samples");
  await cluster.apply("admin", ...likeShop("shop-0"));
  const lives = await playLives(cluster.plane);
  const controller = await startController(cluster.plane);
  await lives.ask("shop-0", "fix", { duration: "10m" });
  await lives.until("shop-0", "fix", "Pending", 20);
  await lives.prove("shop-0", "fix");
  await lives.until("shop-0", "fix", "Active", 20);
  expect(await lives.allowed("shop-0")).toBe(true);
  return { lives, controller };
}
/** As an admin's shell runs it, in a checkout; one that hangs fails. */
async function shell(line: string): Promise<void> {
  const options = { cwd: root, env: cluster.plane.envOf("admin"), timeout: 60_000 };
  await promisify(execFile)("/bin/bash", ["-euo", "pipefail", "-c", line], options);
}

test("EX19: the documented uninstall with an active grant: access ends first and is recorded, nothing hangs, nothing is left", async () => {
  const { lives, controller } = await elevated();
  const ended: boolean[] = [];
  for (const line of removal) {
    await shell(line);
    ended.push(!(await lives.allowed("shop-0")));
    if (line.startsWith("kubectl wait"))
      expect((await lives.get("shop-0", "fix")).status).toMatchObject({ phase: "Revoked", reason: "BindingRemoved" });
  }
  // after the second line, while all that guards and records is still there
  expect(ended.slice(1)).toEqual(removal.slice(1).map(() => true));
  await controller.stop();
  const installed = ["get", "-k", "config/default", "--ignore-not-found", "-o", "name"];
  expect(await cluster.kubectl("admin", ...installed)).toBe("");
  for (const line of removal.slice(3)) await shell(line); // once more: it is no error that nothing is there
}, 180_000);

test("EX19: installed anew, and its namespace alone deleted: nothing hangs, and the one-line cure ends the access", async () => {
  const { lives, controller } = await elevated();
  controller.kill("SIGKILL"); // its Pods go with the namespace
  await controller.exited;
  const before = await cluster.kubectl("admin", "get", "rolebindings", "-A", "-o", "name");
  expect(before).toContain("elevate:fix:");
  await shell("kubectl delete namespace elevate-system --timeout=50s");
  expect(await lives.allowed("shop-0")).toBe(true);
  await shell(cure);
  await eventually(async () => !(await lives.allowed("shop-0")), 5, "the access is over");
  expect(await cluster.kubectl("admin", "get", "rolebindings", "-A", "-o", "name")).not.toContain("elevate:");
}, 180_000);
