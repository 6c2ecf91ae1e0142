import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import {
  endpointCAFile,
  type Process,
  startController,
  startVerifier,
  type Verifier,
} from "../../hack/controlplane/processes.ts";
import { requestPath, verifyAnswer } from "../../src/api/v1alpha1/wire.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import {
  ask,
  challengePath,
  codeAt,
  enroll,
  newSecret,
  type Person,
  post,
  type Said,
  stepNow,
  totpOf,
  verifyPath,
  wrongCodes,
} from "./support/endpoint.ts";
import { takeBack } from "./support/others.ts";

// Two verifiers and a controller as processes of their own, on a real API server: what a proof is good for, and how often.
// Everybody has a code of her own, so that no test waits for the next thirty seconds.

const names = ["ann", "ben", "cem", "dee", "eve", "fay", "gil", "gus", "ida", "jon", "kim"];
const twins = Array.from({ length: 200 }, (_none, index) => `twin-${index}`);
const cluster = useControlPlane({
  installed: "samples",
  users: [...names, ...twins].map((name) => ({ name, groups: ["devs"] })),
  invariants: {},
});
const published = { env: { KUBE_ELEVATE_URL: "https://127.0.0.1:8443" } };
let one: Verifier;
let two: Verifier;
let controller: Process;
let ca = "";

beforeAll(async () => {
  one = await startVerifier(cluster.plane, published);
  [two, controller] = await Promise.all([startVerifier(cluster.plane, published), startController(cluster.plane)]);
  ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
  const rights = () =>
    cluster.can("ann", {
      verb: "use",
      group: "kube-elevate.dev",
      resource: "elevationpolicies",
      namespace: "shop",
      name: "shop-debug",
    });
  await eventually(rights, 20, "the rights of the samples are in force");
}, 120_000);

type Open = { readonly name: string; readonly codeVerifier: string };
const verify = (at: Verifier, { name, codeVerifier }: Open, code: string): Promise<Said> =>
  post(at, ca, verifyPath(name), { codeVerifier, totp: { code } });
const challenge = (at: Verifier, { name, codeVerifier }: Open): Promise<Said> =>
  post(at, ca, challengePath(name), { codeVerifier });
const secrets: string[] = [];
const asked = async (user: string, name: string, spec: object = {}): Promise<Open> => {
  const open = await ask(cluster, user, name, spec);
  secrets.push(open.codeVerifier);
  return open;
};
/** Asked, and offered. */
const offered = async (user: string, name: string): Promise<Open> => {
  const open = await asked(user, name);
  const said = await challenge(one, open);
  if (said.status !== 200) throw new Error(`no offer: ${said.text}`);
  return open;
};
const enrolled = async (username: string): Promise<Person> => {
  const person = await enroll(cluster, one, ca, username);
  secrets.push(person.ticket, person.seed);
  return person;
};
const wordOf = ({ status, body }: Said): readonly unknown[] => [status, body["reason"]];

const loose = z.looseObject({});
const requestStatus = async (name: string) => {
  const text = await cluster.kubectl("admin", "get", "elev", name, "-n", "shop", "-o", "json");
  return z.object({ status: loose.default({}) }).parse(JSON.parse(text)).status;
};
const failuresOf = async (username: string) => {
  const text = await cluster.kubectl("admin", "get", "authenticator", totpOf(username), "-o", "json");
  const totp = z.object({ lastTimeStep: z.int(), failures: z.looseObject({ consecutive: z.int(), total: z.int() }) });
  return z.object({ status: z.object({ totp }) }).parse(JSON.parse(text)).status.totp;
};

test("HT16: challenge right after create waits for the offer; HT17: verify answers when the grant is Active, and again the same", async () => {
  const ann = await enrolled("ann");
  const open = await asked("ann", "ht17");
  const said = await challenge(two, open);
  expect(said.status).toBe(200);
  expect(said.body).toMatchObject({ methods: ["TOTP"], offer: { roleRef: { name: "pod-debugger" } } });
  const step = await stepNow();
  const first = await verify(one, open, codeAt(ann.seed, step));
  expect(first.status).toBe(200);
  expect(verifyAnswer.parse(first.body)).toMatchObject({
    method: "TOTP",
    phase: "Active",
    bindingName: expect.stringMatching(/^elevate:ht17:[0-9a-f]{8}$/) as unknown,
  });
  const before = await failuresOf("ann");
  const [wrong = ""] = wrongCodes(ann.seed, step, 1);
  for (const code of [codeAt(ann.seed, step), wrong, codeAt(ann.seed, step + 1)])
    expect(await verify(two, open, code)).toMatchObject({ status: 200, text: first.text });
  expect(await failuresOf("ann")).toEqual(before);
  expect(wordOf(await verify(two, { ...open, codeVerifier: newSecret() }, codeAt(ann.seed, step)))).toEqual([
    401,
    "CallerUnknown",
  ]);
});

test("HT11: wrong or foreign codeVerifier, unknown request, unknown namespace, unclaimed request: one answer", async () => {
  const ben = await asked("ben", "ht11");
  const other = await asked("ben", "ht11-other");
  await asked("ben", "ht11-unclaimed", { codeChallenge: undefined });
  const said = [
    await post(one, ca, verifyPath(ben.name), guess(newSecret())),
    await post(two, ca, verifyPath(ben.name), guess(other.codeVerifier)),
    await post(one, ca, verifyPath("nowhere"), guess(ben.codeVerifier)),
    await post(one, ca, requestPath("nowhere", ben.name, "verify"), guess(ben.codeVerifier)),
    await post(one, ca, verifyPath("ht11-unclaimed"), guess(newSecret())),
    await post(one, ca, challengePath("nowhere"), { codeVerifier: ben.codeVerifier }),
    await post(two, ca, challengePath(ben.name), { codeVerifier: newSecret() }),
  ];
  expect(new Set(said.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(said[0]).toMatchObject({ status: 401, body: { kind: "Status", reason: "CallerUnknown", code: 401 } });
});

test("TO02: a used code is ProofAlreadyUsed at once, at the other verifier, after a restart, 50 times, and never a failure", async () => {
  const ben = await enrolled("ben");
  const [first, second] = [await offered("ben", "to02-first"), await offered("ben", "to02-second")];
  const code = codeAt(ben.seed, await stepNow());
  expect((await verify(one, first, code)).status).toBe(200);
  const used = [403, "ProofAlreadyUsed"];
  expect(wordOf(await verify(one, second, code))).toEqual(used);
  expect(wordOf(await verify(two, second, code))).toEqual(used);
  two = await restarted(two);
  const many = await Promise.all(Array.from({ length: 50 }, async () => verify(two, second, code)));
  expect(new Set(many.map((said) => String(wordOf(said))))).toEqual(new Set([String(used)]));
  expect((await failuresOf("ben")).failures).toMatchObject({ consecutive: 0, total: 0 });
  expect(await requestStatus("to02-second")).not.toHaveProperty("verification");
});

test("TO03: 50 parallel posts of one code for two requests at two verifiers: one verification", async () => {
  const cem = await enrolled("cem");
  const opens = [await offered("cem", "to03-a"), await offered("cem", "to03-b")] as const;
  const code = codeAt(cem.seed, await stepNow());
  const said = await Promise.all(
    Array.from({ length: 50 }, async (_none, index) =>
      verify(index % 2 === 0 ? one : two, index % 4 < 2 ? opens[0] : opens[1], code),
    ),
  );
  const verified = await Promise.all(opens.map(async ({ name }) => "verification" in (await requestStatus(name))));
  expect(verified.filter(Boolean)).toHaveLength(1);
  const right = said.filter(({ status }) => status === 200);
  expect(right.length).toBeGreaterThan(0);
  expect(new Set(right.map(({ text }) => text)).size).toBe(1);
  expect(new Set(said.filter(({ status }) => status !== 200).map((answer) => String(wordOf(answer))))).toEqual(
    new Set(["403,ProofAlreadyUsed"]),
  );
});

test("TO03: 50 parallel posts of one code for one request: one verification, and the same answer to each", async () => {
  const dee = await enrolled("dee");
  const open = await offered("dee", "to03-one");
  const code = codeAt(dee.seed, await stepNow());
  const said = await Promise.all(
    Array.from({ length: 50 }, async (_none, index) => verify(index % 2 === 0 ? one : two, open, code)),
  );
  expect(new Set(said.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(said[0]).toMatchObject({ status: 200, body: { phase: "Active" } });
});

test("TO02, TO06: while a mutating policy of somebody else takes back what is counted no code is taken, and a right one is answered as a wrong one", async () => {
  const kim = await enrolled("kim");
  const open = await offered("kim", "taken-back");
  const step = await stepNow();
  const letGo = await takeBack(cluster, totpOf("kim"));
  const words = [];
  for (const code of [codeAt(kim.seed, step), ...wrongCodes(kim.seed, step, 1)])
    words.push(wordOf(await verify(one, open, code)));
  expect(words[0]).toEqual(words[1]);
  expect(words[0]?.[0]).toBe(500);
  expect(await requestStatus(open.name)).not.toHaveProperty("verification");
  await letGo();
  expect((await verify(two, open, codeAt(kim.seed, await stepNow()))).status).toBe(200);
});

test("TO04: a malformed code is a 400, not looked at and not counted", async () => {
  const eve = await enrolled("eve");
  const open = await offered("eve", "to04");
  const before = await failuresOf("eve");
  const right = codeAt(eve.seed, await stepNow());
  for (const code of [
    ` ${right}`,
    `${right}\n`,
    `+${right.slice(1)}`,
    Number(right),
    [right],
    right.slice(1),
    `${right}0`,
  ])
    expect(
      wordOf(await post(one, ca, verifyPath(open.name), { codeVerifier: open.codeVerifier, totp: { code } })),
    ).toEqual([400, "BadRequest"]);
  expect(await failuresOf("eve")).toEqual(before);
  expect((await verify(one, open, right)).status).toBe(200);
});

test("TO06: ten wrong codes in a row, over requests and verifiers, with another user's success between, lock; after a restart still, and for the right code too", async () => {
  const fay = await enrolled("fay");
  const opens = [await offered("fay", "to06-a"), await offered("fay", "to06-b")] as const;
  const [gil, meanwhile] = [await enrolled("gil"), await offered("gil", "to06-gil")];
  const step = await stepNow();
  const said: Said[] = [];
  for (const [index, code] of wrongCodes(fay.seed, step, 10).entries()) {
    said.push(await verify(index % 2 === 0 ? one : two, index % 4 < 2 ? opens[0] : opens[1], code));
    if (index === 5) expect((await verify(two, meanwhile, codeAt(gil.seed, await stepNow()))).status).toBe(200);
  }
  expect(said.map((answer) => String(wordOf(answer)))).toEqual(Array.from({ length: 10 }, () => "403,ProofRejected"));
  const right = codeAt(fay.seed, step);
  const locked = await verify(two, opens[0], right);
  expect(wordOf(locked)).toEqual([423, "AuthenticatorLocked"]);
  expect(Number(locked.headers["retry-after"])).toBeGreaterThan(40);
  expect(Number(locked.headers["retry-after"])).toBeLessThanOrEqual(60);
  one = await restarted(one);
  expect(wordOf(await verify(one, opens[1], right))).toEqual([423, "AuthenticatorLocked"]);
  const { lastTimeStep, failures } = await failuresOf("fay");
  expect(failures).toMatchObject({ consecutive: 10, total: 10 });
  expect(lastTimeStep).toBeLessThan(step); // the right code was not looked at
  expect(await requestStatus("to06-a")).not.toHaveProperty("verification");
});

test("TO07: wrong codes without the right codeVerifier are not counted, and lock nobody", async () => {
  const gus = await enrolled("gus");
  const open = await offered("gus", "to07");
  const before = await failuresOf("gus");
  const step = await stepNow();
  const words: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    const codes = wrongCodes(gus.seed, step, 50);
    const said = codes.map(async (code) =>
      verify(round % 2 === 0 ? one : two, { ...open, codeVerifier: newSecret() }, code),
    );
    for (const answer of await Promise.all(said)) words.push(String(wordOf(answer)));
  }
  expect(words).toHaveLength(1_000);
  expect(new Set(words)).toEqual(new Set(["401,CallerUnknown"]));
  expect(await failuresOf("gus")).toEqual(before);
  // not locked, and strangers have used up nothing of what she may post
  expect((await verify(one, open, codeAt(gus.seed, await stepNow()))).status).toBe(200);
});

test("RC01: one proof posted twice at once, to two verifiers: one verification, one binding, the same answer; 200 rounds", async () => {
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- it is this test's alone
  const round = async (username: string): Promise<readonly Said[]> => {
    const person = await enroll({ apply: createByHttp }, one, ca, username);
    const open = await ask({ apply: createByHttp }, username, username);
    await challenge(two, open);
    const code = codeAt(person.seed, await stepNow());
    const settled = async (at: Verifier): Promise<Said> => {
      for (let waits = 0; ; waits += 1) {
        const said = await verify(at, open, code); // an answer after 10 s tells the phase reached: whoever asks again waits on
        if (waits === 4 || (said.body["phase"] !== "Pending" && said.body["phase"] !== "Granting")) return said;
      }
    };
    return Promise.all([settled(one), settled(two)]);
  };
  for (let first = 0; first < twins.length; first += 10) {
    const rounds = await Promise.all(twins.slice(first, first + 10).map(round));
    for (const [left, right] of rounds)
      expect(left).toMatchObject({ status: 200, body: { phase: "Active" }, text: right?.text });
  }
  const bindings = await cluster.kubectl("admin", "get", "rolebindings", "-n", "shop", "-o", "name");
  expect(bindings.match(/elevate:twin-\d+:/g)?.toSorted()).toEqual(twins.map((name) => `elevate:${name}:`).toSorted());
}, 240_000);

test("TO11: TOTP where the policy takes WebAuthn alone: MethodNotAllowed, the code not consumed, nothing counted", async () => {
  await cluster.apply("admin", {
    apiVersion: "kube-elevate.dev/v1alpha1",
    kind: "ElevationPolicy",
    metadata: { name: "shop-key" },
    spec: {
      roleRef: { kind: "ClusterRole", name: "pod-debugger" },
      namespaceSelector: {},
      duration: { default: "10m", max: "1h" },
      authentication: { methods: ["WebAuthn"] },
    },
  });
  const metadata = { name: "use-shop-key", namespace: "shop" };
  const use = { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], verbs: ["use"] };
  const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata };
  const apiGroup = "rbac.authorization.k8s.io";
  await cluster.apply(
    "admin",
    { ...rbac, kind: "Role", rules: [{ ...use, resourceNames: ["shop-key"] }] },
    {
      ...rbac,
      kind: "RoleBinding",
      roleRef: { apiGroup, kind: "Role", name: "use-shop-key" },
      subjects: [{ apiGroup, kind: "Group", name: "devs" }],
    },
  );
  const ida = await enrolled("ida");
  const open = await eventually(
    async () => asked("ida", "to11", { policyName: "shop-key" }).catch(() => false as const),
    20,
    "ida may use the policy",
  );
  expect((await challenge(one, open)).body).toMatchObject({ methods: [] });
  const before = await failuresOf("ida");
  const code = codeAt(ida.seed, await stepNow());
  expect(wordOf(await verify(one, open, code))).toEqual([403, "MethodNotAllowed"]);
  expect(await failuresOf("ida")).toEqual(before);
  const taken = await offered("ida", "to11-totp");
  expect((await verify(two, taken, code)).status).toBe(200);
});

test("HT16, HT17: without a controller challenge is NotReady and no proof is taken; verify tells the phase reached", async () => {
  const jon = await enrolled("jon");
  const open = await offered("jon", "ht17-alone");
  await controller.stop("SIGKILL");
  const unoffered = await asked("jon", "ht16-alone");
  const step = await stepNow();
  const code = codeAt(jon.seed, step);
  expect(wordOf(await verify(one, unoffered, code))).toEqual([409, "NotReady"]);
  const start = performance.now();
  const [waited, proven] = await Promise.all([challenge(one, unoffered), verify(two, open, code)]);
  const tookMs = performance.now() - start;
  expect(wordOf(waited)).toEqual([409, "NotReady"]);
  expect(tookMs).toBeGreaterThan(9_000);
  expect(tookMs).toBeLessThan(14_000);
  expect(proven).toMatchObject({ status: 200, body: { phase: "Pending", method: "TOTP" } });
  expect(proven.body).not.toHaveProperty("bindingName");
  controller = await startController(cluster.plane);
  const again = await eventually(
    async () => {
      const said = await verify(one, open, code);
      return said.body["phase"] === "Active" && said;
    },
    20,
    "the grant is Active",
  );
  expect(again.body["verificationTime"]).toBe(proven.body["verificationTime"]);
});

test("an API server that is away is a 503 with Retry-After; the verifier lives, and stays ready to say so", async () => {
  const open = await asked("ben", "away");
  const [, apiserver] = cluster.plane.children;
  apiserver?.kill("SIGSTOP");
  try {
    expect((await fetch(`${one.health}/livez`)).status).toBe(200);
    const said = await challenge(one, open);
    expect(wordOf(said)).toEqual([503, "ServiceUnavailable"]);
    expect(Number(said.headers["retry-after"])).toBeGreaterThan(0);
    expect((await fetch(`${one.health}/readyz`)).status).toBe(200);
  } finally {
    apiserver?.kill("SIGCONT");
  }
});

test("HT13, I7: no code, codeVerifier, ticket or seed is in a log or in what was written to the API server", async () => {
  const audit = await readFile(cluster.plane.auditLog, "utf8");
  expect(audit).toContain("elevationrequests");
  const logs = await Promise.all([one, two, controller].map(async ({ logFile }) => readFile(logFile, "utf8")));
  expect(logs.join("")).toContain('"msg":"attempt"');
  expect(secrets.length).toBeGreaterThan(20);
  expect(secrets.filter((secret) => [audit, ...logs].some((text) => text.includes(secret)))).toEqual([]);
});

/** Without kubectl, which takes its time to start. */
async function createByHttp(user: string, object: object): Promise<string> {
  const { kind, metadata } = z
    .object({ kind: z.string(), metadata: z.object({ namespace: z.string().optional() }) })
    .parse(object);
  const place = metadata.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
  const path = `/apis/kube-elevate.dev/v1alpha1${place}/${kind.toLowerCase()}s`;
  const { code, body } = await cluster.plane.ask(user, "POST", path, object);
  if (code !== 201) throw new Error(JSON.stringify(body));
  return "";
}

function guess(codeVerifier: string): object {
  return { codeVerifier, totp: { code: "123456" } };
}

async function restarted(verifier: Verifier): Promise<Verifier> {
  await verifier.stop("SIGTERM", 20_000);
  return startVerifier(cluster.plane, { ...published, ports: verifier.ports });
}
