import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { etcdOf, filesOf, objectsOf } from "./secrets/places.ts";
import { playRun, type Run } from "./secrets/run.ts";
import { type Found, type Place, search, spellings } from "./secrets/search.ts";
import { useControlPlane } from "./support/control-plane.ts";

// Each secret that was used in a run is searched for in all that it has left.

const cluster = useControlPlane({ installed: "samples", users: [{ name: "dee", groups: ["devs"] }] });
let run: Promise<Run> | undefined;
const played = async (): Promise<Run> => (run ??= playRun(cluster));

test("SE01: of a whole run no seed, code, codeVerifier, ticket, key or token is in any object, Event, log, metric, argument, environment or file, but the keys in kube-elevate-keys", async () => {
  const { plane } = cluster;
  const { secrets, outputs, others } = await played();
  const places = [...(await objectsOf(plane)), ...(await etcdOf(plane)), ...(await filesOf(plane)), ...others];
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
  /^process .*main\.(ts|js) verifier/,
  /^process .*main\.(ts|js) controller/,
  /^process .*(cli\/main\.ts|kubectl-elevate) enroll/,
  /^process .*\/kube-apiserver/,
  /readyz/,
];

test("SE01: what is planted is found, in each spelling, in an object, in etcd and in the audit log", async () => {
  const { secrets } = await played();
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
