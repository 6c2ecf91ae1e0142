import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { endpointCAFile, type Process, startVerifier, type Verifier } from "../../hack/controlplane/processes.ts";
import { instant, parseInstant } from "../../src/domain/time.ts";
import { authenticatorsPath, policyBody, requestBody, requestsPath } from "../contract/bodies.ts";
import { startBlindController } from "./support/blind.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import {
  ask,
  challengePath,
  codeAt,
  enroll,
  newSecret,
  type Person,
  post,
  stepNow,
  totpOf,
  verifyPath,
  wrongCodes,
} from "./support/endpoint.ts";
import { type Ended, pluginOf, type Run } from "./support/plugin.ts";
import {
  answeredBy,
  everBound,
  type Standing,
  saidBy,
  since,
  standing,
  tableOfRefusals,
  type Word,
} from "./support/refused.ts";

// Who is refused what, by the commands that a person types: the word, the exit code, and that nothing came of it. Each
// person has a code that is good, and refused all the same; none waits for the next.

const devs = ["alice", "bob", "ann", "ben", "cem", "dee", "eve", "fay", "ned"];
const everybody = [...devs, "mal"];
const shared = "arn:aws:sts::111122223333:assumed-role/dev/EKSGetTokenAuth";
const account = "system:serviceaccount:shop:ci";
const cluster = useControlPlane({
  installed: "samples",
  users: [
    ...devs.slice(2).map((name) => ({ name, groups: ["devs"] })),
    { name: "mal", groups: ["guests"] },
    { name: "shared", username: shared, groups: ["devs"] },
  ],
});
const elevate: Run = pluginOf(() => cluster.plane);
const table = tableOfRefusals();
const nothing = { bindings: [], requests: [] };

let verifier: Verifier;
let controller: Process;
let ca = "";
let people: ReadonlyMap<string, Person>;

beforeAll(async () => {
  const { plane } = cluster;
  const processes: readonly [Verifier, Process] = await Promise.all([
    startVerifier(plane),
    startBlindController(plane),
  ]);
  [verifier, controller] = processes;
  ca = await readFile(await endpointCAFile(plane), "utf8");
  await cluster.apply("admin", ...scene());
  await plane.accountKubeconfig("ci", "shop");
  const enrolled = await Promise.all(everybody.map(async (name) => enroll(cluster, verifier, ca, name)));
  people = new Map(enrolled.map((person) => [person.username, person]));
  await eventually(async () => (await rehearse("dee", "quick")) === 0, 20, "the rights of this scene are in force");
}, 120_000);
afterAll(() => {
  process.stderr.write(`\nwhat was refused, and how\n${table.text()}`);
});

const inShop = ["-n", "shop", "-j", "INC-1 test"];
const run = async (user: string, ...args: readonly string[]): Promise<Ended> =>
  elevate(user, args, { input: "" }).ended;
const codeOf = async (user: string): Promise<string> => codeAt(people.get(user)?.seed ?? "", await stepNow());
/** The exit code of a dry run: whether admission lets this user ask in shop, now. */
const rehearse = async (user: string, policy = "shop-debug"): Promise<number> =>
  (await run(user, "request", policy, ...inShop, "--dry-run")).code;
/** Asks and proves with this code, or the one that is right now. */
const request = async (user: string, policy: string, where: readonly string[], code?: string): Promise<Ended> =>
  elevate(user, ["request", policy, ...where, "--code-stdin"], { input: code ?? (await codeOf(user)) }).ended;
const create = async (user: string, namespace: string, spec: object = {}): Promise<Ended> => {
  const input = JSON.stringify(requestBody("created", spec));
  return cluster.plane.run(user, ["create", "-n", namespace, "-f", "-"], { check: false, input });
};
const now = async (): Promise<Standing> => standing(cluster.plane);
/** The word and exit code of a command that printed no result. */
const byPlugin = (refusal: string, ended: Ended): Word => {
  expect(ended.stdout).toBe("");
  return table.seen(refusal, "kubectl elevate request", saidBy(ended));
};
const byCreate = (refusal: string, ended: Ended): Word => table.seen(refusal, "kubectl create", saidBy(ended));
/** What the verifier counts and spends: equal before and after, where a code is not even looked at. */
const countersOf = async (user: string): Promise<unknown> => {
  const { body } = await cluster.plane.ask("admin", "GET", authenticatorsPath(`/${totpOf(user)}`));
  return z.object({ status: z.object({ totp: z.looseObject({ lastTimeStep: z.int() }) }) }).parse(body).status.totp;
};

test("PL01: a wrong code: ProofRejected, exit 3; the request stays Pending", async () => {
  const before = await now();
  const [wrong] = wrongCodes(people.get("ann")?.seed ?? "", await stepNow(), 1);
  const said = byPlugin("wrong code", await request("ann", "shop-debug", inShop, wrong));
  expect(said).toEqual({ word: "ProofRejected", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual({ bindings: [], requests: ["Pending/AwaitingProof"] });
});

test("TO02, PL01: a code that granted, typed again for another request: ProofAlreadyUsed, exit 3", async () => {
  const code = await codeOf("ben");
  expect((await request("ben", "shop-debug", inShop, code)).code).toBe(0);
  const before = await now();
  const said = byPlugin("the same code again", await request("ben", "shop-debug", [...inShop, "--new"], code));
  expect(said).toEqual({ word: "ProofAlreadyUsed", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual({ bindings: [], requests: ["Pending/AwaitingProof"] });
});

test("TO03, PL01: one code for two requests at once: one is granted, for the other ProofAlreadyUsed, exit 3", async () => {
  const before = await now();
  const both = [1, 2].map(() => elevate("cem", ["request", "shop-debug", ...inShop, "--code-stdin"]));
  await Promise.all(both.map(async (one) => one.sees(/^As /m)));
  const code = await codeOf("cem");
  for (const one of both) one.enter(code);
  const ended = await Promise.all(both.map(async (one) => one.ended));
  const [granted, refused] = ended.toSorted((a, b) => a.code - b.code);
  expect(granted?.code).toBe(0);
  const said = byPlugin("a code for a second request at once", refused ?? { code: 0, stdout: "", stderr: "" });
  expect(said).toEqual({ word: "ProofAlreadyUsed", exit: 3 });
  const { bindings, requests } = await since(before, cluster.plane);
  expect(bindings).toEqual([expect.stringMatching(/^shop\/elevate:shop-debug-\w{5}:[0-9a-f]{8}$/)]);
  expect(requests.toSorted()).toEqual(["Active/BindingCreated", "Pending/AwaitingProof"]);
});

/** Asks under a policy that waits for seconds, and types the right code when these are over. */
async function late(refusal: string, over: () => Promise<unknown>): Promise<Word & { readonly text: string }> {
  const asking = elevate("dee", ["request", "quick", ...inShop, "--code-stdin"]);
  await asking.sees(/^As /m);
  await over();
  asking.enter(await codeOf("dee"));
  const ended = await asking.ended;
  return { ...byPlugin(refusal, ended), text: ended.stderr };
}

test("EX23, PL01: a right code that comes late: DeadlinePassed, exit 5; also while nobody has ended the request", async () => {
  const before = await now();
  const counters = await countersOf("dee");
  const timedOut = async (count: number): Promise<unknown> => {
    const all = Array.from({ length: count }, () => "TimedOut/DeadlinePassed").join();
    const ended = async (): Promise<boolean> => (await since(before, cluster.plane)).requests.join() === all;
    return eventually(ended, 15, "the request is TimedOut");
  };
  const passed = { word: "DeadlinePassed", exit: 5 };
  const first = await late("late proof", async () => timedOut(1));
  expect(first).toMatchObject({ ...passed, text: expect.stringContaining("timed out at") as unknown });
  try {
    const controllerStopped = async (): Promise<unknown> => {
      process.kill(controller.pid, "SIGSTOP");
      const deadline = await deadlineOfPending();
      return eventually(() => instant(Date.now()) > deadline, 15, "the deadline passes");
    };
    const second = await late("late proof, the controller stopped", controllerStopped);
    expect(second).toMatchObject({
      ...passed,
      text: expect.stringContaining("waits for a proof no longer") as unknown,
    });
  } finally {
    process.kill(controller.pid, "SIGCONT");
  }
  await timedOut(2);
  expect(await since(before, cluster.plane)).toMatchObject({ bindings: [] });
  expect(await countersOf("dee")).toEqual(counters);
});

test("IA21, PL01: a duration over the maximum, a justification off the pattern: refused at kubectl create, exit 1", async () => {
  const before = await now();
  const long = byCreate("duration over the maximum", await create("alice", "shop", { duration: "2h" }));
  expect(long).toEqual({ word: "DurationTooLong", exit: 1 });
  const off = byCreate("justification off the pattern", await create("alice", "shop", { justification: "it is down" }));
  expect(off).toEqual({ word: "JustificationMismatch", exit: 1 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

test("IA01, PL01: a requester who is somebody else: RequesterMismatch, exit 1", async () => {
  const before = await now();
  const requester = { username: "alice", uid: "uid-alice", groups: ["devs", "system:authenticated"] };
  const said = byCreate("forged requester", await create("bob", "shop", { requester }));
  expect(said).toEqual({ word: "RequesterMismatch", exit: 1 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

test("PL05, IA22, PL01: bob proves alice's request: RequesterMismatch, exit 3; nor can he claim it", async () => {
  await cluster.apply("alice", requestBody("of-alice", {}, { namespace: "shop" }));
  const before = await now();
  const proving = elevate("bob", ["prove", "of-alice", "-n", "shop", "--code-stdin"], { input: await codeOf("bob") });
  const said = table.seen("another user's request", "kubectl elevate prove", saidBy(await proving.ended));
  expect(said).toEqual({ word: "RequesterMismatch", exit: 3 });
  const patch = JSON.stringify({ spec: { codeChallenge: "A".repeat(43) } });
  const claim = ["patch", "elev", "of-alice", "-n", "shop", "--type=merge", "-p", patch];
  const claimed = await cluster.plane.run("bob", claim, { check: false });
  const refused = table.seen("claiming another user's request", "kubectl patch", saidBy(claimed));
  expect(refused).toEqual({ word: "RequesterMismatch", exit: 1 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
  const { body } = await cluster.plane.ask("admin", "GET", requestsPath("shop", "/of-alice"));
  expect(body).toMatchObject({ status: { phase: "Pending" } });
  expect(body).not.toHaveProperty("spec.codeChallenge");
});

test("HT11: another user's verifier with a right code: CallerUnknown, and no word more than for what is not there", async () => {
  const [hers, his] = [await ask(cluster, "alice", "hers"), await ask(cluster, "bob", "his")];
  const unclaimed = await ask(cluster, "alice", "unclaimed", { codeChallenge: undefined });
  for (const { name, codeVerifier } of [hers, his])
    expect(await post(verifier, ca, challengePath(name), { codeVerifier })).toMatchObject({ status: 200 });
  const before = await now();
  const counters = [await countersOf("alice"), await countersOf("bob")];
  const totp = { code: await codeOf("alice") };
  const foreign = { codeVerifier: his.codeVerifier, totp };
  const answers = [
    await post(verifier, ca, verifyPath(hers.name), foreign),
    await post(verifier, ca, verifyPath(hers.name), { codeVerifier: newSecret(), totp }),
    await post(verifier, ca, `${verifyPath(hers.name)}?codeVerifier=${hers.codeVerifier}`, foreign),
    await post(verifier, ca, verifyPath("nowhere"), foreign),
    await post(verifier, ca, verifyPath(hers.name).replace("/shop/", "/nowhere/"), foreign),
    await post(verifier, ca, verifyPath(unclaimed.name), { codeVerifier: unclaimed.codeVerifier, totp }),
  ];
  const [first] = answers;
  if (first === undefined) throw new Error("nothing was answered");
  const said = table.seen("another user's verifier", "POST .../verify", answeredBy(first));
  expect(said).toEqual({ word: "CallerUnknown", exit: "HTTP 401" });
  expect(answers.map(({ status, text }) => `${String(status)} ${text}`)).toEqual(
    answers.map(() => `${String(first.status)} ${first.text}`),
  );
  // without any it is malformed, and no request is looked for
  const absent = await Promise.all(
    [hers.name, "nowhere"].map(async (name) => post(verifier, ca, verifyPath(name), { totp })),
  );
  expect(absent.map(({ status }) => status)).toEqual([400, 400]);
  expect(absent[0]?.text).toBe(absent[1]?.text);
  expect(await since(before, cluster.plane)).toEqual(nothing);
  expect([await countersOf("alice"), await countersOf("bob")]).toEqual(counters);
  expect(await readFile(verifier.logFile, "utf8")).not.toContain(hers.codeVerifier);
});

test("TO11, PL01: a code where the policy wants WebAuthn: MethodNotAllowed, exit 3; the endpoint says so too", async () => {
  const before = await now();
  const counters = await countersOf("eve");
  const said = byPlugin("TOTP where WebAuthn is wanted", await request("eve", "keys-only", inShop));
  expect(said).toEqual({ word: "MethodNotAllowed", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual(nothing);

  const { name, codeVerifier } = await ask(cluster, "eve", "keys", { policyName: "keys-only" });
  const offered = await post(verifier, ca, challengePath(name), { codeVerifier });
  expect(offered.body).toMatchObject({ methods: [], offer: { methods: [{ method: "WebAuthn" }] } });
  const answer = await post(verifier, ca, verifyPath(name), { codeVerifier, totp: { code: await codeOf("eve") } });
  const told = table.seen("the same, past the plugin", "POST .../verify", answeredBy(answer));
  expect(told).toEqual({ word: "MethodNotAllowed", exit: "HTTP 403" });
  expect(await since(before, cluster.plane)).toEqual({ bindings: [], requests: ["Pending/AwaitingProof"] });
  expect(await countersOf("eve")).toEqual(counters);
});

test("IA26, PL01: a policy whose role is not there: Denied/RoleNotFound, exit 3", async () => {
  const before = await now();
  const said = byPlugin("missing role", await request("fay", "no-role", inShop));
  expect(said).toEqual({ word: "RoleNotFound", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual({ bindings: [], requests: ["Denied/RoleNotFound"] });
});

test("IA17, PL01: a namespace off the selector: NamespaceNotSelected, exit 3", async () => {
  const before = await now();
  const inTest = ["-n", "testing", "-j", "INC-1 test"];
  const said = byPlugin("a namespace off the selector", await request("fay", "shop-debug", inTest));
  expect(said).toEqual({ word: "NamespaceNotSelected", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

test("IA04, PL01: a ServiceAccount that may use the policy: RequesterNotAllowed, exit 3, and 1 at kubectl create", async () => {
  const before = await now();
  const said = byPlugin("a system: name", await run(account, "request", "shop-debug", ...inShop));
  expect(said).toEqual({ word: "RequesterNotAllowed", exit: 3 });
  const created = byCreate("a system: name", await create(account, "shop"));
  expect(created).toEqual({ word: "RequesterNotAllowed", exit: 1 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

test("IA19, PL01: a user name that many share: RequesterShared, exit 3", async () => {
  const before = await now();
  const said = byPlugin("a shared name", await run("shared", "request", "shop-debug", ...inShop));
  expect(said).toEqual({ word: "RequesterShared", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

const inTeam = ["-n", "team", "-j", "INC-1 test"];

test("IA05, PL01: no use on the policy: UseNotPermitted, exit 3, and 1 at kubectl create; nothing is stored", async () => {
  const before = await now();
  const said = byPlugin("no use", await request("mal", "shop-debug", inShop));
  expect(said).toEqual({ word: "UseNotPermitted", exit: 3 });
  expect(byCreate("no use", await create("mal", "shop"))).toEqual({ word: "UseNotPermitted", exit: 1 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

test("IA05: use by a RoleBinding in one namespace is none in another that the policy selects too", async () => {
  const before = await now();
  expect(await run("ned", "request", "shop-debug", ...inShop, "--dry-run")).toMatchObject({ code: 0 });
  const said = byPlugin("use in another namespace", await request("ned", "shop-debug", inTeam));
  expect(said).toEqual({ word: "UseNotPermitted", exit: 3 });
  expect(await since(before, cluster.plane)).toEqual(nothing);
});

test("IA05: with that guard off the controller says no: Denied/UseNotPermitted, exit 3, never bound", async () => {
  const before = await now();
  const guard = ["validatingadmissionpolicybinding", "kube-elevate-request-create"];
  await cluster.kubectl("admin", "delete", ...guard);
  try {
    await eventually(async () => (await rehearse("mal")) === 0, 20, "the guard is off");
    const denied = byPlugin("no use, the guard off", await request("mal", "shop-debug", inShop));
    expect(denied).toEqual({ word: "UseNotPermitted", exit: 3 });
    const elsewhere = byPlugin("use in another namespace, the guard off", await request("ned", "shop-debug", inTeam));
    expect(elsewhere).toEqual({ word: "UseNotPermitted", exit: 3 });
  } finally {
    await cluster.kubectl(
      "admin",
      "apply",
      "-f",
      join(import.meta.dirname, "../../config/admission/request-create.yaml"),
    );
  }
  await eventually(async () => (await rehearse("mal")) === 3, 20, "the guard is back");
  expect(await since(before, cluster.plane)).toEqual({
    bindings: [],
    requests: ["Denied/UseNotPermitted", "Denied/UseNotPermitted"],
  });
});

test("in all of this two bindings were ever made: for the two codes that were right", async () => {
  const bound = await everBound(cluster.plane);
  expect(bound).toEqual([1, 2].map(() => expect.stringMatching(/^elevate:shop-debug-\w{5}:[0-9a-f]{8}$/) as unknown));
  const { requests } = await now();
  expect([...requests.values()].filter((phase) => /^(Active|Granting)/.test(phase))).toHaveLength(2);
});

/** The moment after which the one request under `quick` that waits for its proof may not be proven. */
async function deadlineOfPending(): Promise<number> {
  const { body } = await cluster.plane.ask("admin", "GET", requestsPath("shop"));
  const item = z.object({
    spec: z.object({ policyName: z.string() }),
    status: z.object({ phase: z.string(), offer: z.object({ deadlineTime: z.string() }).optional() }),
  });
  const waiting = z
    .object({ items: z.array(item) })
    .parse(body)
    .items.find(({ spec, status }) => spec.policyName === "quick" && status.phase === "Pending");
  if (waiting?.status.offer === undefined) throw new Error("no request waits for its proof");
  return parseInstant(waiting.status.offer.deadlineTime);
}

/** Besides the samples: namespaces where the policy is not for, or nobody may use it; policies with one thing amiss each. */
function scene(): readonly object[] {
  const apiGroup = "rbac.authorization.k8s.io";
  const apiVersion = `${apiGroup}/v1`;
  const group = (name: string): object => ({ apiGroup, kind: "Group", name });
  const ci = { kind: "ServiceAccount", name: "ci", namespace: "shop" };
  const roleRef = (name: string): object => ({ apiGroup, kind: "ClusterRole", name });
  const policies = ["quick", "keys-only", "no-role"];
  const use = [
    { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], resourceNames: policies, verbs: ["use"] },
  ];
  const uses = (where: string, role: string, subject: object): object => ({
    apiVersion,
    kind: "RoleBinding",
    metadata: { name: `more-${role}`, namespace: where },
    roleRef: roleRef(role),
    subjects: [subject],
  });
  return [
    namespaceOf("testing", "test"),
    namespaceOf("team", "prod"),
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "ci", namespace: "shop" } },
    policyBody("quick", { authentication: { methods: ["TOTP"], timeout: "4s" } }),
    policyBody("keys-only", { authentication: { methods: ["WebAuthn"] } }),
    policyBody("no-role", { roleRef: { kind: "ClusterRole", name: "not-there" } }),
    { apiVersion, kind: "ClusterRole", metadata: { name: "use-these" }, rules: use },
    uses("shop", "use-these", group("devs")),
    uses("shop", "use-shop-debug", ci),
    uses("testing", "use-shop-debug", group("devs")),
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: { name: "more-requesters" },
      roleRef: roleRef("kube-elevate-requester"),
      subjects: [group("guests"), ci],
    },
  ];
}

const namespaceOf = (name: string, env: string): object => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { env } },
});
