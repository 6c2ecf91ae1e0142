import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { startController } from "../../hack/controlplane/processes.ts";
import { bindingName } from "../../src/domain/binding.ts";
import { formatInstant, instant } from "../../src/domain/time.ts";
import { bindingBody, bindingsPath, requestsPath } from "../contract/bodies.ts";
import { useControlPlane } from "./support/control-plane.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";

// An admin who has taken our guards off writes what nobody may: the controller believes no record, but its seal.

const cluster = useControlPlane({ installed: "samples" });
let lives: Lives;

const admission = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/elevationrequests.kube-elevate.dev";
const as = async (user: string, method: string, path: string, body?: object) =>
  cluster.plane.ask(user, method, path, body, method === "PATCH" ? "application/merge-patch+json" : "application/json");
const setStatus = async (shop: string, status: object) =>
  as("admin", "PATCH", requestsPath(shop, "/fix/status"), { status });
const inMs = (ms: number): string => formatInstant(instant(Date.now() + ms));

beforeAll(async () => {
  await cluster.apply("admin", ...likeShop("guarded"));
  lives = await playLives(cluster.plane);
  await startController(cluster.plane);
  await pending("guarded");
}, 60_000);

async function pending(shop: string): Promise<void> {
  await cluster.apply("admin", ...likeShop(shop));
  await eventually(
    async () =>
      lives.ask(shop, "fix").then(
        () => true,
        () => false,
      ),
    10,
    `alice may ask in ${shop}`,
  );
  await lives.until(shop, "fix", "Pending");
}
async function active(shop: string): Promise<void> {
  await pending(shop);
  await lives.prove(shop, "fix");
  await lives.until(shop, "fix", "Active");
  expect(await lives.allowed(shop)).toBe(true);
}

test("with the guards on, system:masters may write no status, and no binding that looks like ours", async () => {
  const verification = await lives.verificationOf("guarded", "fix");
  const answer = await setStatus("guarded", { verification });
  expect([answer.code, JSON.stringify(answer.body)]).toEqual([403, expect.stringContaining("WriteNotPermitted: ")]);
  const { metadata } = await lives.get("guarded", "fix");
  const planted = await as("admin", "POST", bindingsPath("guarded"), bindingBody(metadata));
  expect([planted.code, JSON.stringify(planted.body)]).toEqual([403, expect.stringContaining("BindingRefused: ")]);
});

test("TA14: guard off, a proof that is forged, altered or another request's: Denied/RecordTampered, never bound", async () => {
  const shops = ["forged", "altered", "borrowed", "unknown-key"];
  for (const shop of shops) await pending(shop);
  await must(cluster.plane, "admin", "DELETE", `${admission}/kube-elevate-status`);
  const [forged, altered, unknown] = await Promise.all(
    ["forged", "altered", "unknown-key"].map(async (shop) => lives.verificationOf(shop, "fix")),
  );
  const proofs: { readonly [shop: string]: object } = {
    forged: { ...forged, seal: "A".repeat(86) },
    altered: { ...altered, verificationTime: inMs(2_000) },
    borrowed: { ...forged },
    "unknown-key": { ...unknown, keyID: "20991124T100000000Z" },
  };
  await eventually(
    async () => (await setStatus("forged", { verification: proofs["forged"] })).code === 200,
    10,
    "the guard is off",
  );
  for (const shop of shops.slice(1)) expect((await setStatus(shop, { verification: proofs[shop] })).code).toBe(200);
  for (const shop of shops) {
    const { status } = await lives.until(shop, "fix", "Denied");
    expect([shop, status?.reason, status?.grant]).toEqual([shop, "RecordTampered", undefined]);
    expect([shop, await lives.bound(shop, "fix")]).toEqual([shop, false]);
  }
});

test("guard off, a binding planted for a request that awaits its proof: gone within 5 s, and the request goes on", async () => {
  await pending("planted");
  await must(cluster.plane, "admin", "DELETE", `${admission}/kube-elevate-bindings`);
  const { metadata, spec } = await lives.get("planted", "fix");
  const path = bindingsPath("planted");
  await eventually(
    async () => (await as("admin", "POST", path, bindingBody(metadata))).code === 201,
    10,
    "it is bound",
  );
  expect(spec.requester.username).toBe("alice");
  await eventually(async () => !(await lives.bound("planted", "fix")), 10, "the planted binding is gone");
  expect((await lives.get("planted", "fix")).status?.phase).toBe("Pending"); // it still awaits its proof
  await lives.prove("planted", "fix");
  await lives.until("planted", "fix", "Active");
  expect(bindingName(metadata)).toBe((await lives.get("planted", "fix")).status?.grant?.bindingName);
});

test("TA14: guard and CRD rules off, expirationTime written later than the proof allows: unbound, Revoked/RecordTampered; earlier: obeyed", async () => {
  for (const shop of ["lengthened", "shortened", "shortened-to-soon"]) await active(shop);
  await dropRules();
  const lengthen = async () => setStatus("lengthened", { grant: { expirationTime: inMs(3_600_000) } });
  await eventually(async () => (await lengthen()).code === 200, 20, "the CRD lets it through");
  const { status } = await lives.until("lengthened", "fix", "Revoked");
  expect(status?.reason).toBe("RecordTampered");
  expect([await lives.bound("lengthened", "fix"), await lives.allowed("lengthened")]).toEqual([false, false]);

  expect((await setStatus("shortened", { grant: { expirationTime: inMs(-1_000) } })).code).toBe(200);
  expect((await lives.until("shortened", "fix", "Expired")).status?.reason).toBe("Expired");
  expect(await lives.allowed("shortened")).toBe(false);
  const soon = Date.now() + 3_000;
  expect((await setStatus("shortened-to-soon", { grant: { expirationTime: inMs(3_000) } })).code).toBe(200);
  await eventually(async () => !(await lives.allowed("shortened-to-soon")), 8, "it ends early");
  expect(Date.now()).toBeLessThan(soon + 5_000);
});

/** Takes every CEL rule out of the CRD, at all depths. */
async function dropRules(): Promise<void> {
  const text = JSON.stringify(await must(cluster.plane, "admin", "GET", crd));
  const without = z.looseObject({}).parse(JSON.parse(text, withoutRules));
  await must(cluster.plane, "admin", "PUT", crd, without);
}
const withoutRules = (key: string, value: unknown): unknown => (key === "x-kubernetes-validations" ? undefined : value);
