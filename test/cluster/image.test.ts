import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { bundle } from "../../hack/bundle/bundle.ts";
import { endpointCAFile, runSweep, startController, startVerifier } from "../../hack/controlplane/processes.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { ask, challengePath, codeAt, enroll, post, stepNow, verifyPath } from "./support/endpoint.ts";

// What the image runs is a bundle, from which parts of packages are left out. One life, to its end, by each process.

const cluster = useControlPlane({ installed: "samples", invariants: {} });
const asImage = true;

test("the processes as the image runs them: a certificate is made, a factor enrolled, a grant made and ended", async () => {
  await bundle();
  const [controller, verifier] = await Promise.all([
    startController(cluster.plane, { asImage }),
    startVerifier(cluster.plane, { asImage }),
  ]);
  const ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
  const alice = await enroll(cluster, verifier, ca, "alice");
  const { codeVerifier } = await ask(cluster, "alice", "fix", { duration: "10s" });
  expect(await post(verifier, ca, challengePath("fix"), { codeVerifier })).toMatchObject({ status: 200 });
  const code = codeAt(alice.seed, await stepNow());
  expect(await post(verifier, ca, verifyPath("fix"), { codeVerifier, totp: { code } })).toMatchObject({ status: 200 });
  const allowed = async (): Promise<boolean> =>
    cluster.can("alice", { verb: "get", resource: "pods", namespace: "shop" });
  await eventually(allowed, 10, "alice may read pods");
  await eventually(async () => !(await allowed()), 20, "alice may no longer");
  expect(await cluster.kubectl("admin", "get", "elev", "fix", "-n", "shop")).toContain("Expired");
  expect(await runSweep(cluster.plane, { asImage })).toMatchObject({ code: 0 });
  for (const process of [controller, verifier]) {
    await process.stop("SIGTERM");
    expect(await process.exited).toBe(0);
    expect(await readFile(process.logFile, "utf8")).not.toMatch(/^[^{]|"level":"(error|fatal)"/m);
  }
}, 120_000);
