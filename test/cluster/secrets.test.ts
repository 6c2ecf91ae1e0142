import { createHash, createPrivateKey, randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import {
  endpointCAFile,
  runSweep,
  startController,
  startVerifier,
  type Verifier,
} from "../../hack/controlplane/processes.ts";
import { creationOptions, requestOptions } from "../../src/api/v1alpha1/webauthn.ts";
import { requestPath } from "../../src/api/v1alpha1/wire.ts";
import { opener } from "../browser/support/opener.ts";
import { policyBody } from "../contract/bodies.ts";
import { accountName } from "../contract/installed.ts";
import { type SecurityKey, securityKey } from "../fakes/security-key.ts";
import { useControlPlane } from "./support/control-plane.ts";
import { ask, challengePath, codeAt, enroll, newSecret, post, stepNow, verifyPath } from "./support/endpoint.ts";
import { keyOf, pageEnv } from "./support/key.ts";
import { etcdOf, filesOf, objectsOf, processesOf } from "./support/places.ts";
import { type Ended, pluginOf, recordingKubectl } from "./support/plugin.ts";
import { type Found, type Place, type Secret, search, spellings } from "./support/search.ts";

// A run with both factors, by the real plugin, verifier, controller and sweeper, at their most talkative; then each secret
// that was used in it is searched for in all that it has left.

const cluster = useControlPlane({ installed: "samples", users: [{ name: "dee", groups: ["devs"] }] });
const elevate = pluginOf(() => cluster.plane);
const inShop = ["-n", "shop", "-j", "INC-1 test"];
const talkative = { KUBE_ELEVATE_LOG_LEVEL: "debug", KUBE_ELEVATE_CLUSTER_NAME: "shop-eu" };

const secrets: Secret[] = [];
const outputs: Place[] = [];
const processes: Place[] = [];
let env: Readonly<Record<string, string>> = {};
let verifier: Verifier;
let ca = "";

const keep = (what: string, ...forms: readonly (string | Uint8Array)[]): void => void secrets.push({ what, forms });
const look = async (): Promise<void> => void processes.push(...(await processesOf(cluster.plane)));
const wrong = (): string => String(randomInt(100_000, 1_000_000));
/** The plugin with a desktop and a kubectl that writes down its arguments; what it says is a place. */
function run(user: string, args: readonly string[], ...lines: readonly string[]) {
  const running = elevate(user, args, { env });
  for (const line of lines) running.enter(line);
  const ended = async (): Promise<Ended> => {
    running.hangUp();
    const done = await running.ended;
    outputs.push({ name: `output of ${user} ${args.join(" ")}`, bytes: Buffer.from(`${done.stdout}\n${done.stderr}`) });
    return done;
  };
  return { ...running, done: ended };
}
/** Codes that this seed shows while the test runs: each of them is good for something. */
function keepCodes(user: string, seed: string, step: number): void {
  keep(`seed of ${user}`, seed, bytesOf(seed));
  for (let each = step - 2; each < step + 6; each += 1) keep(`code of ${user}`, codeAt(seed, each));
}

beforeAll(async () => {
  const { plane } = cluster;
  await cluster.apply("admin", {
    ...policyBody("shop-debug", { authentication: { methods: ["WebAuthn", "TOTP"] } }),
  });
  const desktop = await opener(plane.dir);
  env = { ...desktop.env, KUBECTL: (await recordingKubectl(plane)).path };
  [verifier] = await Promise.all([
    startVerifier(plane, { env: { ...talkative, ...pageEnv } }),
    startController(plane, { env: talkative }),
  ]);
  ca = await readFile(await endpointCAFile(plane), "utf8");
});

test("SE01: of a whole run no seed, code, codeVerifier, ticket, key or token is in any object, Event, log, metric, argument, environment or file, but the keys in kube-elevate-keys", async () => {
  const { plane } = cluster;
  await Promise.all([byApp(), byHand(), byKey()]);
  expect(await runSweep(plane)).toMatchObject({ code: 0 });
  await look();
  await keepKeysAndTokens();

  const objects = await objectsOf(plane);
  const places = [...objects, ...(await etcdOf(plane)), ...(await filesOf(plane)), ...processes];
  places.push(...(await Promise.all(["livez", "readyz?verbose"].map(async (path) => healthOf(path)))));
  const challenges = new Set(await challengesOf());
  expect(challenges.size).toBeGreaterThan(6);
  expect(places.flatMap(verifiersIn).filter(({ challenge }) => challenges.has(challenge))).toEqual([]);
  const found = search(secrets, [...places, ...outputs]);
  expect(linesOf(found.filter((one) => !isHeld(one)))).toEqual([
    // the only ways from person to person, and from the verifier to a phone
    "seed of alice: output of alice enroll totp --ticket-stdin",
    "ticket of alice: output of ivy invite alice --method totp",
    "ticket of dee: output of ivy invite dee --method webauthn",
  ]);
  const held = linesOf(found.filter(isHeld));
  for (const kind of ["seal", "seed", "endpoint"]) {
    expect(held.filter((line) => line.startsWith(`key ${kind}-key.`) && line.includes(": objects "))).toHaveLength(1);
    expect(held.some((line) => line.startsWith(`key ${kind}-key.`) && line.includes(": etcd/"))).toBe(true);
  }
  const names = [...places, ...outputs].filter(({ bytes }) => bytes.length > 0).map(({ name }) => name);
  expect(looked.filter((seen) => !names.some((name) => seen.test(name)))).toEqual([]);
}, 300_000);

const linesOf = (found: readonly Found[]): readonly string[] =>
  found.map(({ what, where }) => `${what}: ${where}`).toSorted();
const isHeld = ({ what, where }: Found): boolean => what.startsWith("key ") && inSecret.test(where);
const inSecret = /^(?:objects \/objects\/api\/v1|etcd\/.* \/registry)\/secrets\/elevate-system\/kube-elevate-keys$/;
const looked = [
  /^objects$/,
  /^metrics$/,
  /^etcd\/member\/snap\/db$/,
  /^etcd\/member\/wal\//,
  /^audit\.log$/,
  ...["controller-1", "verifier-1", "sweep-1", "etcd", "kube-apiserver"].map(
    (name) => new RegExp(`^logs/${name}\\.log$`),
  ),
  /^plugin-cache\//,
  /^recording\/record$/, // each kubectl of the plugin: arguments, environment
  /^desktop\/opened$/, // what a browser was told to open
  /^process .*src\/main\.ts verifier/,
  /^process .*src\/main\.ts controller/,
  /^process .*cli\/main\.ts enroll/,
  /^process .*\/kube-apiserver/,
  /readyz/,
];

test("SE01: what is planted is found, in each spelling, in an object, in etcd and in the audit log", async () => {
  const [token] = secrets.filter(({ what }) => what === "token of dee");
  const [code] = secrets.filter(({ what }) => what === "wrong code of bob");
  expect(secrets.length).toBeGreaterThan(30);
  for (const secret of secrets)
    for (const form of secret.forms)
      for (const bytes of spellings(form)) {
        const place = { name: "planted", bytes: Buffer.concat([Buffer.from('{"x":"'), bytes, Buffer.from('"}')]) };
        expect(search([secret], [place])).toEqual([{ what: secret.what, where: "planted" }]);
      }
  const planted = JSON.stringify({ said: [token, code].map((each) => String(each?.forms[0])) });
  const data = { clear: planted, larger: Buffer.from(`x${planted}`).toString("base64url") };
  await cluster.apply("admin", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "planted", namespace: "shop" },
    data,
  });
  const places = [
    ...(await objectsOf(cluster.plane)),
    ...(await etcdOf(cluster.plane)),
    ...(await filesOf(cluster.plane)),
  ];
  for (const what of ["token of dee", "wrong code of bob"]) {
    const found = search(
      secrets.filter((each) => each.what === what),
      places,
    ).map(({ where }) => where);
    expect(found).toContain("objects /objects/api/v1/configmaps/shop/planted");
    expect(found).toContain("audit.log");
    expect(found.some((where) => /^etcd\/.* \/registry\/configmaps\/shop\/planted$/.test(where))).toBe(true);
  }
}, 120_000);

/** Of every request and authenticator, what the codeVerifier or ticket hashes to: the plugin keeps its own in memory. */
async function challengesOf(): Promise<readonly string[]> {
  const path = 'jsonpath={range .items[*]}{.spec.codeChallenge}{"\\n"}{end}';
  return (await cluster.kubectl("admin", "get", "elev,authenticators", "-A", "-o", path)).split("\n").filter(Boolean);
}

/** Everything that could be a codeVerifier, hashed. */
function verifiersIn({ name, bytes }: Place): readonly { readonly challenge: string; readonly name: string }[] {
  const words = new Set(bytes.toString("latin1").match(/(?<![\w-])[\w-]{43}(?![\w-])/g));
  return [...words].map((word) => ({ challenge: createHash("sha256").update(word).digest("base64url"), name }));
}

/** alice: invited, enrolled, asked, proven and given back by the plugin, with wrong codes and a ticket that is spent. */
async function byApp(): Promise<void> {
  const { stdout } = await run("ivy", ["invite", "alice", "--method", "totp"]).done();
  const ticket = stdout.trim();
  keep("ticket of alice", ticket, Buffer.from(ticket, "base64url"));
  const enrolling = run("alice", ["enroll", "totp", "--ticket-stdin"], ticket);
  const [, seed = ""] = /secret into it: {2}([A-Z2-7]+)\n/.exec(await enrolling.sees(/Code from/)) ?? [];
  const step = await stepNow(3_000);
  keepCodes("alice", seed, step);
  await look();
  const mistyped = wrong();
  keep("wrong code of alice", mistyped);
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
async function byHand(): Promise<void> {
  const bob = await enroll(cluster, verifier, ca, "bob");
  keep("ticket of bob", bob.ticket, Buffer.from(bob.ticket, "base64url"));
  const step = await stepNow();
  keepCodes("bob", bob.seed, step);
  const { codeVerifier } = await ask(cluster, "bob", "known");
  keep("codeVerifier of bob", codeVerifier, Buffer.from(codeVerifier, "base64url"));
  const [stranger, mistyped] = [newSecret(), wrong()];
  keep("codeVerifier of a stranger", stranger);
  keep("wrong code of bob", mistyped);
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
async function byKey(): Promise<void> {
  const { stdout } = await run("ivy", ["invite", "dee", "--method", "webauthn"]).done();
  const ticket = stdout.trim();
  keep("ticket of dee", ticket, Buffer.from(ticket, "base64url"));
  const key = securityKey({ origin: pageEnv.KUBE_ELEVATE_PAGE_URL });
  const touched = async (running: ReturnType<typeof run>): Promise<Ended> => {
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

/** What the Secret holds and is not public, and the tokens of everybody. */
async function keepKeysAndTokens(): Promise<void> {
  const text = await cluster.kubectl(
    "admin",
    "get",
    "secret",
    "kube-elevate-keys",
    "-n",
    "elevate-system",
    "-o",
    "json",
  );
  const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(JSON.parse(text));
  for (const [name, value] of Object.entries(data).filter(([each]) => !each.startsWith("endpoint-certificate"))) {
    const held = Buffer.from(value, "base64").toString();
    if (!held.startsWith("-----")) keep(`key ${name}`, held, Buffer.from(held, "base64url"));
    else keep(`key ${name}`, ...held.split("\n").filter((line) => /^[\w+/=]{40,}$/.test(line)), scalarOf(held));
  }
  for (const user of [
    "alice",
    "bob",
    "dee",
    "ivy",
    "sre",
    "admin",
    ...["controller", "verifier", "sweeper"].map(accountName),
  ]) {
    const token = cluster.plane.tokenOf(user);
    keep(`token of ${user}`, token, ...token.split(".").slice(2));
  }
}

/** The private part itself. */
const scalarOf = (pem: string): Buffer =>
  Buffer.from(String(createPrivateKey(pem).export({ format: "jwk" }).d), "base64url");

async function healthOf(path: string): Promise<Place> {
  const response = await fetch(`${verifier.health}/${path}`);
  return { name: `the verifier's /${path}`, bytes: Buffer.from(await response.text()) };
}

function bytesOf(base32: string): Buffer {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits =
    base32
      .match(/[A-Z2-7]/g)
      ?.map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0"))
      .join("") ?? "";
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
