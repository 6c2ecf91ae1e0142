import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";
import { expect } from "vitest";
import { z } from "zod";
import {
  endpointCAFile,
  runSweep,
  startController,
  startVerifier,
  type Verifier,
} from "../../../hack/controlplane/processes.ts";
import { creationOptions, requestOptions } from "../../../src/api/v1alpha1/webauthn.ts";
import { requestPath } from "../../../src/api/v1alpha1/wire.ts";
import { opener } from "../../browser/support/opener.ts";
import { policyBody } from "../../contract/bodies.ts";
import { type SecurityKey, securityKey } from "../../fakes/security-key.ts";
import type { Cluster } from "../support/control-plane.ts";
import { ask, challengePath, codeAt, enroll, newSecret, post, stepNow, verifyPath } from "../support/endpoint.ts";
import { keyOf, pageEnv } from "../support/key.ts";
import { type Ended, pluginOf, recordingKubectl } from "../support/plugin.ts";
import { keysAndTokens, seedAndCodes, words } from "./kept.ts";
import { processesOf } from "./places.ts";
import type { Place, Secret } from "./search.ts";

// Both factors in use, by the real plugin, verifier, controller and sweeper, at their most talkative.

/** What was secret in it, and what cannot be looked at any more when it is over. */
export type Run = {
  readonly secrets: readonly Secret[];
  readonly outputs: readonly Place[];
  readonly others: readonly Place[];
};

type Stage = {
  readonly cluster: Cluster;
  readonly verifier: Verifier;
  readonly ca: string;
  readonly keep: (...secrets: readonly Secret[]) => void;
  readonly look: () => Promise<void>;
  readonly run: (user: string, args: readonly string[], ...lines: readonly string[]) => Running;
};
type Running = ReturnType<ReturnType<typeof pluginOf>> & { readonly done: () => Promise<Ended> };

const inShop = ["-n", "shop", "-j", "INC-1 test"];
const talkative = { KUBE_ELEVATE_LOG_LEVEL: "debug", KUBE_ELEVATE_CLUSTER_NAME: "shop-eu" };
const wrong = (): string => String(randomInt(100_000, 1_000_000));

export async function playRun(cluster: Cluster): Promise<Run> {
  const { plane } = cluster;
  const [secrets, outputs, others]: [Secret[], Place[], Place[]] = [[], [], []];
  await cluster.apply("admin", policyBody("shop-debug", { authentication: { methods: ["WebAuthn", "TOTP"] } }));
  const desktop = await opener(plane.dir);
  const env = { ...desktop.env, KUBECTL: (await recordingKubectl(plane)).path };
  const [verifier] = await Promise.all([
    startVerifier(plane, { env: { ...talkative, ...pageEnv } }),
    startController(plane, { env: talkative }),
  ]);
  const elevate = pluginOf(() => plane);
  const stage: Stage = {
    cluster,
    verifier,
    ca: await readFile(await endpointCAFile(plane), "utf8"),
    keep: (...more) => void secrets.push(...more),
    look: async () => void others.push(...(await processesOf(plane))),
    run(user, args, ...lines) {
      const running = elevate(user, args, { env });
      for (const line of lines) running.enter(line);
      const done = async (): Promise<Ended> => {
        running.hangUp();
        const ended = await running.ended;
        const bytes = Buffer.from(`${ended.stdout}\n${ended.stderr}`);
        outputs.push({ name: `output of ${user} ${args.join(" ")}`, bytes });
        return ended;
      };
      return { ...running, done };
    },
  };
  await Promise.all([byApp(stage), byHand(stage), byKey(stage)]);
  expect(await runSweep(plane)).toMatchObject({ code: 0 });
  await stage.look();
  for (const path of ["livez", "readyz?verbose"]) {
    const response = await fetch(`${verifier.health}/${path}`);
    others.push({ name: `the verifier's /${path}`, bytes: Buffer.from(await response.text()) });
  }
  secrets.push(...(await keysAndTokens(cluster, ["alice", "bob", "dee", "ivy", "sre", "admin"])));
  return { secrets, outputs, others };
}

/** alice: invited, enrolled, asked, proven and given back by the plugin, with wrong codes and a ticket that is spent. */
async function byApp({ keep, look, run }: Stage): Promise<void> {
  const { stdout } = await run("ivy", ["invite", "alice", "--method", "totp"]).done();
  const ticket = stdout.trim();
  keep(words("ticket of alice", ticket));
  const enrolling = run("alice", ["enroll", "totp", "--ticket-stdin"], ticket);
  const [, seed = ""] = /secret into it: {2}([A-Z2-7]+)\n/.exec(await enrolling.sees(/Code from/)) ?? [];
  const step = await stepNow(3_000);
  keep(...seedAndCodes("alice", seed, step));
  await look();
  const mistyped = wrong();
  keep({ what: "wrong code of alice", forms: [mistyped] });
  enrolling.enter(mistyped);
  enrolling.enter(codeAt(seed, step - 1));
  expect(await enrolling.done()).toMatchObject({ code: 0 });
  expect(await run("alice", ["enroll", "totp"], ticket).done()).toMatchObject({ code: 1 });

  const asking = run("alice", ["request", "shop-debug", ...inShop, "-o", "json"]);
  await asking.sees(/Code from/);
  await look();
  asking.enter(mistyped);
  asking.enter(codeAt(seed, await stepNow()));
  const { code, stdout: asked } = await asking.done();
  expect(code).toBe(0);
  const { spec, metadata } = z
    .object({ spec: z.object({ codeChallenge: z.string() }), metadata: z.object({ name: z.string() }) })
    .parse(JSON.parse(asked));
  expect(spec.codeChallenge).toHaveLength(43);
  for (const args of [["release"], ["verify", metadata.name], ["doctor"]])
    await run("alice", [...args, "-n", "shop"]).done();
}

/** bob: by hand, as somebody who means no good, too; his grant is revoked. */
async function byHand({ cluster, verifier, ca, keep, run }: Stage): Promise<void> {
  const bob = await enroll(cluster, verifier, ca, "bob");
  keep(words("ticket of bob", bob.ticket));
  const step = await stepNow();
  keep(...seedAndCodes("bob", bob.seed, step));
  const { codeVerifier } = await ask(cluster, "bob", "known");
  keep(words("codeVerifier of bob", codeVerifier));
  const [stranger, mistyped] = [newSecret(), wrong()];
  keep(words("codeVerifier of a stranger", stranger));
  keep({ what: "wrong code of bob", forms: [mistyped] });
  const at = (path: string, body: unknown) => post(verifier, ca, path, body);
  await at(challengePath("known"), { codeVerifier });
  await at(verifyPath("known"), { codeVerifier: stranger, totp: { code: mistyped } });
  await at(verifyPath("known"), { codeVerifier, totp: { code: mistyped } });
  await at(verifyPath("known"), { codeVerifier, totp: { code: mistyped, seed: bob.seed } });
  await at(verifyPath("known"), { codeVerifier: [codeVerifier], ticket: bob.ticket });
  await at(`${verifyPath("known")}?codeVerifier=${codeVerifier}&code=${mistyped}`, `${codeVerifier} ${mistyped}`);
  await at(requestPath("shop", codeVerifier.toLowerCase().replaceAll("_", "-"), "verify"), { codeVerifier });
  const code = codeAt(bob.seed, await stepNow());
  expect((await at(verifyPath("known"), { codeVerifier, totp: { code } })).status).toBe(200);
  expect(await run("sre", ["revoke", "known", "-n", "shop", "-j", "enough"]).done()).toMatchObject({ code: 0 });
}

/** dee: a key, answered as a browser would; used twice, then disabled. */
async function byKey({ keep, look, run }: Stage): Promise<void> {
  const { stdout } = await run("ivy", ["invite", "dee", "--method", "webauthn"]).done();
  const ticket = stdout.trim();
  keep(words("ticket of dee", ticket));
  const key = securityKey({ origin: pageEnv.KUBE_ELEVATE_PAGE_URL });
  const touched = async (running: Running): Promise<Ended> => {
    const said = await running.sees(/^https:\S+#\S+\n/m);
    await look();
    await answer(key, /^https:\S+#\S+$/m.exec(said)?.[0] ?? "");
    return running.done();
  };
  const enrolling = run("dee", ["enroll", "webauthn", "--ticket-stdin"], ticket);
  expect(await touched(enrolling)).toMatchObject({ code: 0 });
  expect(await touched(run("dee", ["request", "shop-debug", ...inShop]))).toMatchObject({ code: 0 });
  const command = ["run", "shop-debug", ...inShop, "--", "true"];
  expect(await touched(run("dee", command))).toMatchObject({ code: 0 });
  expect(await run("ivy", ["disable", keyOf("dee")]).done()).toMatchObject({ code: 0 });
}

async function answer(key: SecurityKey, address: string): Promise<void> {
  const fragment = inflateSync(Buffer.from(address.replace(/^.*#/, ""), "base64url")).toString("utf8");
  const { state, port, kind, options } = asked.parse(JSON.parse(fragment));
  const webauthn =
    kind === "enroll" ? key.create(creationOptions.parse(options)) : key.get(requestOptions.parse(options));
  const outcome = Buffer.from(JSON.stringify({ state, webauthn })).toString("base64url");
  await fetch(`http://127.0.0.1:${String(port)}/?state=${state}&answer=${outcome}`);
}
const asked = z.object({ state: z.string(), port: z.int(), kind: z.string(), options: z.unknown() });
