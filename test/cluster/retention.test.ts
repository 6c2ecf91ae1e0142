import { beforeAll, expect, test } from "vitest";
import { startController } from "../../hack/controlplane/processes.ts";
import { at, authenticatorBody, authenticatorsPath, hex, requestBody, requestsPath } from "../contract/bodies.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { must, playLives } from "./support/lives.ts";

// What the controller tidies away by itself, and what it never does: records whose time is over, invitations that ran out.

const cluster = useControlPlane({ installed: "samples" });
const controllerAccount = "system:serviceaccount:elevate-system:controller";
const verifierAccount = "system:serviceaccount:elevate-system:verifier";

beforeAll(async () => {
  await playLives(cluster.plane);
  await cluster.plane.accountKubeconfig("controller");
}, 60_000);

/** A record as the controller leaves it, of a request that ended so long ago. */
async function ended(name: string, hoursAgo: number): Promise<void> {
  await must(cluster.plane, "alice", "POST", requestsPath("shop"), requestBody(name));
  const status = { phase: "Denied", reason: "RoleNotFound", endTime: at(-hoursAgo * 3_600) };
  await must(cluster.plane, controllerAccount, "PATCH", requestsPath("shop", `/${name}/status`), { status });
}
async function invited(user: string, seconds: number): Promise<string> {
  const body = authenticatorBody(user, "totp", { invitedBy: "ivy", expirationTime: at(seconds) });
  await must(cluster.plane, "ivy", "POST", authenticatorsPath(), body);
  return `${hex(user)}.totp`;
}
const requests = async (): Promise<readonly string[]> => namesOf("elev", "-n", "shop");
const namesOf = async (...what: readonly string[]): Promise<readonly string[]> => {
  const args = ["get", ...what, "-o", "jsonpath={.items[*].metadata.name}"];
  return (await cluster.kubectl("admin", ...args)).split(" ").toSorted();
};

test("EX36, EN16: records past their retention go, by page, and invitations that ran out; what is open, young, Active or disabled stays", async () => {
  await ended("kept-719h", 719);
  await ended("kept-now", 0);
  for (let number = 100; number < 205; number++) await ended(`old-${number}`, 721);
  const active = await invited("anna", 2);
  const status = {
    phase: "Active",
    keyID: "k",
    seal: "s",
    totp: { lastTimeStep: 0, failures: { consecutive: 0, total: 0 } },
  };
  await must(cluster.plane, verifierAccount, "PATCH", authenticatorsPath(`/${active}/status`), { status });
  const disabled = await invited("dora", 2);
  await must(cluster.plane, "ivy", "PATCH", authenticatorsPath(`/${disabled}`), { spec: { disabled: true } });
  const open = await invited("olga", 600);
  const late = await invited("zoe", 2); // comes last in the list, so that the others were passed by when it is gone
  await must(cluster.plane, "alice", "POST", requestsPath("shop"), requestBody("open"));
  expect(await requests()).toHaveLength(108);

  const controller = await startController(cluster.plane);
  await eventually(async () => (await requests()).length === 3, 40, "old records are gone");
  expect(await requests()).toEqual(["kept-719h", "kept-now", "open"]);
  await eventually(async () => !(await namesOf("authenticators")).includes(late), 20, "the late invitation is gone");
  expect(await namesOf("authenticators")).toEqual([`${hex("alice")}.totp`, active, disabled, open]);
  await controller.stop();
}, 90_000);

test("EX36: a retention of less than 168h is refused at the start, by its name", async () => {
  const env = { KUBE_ELEVATE_RETENTION: "24h" };
  const controller = await startController(cluster.plane, { env, waitUntilReady: false });
  expect(await controller.exited).toBe(2);
});

test("EX36, EN16: the controller's account itself may delete no record that is open, and no factor that is Active", async () => {
  await expect(
    must(cluster.plane, controllerAccount, "DELETE", authenticatorsPath(`/${hex("anna")}.totp`)),
  ).rejects.toThrow("DeleteNotPermitted");
  await expect(must(cluster.plane, controllerAccount, "DELETE", requestsPath("shop", "/open"))).rejects.toThrow(
    "DeleteNotPermitted",
  );
});
