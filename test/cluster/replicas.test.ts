import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { endpointCAFile, startController } from "../../hack/controlplane/processes.ts";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { requestPath, verifyAnswer } from "../../src/api/v1alpha1/wire.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { bindingsPath, challengeOf, nameOfBinding, policyBody, requestBody, requestsPath } from "../contract/bodies.ts";
import { endings, enrolledAt, isAllowed, live, terminate, type World } from "./crash/life.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { codeAt, newSecret, type Person, post, type Said, stepNow } from "./support/endpoint.ts";
import { historyOf, madeTwice, writesOf } from "./support/history.ts";
import { extentOf } from "./support/invariants.ts";
import { likeShop, must } from "./support/lives.ts";
import { startProxy } from "./support/proxy.ts";
import { randomOf } from "./support/random.ts";
import { type Down, type Replicas, startReplicas } from "./support/replicas.ts";

// Two controllers and two verifiers, all acting, no leader: what they do to each other, and what is left when some of them
// are frozen or killed. KUBE_ELEVATE_ROUNDS says how many rounds of random kills; KUBE_ELEVATE_SEED repeats their choices.

const rounds = Array.from({ length: Number(process.env["KUBE_ELEVATE_ROUNDS"] ?? 1) }, (_none, index) => index + 1);
const seed = Number(process.env["KUBE_ELEVATE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

const people = Array.from({ length: 72 + 20 * rounds.length }, (_none, index) => `person-${String(index)}`);
const frozen = ["offer", "promise", "bind", "activate", "unbind", "close"] as const; // the writes of a life, in order
const frozenIn = (write: string): string => `frozen-${write}`;
const revoked = "frozen-bind-revoked";
const downs: Down[] = [];
const cluster = useControlPlane({
  installed: "samples",
  users: people.map((name) => ({ name, groups: ["devs"] })),
  invariants: { downs, lateIn: [revoked] },
});
/** How requests ended, which is how they are when all is over. */
const final: ElevationRequest[] = [];
/** What is made twice because a test let it arrive late. */
const late: string[] = [];
const enrolled: Person[] = [];
let replicas: Replicas;
let world: World;

beforeAll(async () => {
  const { plane } = cluster;
  await cluster.apply(
    "admin",
    ...likeShop("together", "edge", revoked, ...frozen.map(frozenIn), ...rounds.map(roundIn)),
  );
  await cluster.apply("admin", ...quickPolicy);
  replicas = await startReplicas(plane, downs);
  await replicas.allReady();
  world = { plane, ca: await readFile(await endpointCAFile(plane), "utf8") };
  const waiting = [...people];
  const enrollAll = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
      enrolled.push(await enrolledAt(world, anyVerifier(), name));
  };
  await Promise.all(Array.from({ length: 6 }, enrollAll));
}, 180_000);

const roundIn = (round: number): string => `round-${String(round)}`;
/** Five seconds to prove, which group devs may use in namespace edge. */
const quickPolicy = [
  policyBody("quick", { authentication: { methods: ["TOTP"], timeout: "5s" } }),
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "use-quick" },
    rules: [
      { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], resourceNames: ["quick"], verbs: ["use"] },
    ],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "use-quick", namespace: "edge" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "use-quick" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "devs" }],
  },
];

type Asked = {
  readonly person: Person;
  readonly namespace: string;
  readonly name: string;
  readonly codeVerifier: string;
};

function takePeople(count: number): readonly Person[] {
  const taken = enrolled.splice(0, count);
  if (taken.length < count) throw new Error("more requests than people");
  return taken;
}
async function ask(person: Person, namespace: string, spec: object): Promise<Asked> {
  const asked = { person, namespace, name: `by-${person.username}`, codeVerifier: newSecret() };
  const body = requestBody(asked.name, { codeChallenge: challengeOf(asked.codeVerifier), ...spec });
  await must(world.plane, person.username, "POST", requestsPath(namespace), body);
  return asked;
}
async function get({ namespace, name }: Pick<Asked, "namespace" | "name">): Promise<ElevationRequest> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
  return (await must(world.plane, "admin", "GET", requestsPath(namespace, `/${name}`))) as ElevationRequest;
}
async function until(
  asked: Pick<Asked, "namespace" | "name">,
  holds: (request: ElevationRequest) => boolean,
  what: string,
  seconds = 30,
): Promise<ElevationRequest> {
  const look = async (): Promise<ElevationRequest | false> => {
    const request = await get(asked);
    return holds(request) && request;
  };
  return eventually(look, seconds, `${asked.namespace}/${asked.name} ${what}`);
}
const isOffered = ({ status }: ElevationRequest): boolean => status?.offer !== undefined;
const isActive = ({ status }: ElevationRequest): boolean => status?.phase === "Active";
const isEnded = ({ status }: ElevationRequest): boolean => status?.endTime !== undefined;
/** The person's code of now, posted to both verifiers at one moment. */
async function proveAtBoth({ person, namespace, name, codeVerifier }: Asked): Promise<readonly Said[]> {
  const body = { codeVerifier, totp: { code: codeAt(person.seed, await stepNow()) } };
  const path = requestPath(namespace, name, "verify");
  return Promise.all(replicas.verifiers.map(async (verifier) => post(verifier, world.ca, path, body)));
}
function anyVerifier(random = Math.random): { readonly endpoint: string } {
  const ready = replicas.verifiers.filter(({ isReady }) => isReady());
  const one = ready[Math.floor(random() * ready.length)];
  if (one === undefined) throw new Error("no verifier is there now");
  return one;
}
const sleepUntil = async (time: number): Promise<void> => sleep(Math.max(0, time - Date.now()));
const auditLog = async (): Promise<string> => readFile(world.plane.auditLog, "utf8");

test("RC12: two replicas of each, both acting, 20 requests and ends: one binding each, one Event a step, conflicts are no errors in the log", async () => {
  const asked = await Promise.all(
    takePeople(20).map(async (person, index) => ask(person, "together", { duration: index % 3 === 0 ? "10s" : "10m" })),
  );
  await Promise.all(
    asked.map(async (one, index) => {
      await until(one, isOffered, "is offered");
      const answers = await proveAtBoth(one);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(answers[0]?.body["verificationTime"]).toBe(answers[1]?.body["verificationTime"]);
      const { spec } = await until(one, isActive, "is active");
      if (index % 3 > 0) await terminate(world.plane, index % 3 === 1 ? one.person.username : "sre", one);
      const { status } = await until(one, isEnded, "has ended");
      expect([spec.duration, status?.phase]).toEqual(
        index % 3 === 0 ? ["10s", "Expired"] : ["10m", index % 3 === 1 ? "Released" : "Revoked"],
      );
      expect(await isAllowed(world, "together", one.person.username)).toBe(false);
    }),
  );
  const steps = ["Activate", "Close", "Offer", "Promise", "Unbind"];
  const told = await eventually(
    async () => {
      const events = await eventsIn("together");
      const of = ({ name }: Asked) => events.filter(({ regarding }) => regarding.name === name);
      return asked.every((one) => steps.every((step) => of(one).some(({ action }) => action === step))) && events;
    },
    20,
    "each step of each request is told",
  );
  const log = await auditLog();
  expect(madeTwice(log)).toEqual([]);
  const creates = [...historyOf(log).revisions("rolebindings").values()].flat();
  for (const { name } of asked)
    expect(creates.filter(({ name: binding }) => binding.startsWith(`elevate:${name}:`))).toHaveLength(1);
  const unbuilt = "the page where keys are used is not served here"; // where the sources run as they are
  expect((await replicas.complaints()).filter((line) => !line.includes(unbuilt))).toEqual([]);
  expect(replicas.ended).toEqual([]);
  const by = Map.groupBy(told, ({ reportingInstance }) => reportingInstance ?? "");
  const shares = [...by].map(([instance, { length }]) => `${String(length)} by ${instance}`);
  process.stderr.write(`steps taken: ${shares.join(", ")}\n`);
  expect(by.size, "both controllers act").toBe(2);
}, 90_000);

test("RC05: revoke and expiry at one moment, on two replicas: one terminal phase, never overwritten", async () => {
  const ends = await Promise.all(
    takePeople(24).map(async (person, index) => {
      const one = await ask(person, "together", { duration: "8s" });
      await until(one, isOffered, "is offered");
      await proveAtBoth(one);
      const { status } = await until(one, (now) => isActive(now) || isEnded(now), "is active");
      await sleepUntil(parseInstant(status?.grant?.expirationTime) + 25 * (index - 18));
      const landed = await terminate(world.plane, "sre", one).then(
        () => true,
        () => false,
      );
      return { landed, ended: await until(one, isEnded, "has ended") };
    }),
  );
  for (const { landed, ended } of ends) {
    const { phase, reason, endTime, grant } = ended.status ?? {};
    const early = parseInstant(endTime) < parseInstant(grant?.expirationTime);
    expect([phase, reason]).toEqual(early ? ["Revoked", "Revoked"] : [phase, phase]);
    expect(["Expired", "Revoked"]).toContain(phase);
    if (phase === "Revoked") expect(landed).toBe(true);
    final.push(ended);
  }
  const phases = ends.map(({ ended }) => ended.status?.phase);
  const count = (phase: string): string => `${String(phases.filter((one) => one === phase).length)} ${phase}`;
  process.stderr.write(
    `revoked from 450 ms before the expiration to 125 ms after: ${count("Revoked")}, ${count("Expired")}\n`,
  );
  expect(madeTwice(await auditLog())).toEqual([]);
}, 90_000);

test("RC07: a proof at the deadline, give or take milliseconds, at two verifiers and two controllers: one answer, never Active by a later proof", async () => {
  const proofs = await Promise.all(
    takePeople(20).map(async (person, index) => {
      const one = await ask(person, "edge", { policyName: "quick" });
      const { status } = await until(one, isOffered, "is offered");
      const deadline = parseInstant(status?.offer?.deadlineTime);
      await sleepUntil(deadline + 40 * (index - 15));
      const answers = await proveAtBoth(one);
      const settled = await until(one, (request) => isActive(request) || isEnded(request), "is settled");
      return { one, deadline, answers, settled };
    }),
  );
  for (const { deadline, answers, settled } of proofs) {
    const { phase, reason, verification } = settled.status ?? {};
    const provenAt = verification === undefined ? Infinity : parseInstant(verification.verificationTime);
    if (phase === "Active") expect(provenAt).toBeLessThanOrEqual(deadline);
    else expect([phase, reason]).toEqual(["TimedOut", "DeadlinePassed"]);
    for (const { status, body } of answers) {
      if (status !== 200) expect(["DeadlinePassed", "RequestEnded", "ProofAlreadyUsed"]).toContain(body["reason"]);
      else expect(verifyAnswer.parse(body).verificationTime).toBe(verification?.verificationTime);
    }
  }
  const phases = proofs.map(({ settled }) => settled.status?.phase);
  process.stderr.write(`proofs from 600 ms before the deadline to 160 ms after: ${phases.join(" ")}\n`);
  await Promise.all(
    proofs.filter(({ settled }) => isActive(settled)).map(async ({ one }) => terminate(world.plane, "sre", one)),
  );
  await Promise.all(proofs.map(async ({ one }) => until(one, isEnded, "has ended")));
}, 90_000);

test("EX14: one stopped by SIGSTOP with any write of a life on its way, resumed after the end: the write fails or does nothing", async () => {
  const cases = [
    ...frozen.map((write) => ({ write, namespace: frozenIn(write) })),
    { write: "bind", namespace: revoked },
  ] as const;
  const holders = await Promise.all(cases.map(holdingBack));
  for (const controller of replicas.controllers) controller.freeze();
  const asked = await Promise.all(
    takePeople(cases.length).map(async (person, index) => {
      const { write = "", namespace = "" } = cases[index] ?? {};
      const duration = namespace === revoked ? "10m" : ["unbind", "close"].includes(write) ? "3s" : "12s";
      return ask(person, namespace, { duration });
    }),
  );
  const proving = asked.map(async (one) => {
    await until(one, isOffered, "is offered");
    return proveAtBoth(one);
  });
  await Promise.all(holders.map(async ({ held }) => held));
  for (const { controller } of holders) controller.kill("SIGSTOP");
  for (const controller of replicas.controllers) controller.thaw();
  await Promise.all(proving);
  const ended = await Promise.all(
    asked.map(async (one) => {
      if (one.namespace === revoked) {
        await until(one, isActive, "is active");
        await terminate(world.plane, "sre", one);
      }
      return until(one, isEnded, "has ended");
    }),
  );
  expect(ended.map(({ status }) => status?.phase)).toEqual([...frozen.map(() => "Expired"), "Revoked"]);
  const codes = await Promise.all(holders.map(async (holder) => holder.letGo()));
  const told = cases.map(({ namespace }, index) => `${namespace.slice(7)} ${String(codes[index])}`).join(", ");
  process.stderr.write(`answers to the late writes: ${told}\n`);
  for (const [index, { write, namespace }] of cases.entries()) {
    const code = codes[index];
    if (write === "unbind") expect(code).toBe(404);
    else if (write !== "bind") expect(code).toBe(409);
    // a create has no version to hold it; but an expirationTime that is past is one that the API server can see
    else expect(code).toBe(namespace === revoked ? 201 : 422);
  }
  for (const { metadata } of ended.filter(({ metadata: { namespace } }) => namespace === revoked))
    late.push(
      `binding ${revoked}/${nameOfBinding(metadata)}`,
      `Event Unbind of ${metadata.uid}: RoleBinding ${nameOfBinding(metadata)} is gone`,
    );
  for (const { controller } of holders) controller.kill("SIGCONT");
  await eventually(async () => !(await Promise.all(ended.map(isBound))).includes(true), 5, "what came late is gone");
  await sleep(6_000); // longer than from one list to the next
  for (const [index, one] of asked.entries()) {
    expect(await get(one)).toEqual(ended[index]); // its resourceVersion too
    expect(await isAllowed(world, one.namespace, one.person.username)).toBe(false);
  }
  for (const { controller } of holders) expect((await fetch(`${controller.health}/readyz`)).status).toBe(200);
  await Promise.all(holders.map(async (holder) => holder.stop()));
}, 120_000);

test.each(rounds)(
  "one of the four killed at random each second under 20 requests, and each back at once: all end as they should (round %i)",
  async (round) => {
    const random = randomOf(seed + round);
    process.stderr.write(`round ${String(round)}: KUBE_ELEVATE_SEED=${String(seed)}\n`);
    const namespace = roundIn(round);
    const all = [...replicas.controllers, ...replicas.verifiers];
    const plans = takePeople(20).map((person, index) => ({
      person,
      name: `life-${String(index)}`,
      ending: endings[Math.floor(random() * endings.length)] ?? "Expired",
      afterMs: 10_000 * random(),
    }));
    const victims = Array.from({ length: 15 }, () => Math.floor(random() * all.length));
    const place = { namespace, verifier: async () => eventually(() => readyVerifier(), 60, "a verifier is there") };
    const killing = (async () => {
      for (const victim of victims) {
        await Promise.all([all[victim]?.kill(), sleep(1_000)]);
      }
    })();
    const living = plans.map(async ({ afterMs, ...plan }) => {
      await sleep(afterMs);
      const probe = setInterval(() => void isAllowed(world, namespace, plan.person.username), 300);
      const { status } = await live(world, place, plan).finally(() => clearInterval(probe));
      return `${plan.name} ${String(status?.phase)}`;
    });
    const [, ...phases] = await Promise.all([killing, ...living]);
    expect(phases).toEqual(plans.map(({ name, ending }) => `${name} ${ending}`));
    for (const { person } of plans) expect(await isAllowed(world, namespace, person.username)).toBe(false);
    await replicas.allReady();
    expect(replicas.ended).toEqual([]);
  },
  180_000,
);

test("what was done twice: nothing; what ended is as it was; and nothing is written any more", async () => {
  await sleep(3_000); // Events come after what they tell
  const before = writesOf(await auditLog()).length;
  await sleep(6_000); // longer than from one list to the next
  const log = await auditLog();
  expect(writesOf(log).length).toBe(before);
  expect(madeTwice(log).filter((what) => !late.includes(what))).toEqual([]);
  for (const ended of final) expect(await get(ended.metadata)).toEqual(ended); // its resourceVersion too
  const { requests, bindings } = extentOf(log);
  process.stderr.write(`invariants over ${String(requests)} requests, ${String(bindings)} bindings\n`);
});

async function isBound({ metadata }: ElevationRequest): Promise<boolean> {
  const path = bindingsPath(metadata.namespace, `/${nameOfBinding(metadata)}`);
  return (await world.plane.ask("admin", "GET", path)).code === 200;
}

const readyVerifier = (): { readonly endpoint: string } | undefined =>
  replicas.verifiers.some(({ isReady }) => isReady()) ? anyVerifier() : undefined;

/** A controller for one namespace, whose write of this kind is held back; without `letGo` it never arrives. */
async function holdingBack({
  write,
  namespace,
}: {
  readonly write: (typeof frozen)[number];
  readonly namespace: string;
}) {
  const held = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<number>();
  const number = frozen.indexOf(write) + 1;
  const proxy = await startProxy(world.plane, "system:serviceaccount:elevate-system:controller", {
    namespace,
    async before(sent) {
      if (sent.number !== number) return;
      held.resolve();
      await gate.promise;
    },
    async after(sent, code) {
      if (sent.number === number) answered.resolve(code);
    },
  });
  const controller = await startController(world.plane, { kubeconfig: proxy.kubeconfig });
  return {
    controller,
    held: held.promise,
    async letGo(): Promise<number> {
      gate.resolve();
      return answered.promise;
    },
    async stop(): Promise<void> {
      await controller.stop();
      await proxy.close();
    },
  };
}

async function eventsIn(namespace: string) {
  const event = z.object({
    action: z.string(),
    reportingInstance: z.string().optional(),
    regarding: z.looseObject({ name: z.string() }),
  });
  const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
  return z.object({ items: z.array(event) }).parse(await must(world.plane, "admin", "GET", path)).items;
}
