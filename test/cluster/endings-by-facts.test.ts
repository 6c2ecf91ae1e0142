import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  endpointCAFile,
  type Process,
  startController,
  startVerifier,
  type Verifier,
} from "../../hack/controlplane/processes.ts";
import { authenticatorPath } from "../../src/api/v1alpha1/wire.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { connect, type KubeClient } from "../../src/kube/client.ts";
import { createFacts } from "../../src/kube/facts.ts";
import { createRequests } from "../../src/kube/requests.ts";
import {
  authenticatorsPath,
  bindingsPath,
  policiesPath,
  policyBody,
  requestBody,
  requestsPath,
} from "../contract/bodies.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { codeAt, enroll, invite, type Person, post, seedOf, stepNow, totpOf } from "./support/endpoint.ts";
import { type Case, disable, type Ending, endings, stays, withdraw } from "./support/facts-that-change.ts";
import { type Asked, allowed, forbiddenAfterMs, offered, placesOf, proved, readyOf, rowsOf } from "./support/grants.ts";
import { must } from "./support/lives.ts";
import { aligned, answeredBy, everBound } from "./support/refused.ts";

// What ends access when the facts change under a grant that stands, and what does not. Each case has a person, a
// namespace, a role and a policy of its name; all stand at once, all is changed at one moment, and all is waited for once.

/** A lost factor: deleted, and invited anew before the controller looks. */
const anew: Ending = {
  row: "EN09",
  name: "lost",
  what: "the authenticator is deleted and invited anew",
  change: async (_plane, name) => (lost = enrollAnew(name)),
  reason: "AuthenticatorWithdrawn",
};
const ending = [...endings, anew];
const cases: readonly (Case | Ending)[] = [...ending, ...stays];
const names = cases.map(({ name }) => name);
const waiting = ["off", "gone"] as const;
const places = [...names, "use", "mover"];
const cluster = useControlPlane({
  installed: "samples",
  users: [
    ...[...names, ...waiting, "use", "mover"].map((name) => ({ name, groups: ["devs"] })),
    { name: "moved", username: "mover", groups: ["guests"] }, // the same person, when she has left devs
  ],
});
let verifier: Verifier;
let controller: Process;
let ca = "";
const people = new Map<string, Person>();
const personOf = (name: string): Person => people.get(name) ?? expect.fail(`${name} is not enrolled`);

beforeAll(async () => {
  const { plane } = cluster;
  const processes: readonly [Verifier, Process] = await Promise.all([startVerifier(plane), startController(plane)]);
  [verifier, controller] = processes;
  ca = await readFile(await endpointCAFile(plane), "utf8");
  await cluster.apply("admin", ...placesOf(places));
  await Promise.all(
    [...names, ...waiting, "mover"].map(async (name) => {
      people.set(name, await enroll(cluster, verifier, ca, name));
    }),
  );
  await Promise.all(places.map(mayAsk));
}, 120_000);

/** Rights that were just given are known to every authorizer of the API server a moment later. */
async function mayAsk(name: string): Promise<unknown> {
  const body = requestBody("rehearsal", { policyName: name });
  const path = requestsPath(name, "?dryRun=All");
  return eventually(
    async () => (await cluster.plane.ask(name, "POST", path, body)).code === 201,
    20,
    `${name} may ask`,
  );
}
const offer = async (user: string, more: { readonly name?: string; readonly spec?: object } = {}): Promise<Asked> =>
  offered(cluster.plane, verifier, ca, { user, namespace: user, ...more });
const grant = async (name: string, spec: object = {}): Promise<Asked> => {
  const asked = await offer(name, { spec });
  const said = await proved(verifier, ca, asked, personOf(name));
  expect(said).toMatchObject({ status: 200, body: { phase: "Active" } });
  return asked;
};
const admin = async (method: string, path: string, body?: object): Promise<unknown> =>
  must(cluster.plane, "admin", method, path, body);
const read = async (name: string, request = "fix") =>
  requests.parse(await admin("GET", requestsPath(name, `/${request}`)));
const requests = z.looseObject({
  status: z
    .looseObject({
      phase: z.string(),
      verification: z.looseObject({ authenticatorUID: z.string() }).optional(),
      grant: z.looseObject({ expirationTime: z.string() }).optional(),
    })
    .partial()
    .optional(),
});

test("EN10: a proof whose authenticator is disabled or deleted before it is promised upon: Denied/AuthenticatorWithdrawn, never bound", async () => {
  const asked = await Promise.all(
    waiting.map(async (user) =>
      offered(cluster.plane, verifier, ca, { user, namespace: "shop", name: user, spec: { policyName: "shop-debug" } }),
    ),
  );
  let answers: ReturnType<typeof proved>[] = [];
  try {
    process.kill(controller.pid, "SIGSTOP");
    answers = asked.map(async (one) => proved(verifier, ca, one, personOf(one.user)));
    for (const user of waiting)
      await eventually(async () => (await read("shop", user)).status?.verification, 10, `${user} has proven`);
    await disable(cluster.plane, "off");
    await withdraw(cluster.plane, "gone");
  } finally {
    process.kill(controller.pid, "SIGCONT");
  }
  for (const user of waiting) {
    await eventually(async () => (await read("shop", user)).status?.phase === "Denied", 10, `${user} is denied`);
    const { status } = await read("shop", user);
    expect(status).toMatchObject({ phase: "Denied", reason: "AuthenticatorWithdrawn" });
    expect(await allowed(cluster.plane, { user, namespace: "shop" })).toBe(false);
  }
  expect((await everBound(cluster.plane)).filter((name) => /:(off|gone):/.test(name))).toEqual([]);
  const told = (await Promise.all(answers)).map(({ status, body }) => [status, body["phase"], body["reason"]]);
  expect(told).toEqual(waiting.map(() => [200, "Denied", "AuthenticatorWithdrawn"]));
});

describe("facts change under grants that stand", () => {
  const afterMs = new Map<string, Promise<number>>();
  let changedAt = 0;

  beforeAll(async () => {
    const { plane } = cluster;
    const lasting = cases.filter(({ name }) => name !== "expired");
    const granted = await Promise.all(
      lasting.map(async ({ name, what }) => grant(name, { justification: `INC-1 ${what}` })),
    );
    const short = await grant("expired", { duration: "5s", justification: "INC-1 expirationTime comes" });
    const expiration = parseInstant((await read("expired")).status?.grant?.expirationTime);
    changedAt = Date.now();
    for (const asked of [...granted, short]) {
      const found = cases.find(({ name }) => name === asked.user);
      if (found === undefined) continue;
      const from = asked === short ? expiration : changedAt;
      const [promised, every] = "at" in found ? [5_000, 20] : [35_000, 200];
      const seen = found.change(plane, asked.user).then(async () => {
        const within = Math.max(0, Date.now() - from) + promised; // a busy machine takes its time for the change itself
        return "reason" in found ? forbiddenAfterMs(plane, asked, { from, within, every }) : 0;
      });
      seen.catch(() => undefined); // its own test tells
      afterMs.set(asked.user, seen);
    }
  }, 120_000);

  afterAll(async () => {
    const times = await Promise.all(
      ending.map(async ({ name, what }) => {
        const ms = await afterMs.get(name)?.catch(() => undefined);
        return [name, what, ms === undefined ? "never" : `${(ms / 1_000).toFixed(1)} s`];
      }),
    );
    const printed = aligned([["CASE", "WHAT HAPPENED", "FORBIDDEN AFTER"], ...times]);
    const rows = (await wide())
      .split("\n")
      .filter((row) => /^NAMESPACE|^\S+ +fix /.test(row))
      .join("\n");
    process.stderr.write(`\nhow access ended\n${printed}\nkubectl get elev -A -o wide\n${rows}\n`);
  });

  test("EN09: a lost factor is disabled, deleted and invited anew: what the old one shows never works again", async () => {
    const { before, after, told } = await (lost ?? expect.fail("nothing was lost"));
    expect(told).toEqual({
      "its code, while it is disabled": { word: "AuthenticatorUnknown", exit: "HTTP 403" },
      "its code, to enroll the new one": { word: "ProofRejected", exit: "HTTP 403" },
      "its ticket, to enroll the new one": { word: "CallerUnknown", exit: "HTTP 401" },
      "the new code, to enroll": { word: "undefined", exit: "HTTP 201" },
    });
    expect(after.uid).not.toBe(before.uid);
    expect(after.person.seed).not.toBe(before.person.seed);
    const elsewhere = { namespace: "shop", name: "lost", spec: { policyName: "shop-debug" } };
    const again = await offered(cluster.plane, verifier, ca, { user: "lost", ...elsewhere });
    expect(answeredBy(await proved(verifier, ca, again, before.person)).word).toBe("ProofRejected");
    expect(await proved(verifier, ca, again, after.person)).toMatchObject({ status: 200, body: { phase: "Active" } });
    expect((await read("shop", "lost")).status?.verification?.authenticatorUID).toBe(after.uid);
  });

  test("EX28: use that is taken away is lost when refused twice running, 5 min apart; given back between, it stays", async () => {
    const { facts, request, at, use } = await standing();
    expect(await at(0)).toBe(true);
    await use(false);
    expect([await at(4.99), await at(5), await at(9.99)]).toEqual([true, true, true]); // asked once, refused once
    await use(true);
    expect(await at(10)).toBe(true);
    await use(false);
    expect([await at(15), await at(19.5)]).toEqual([true, true]);
    expect(await at(20)).toBe(false);
    expect((await facts.mayUse(request, "entry")).allowed).toBe(false); // who asks now is told at once
    await use(true);
  });

  test("EX28: reviews that the API server refuses end nothing, hide nothing, and are made again at the next look", async () => {
    const { at, use, reviews, told, allowReviews } = await standing();
    expect(await at(0)).toBe(true);
    await use(false);
    allowReviews(false);
    expect([await at(5), await at(5.5)]).toEqual([true, true]);
    expect([reviews(), told.filter((line) => line.includes("is asked again")).length]).toEqual([3, 2]);
    allowReviews(true);
    expect([await at(6), await at(11)]).toEqual([true, false]); // refused once, and twice running
    await use(true);
  });

  test("EX28: with 100 active and a look every 30 s, each is asked about once in 5 min", async () => {
    const { facts, request, reviews, elapse } = await standing();
    const active = Array.from({ length: 100 }, (_, i) => ({
      ...request,
      metadata: { ...request.metadata, uid: `${request.metadata.uid}-${String(i)}` },
    }));
    const before = reviews();
    for (let minutes = 0; minutes <= 20; minutes += 0.5) {
      elapse(minutes);
      for (const one of active) expect((await facts.mayUse(one, "standing")).allowed).toBe(true);
    }
    expect(reviews() - before).toBe(100 * 5); // at 0, 5, 10, 15 and 20 min
  });

  test("RC09: who leaves a group after she asked can prove what she asked for while it waits, at most 10 min, and ask no more", async () => {
    const { plane } = cluster;
    const asked = await offer("mover");
    const { groups } = z
      .object({ spec: z.object({ requester: z.object({ groups: z.array(z.string()) }) }) })
      .parse(await admin("GET", requestsPath("mover", "/fix"))).spec.requester;
    expect(groups).toEqual(["devs", "system:authenticated"]);
    const again = requestBody("again", { policyName: "mover" });
    const { code, body } = await plane.ask("moved", "POST", requestsPath("mover"), again);
    expect([code, JSON.stringify(body)]).toEqual([403, expect.stringContaining("forbidden") as unknown]);
    expect(await proved(verifier, ca, asked, personOf("mover"))).toMatchObject({
      status: 200,
      body: { phase: "Active" },
    });
    expect(await allowed(plane, { user: "moved", namespace: "mover" })).toBe(true); // bound to her, by her name
    const dryRun = async (timeout: string) => {
      const policy = policyBody("long", { authentication: { methods: ["TOTP"], timeout } });
      return plane.ask("admin", "POST", policiesPath("?dryRun=All"), policy);
    };
    expect((await dryRun("10m")).code).toBe(201);
    const refused = await dryRun("10m1s");
    expect([refused.code, JSON.stringify(refused.body)]).toEqual([422, expect.stringContaining("timeout") as unknown]);
  });

  test.each(ending)(
    "$row: $what: $reason, Forbidden on time, and kubectl says so",
    async ({ name, phase = "Revoked", reason, by = "" }) => {
      expect(await afterMs.get(name)).toBeGreaterThanOrEqual(0);
      await eventually(async () => (await read(name)).status?.phase === phase, 15, `${name} is ${phase}`);
      expect(rowsOf(await wide()).get(`${name}/fix`)).toMatchObject({
        PHASE: phase,
        REASON: reason,
        "ENDED-BY": by,
        REQUESTER: name,
      });
      expect(await cluster.refused(name, "get", "pod", "none", "-n", name)).toContain("(Forbidden)");
    },
  );

  test.each(stays)("$row: $what: it stays", async ({ name }) => {
    await eventually(() => Date.now() > changedAt + 36_000, 40, "every grant was looked at again");
    await afterMs.get(name);
    expect(rowsOf(await wide()).get(`${name}/fix`)).toMatchObject({
      PHASE: "Active",
      REASON: "BindingCreated",
      ENDED: "",
    });
    expect(await allowed(cluster.plane, { user: name, namespace: name })).toBe(true);
  });

  test.each(["rules", "role-again"])(
    "EX32: the policy of %s says that its role changed under a grant",
    async (name) => {
      const ready = async () => readyOf(cluster.plane, policiesPath(`/${name}`));
      await eventually(async () => (await ready())?.reason === "RoleChanged", 40, "it is told");
      expect(await ready()).toMatchObject({ status: "True", message: expect.stringContaining(under) as unknown });
      const [header = "", row = ""] = (await cluster.kubectl("sre", "get", "elevpol", name, "-o", "wide")).split("\n");
      expect([header, row]).toEqual([
        expect.stringMatching(/READY .*REASON/),
        expect.stringMatching(/ True .* RoleChanged/),
      ]);
    },
  );
  const under = `its rules changed under 1 active grant: what they say now is in force`;

  test("EX32: what the grant gives is what the role says now", async () => {
    const path = "/api/v1/namespaces/rules/configmaps/none";
    expect((await cluster.plane.ask("rules", "GET", path)).code).toBe(404);
  });
});

const wide = async (): Promise<string> => cluster.kubectl("sre", "get", "elev", "-A", "-o", "wide");

type Factor = { readonly uid: string; readonly person: Person };
type Renewed = { readonly before: Factor; readonly after: Factor; readonly told: Readonly<Record<string, unknown>> };
let lost: Promise<Renewed> | undefined;

/** As an inviter and the person do it; what the old code and ticket are told on the way. */
async function enrollAnew(name: string): Promise<Renewed> {
  const { plane } = cluster;
  const uidNow = async (): Promise<string> =>
    z
      .object({ metadata: z.object({ uid: z.string() }) })
      .parse(await admin("GET", authenticatorsPath(`/${totpOf(name)}`))).metadata.uid;
  const before = { uid: await uidNow(), person: personOf(name) };
  const waits = await offer(name, { name: "while-off" });
  await disable(plane, name);
  const whileOff = await proved(verifier, ca, waits, before.person);
  await must(plane, "ivy", "DELETE", authenticatorsPath(`/${totpOf(name)}`));
  const ticket = await invite(cluster, name);
  const seed = await seedOf(verifier, ca, name, ticket);
  const after = { uid: await uidNow(), person: { username: name, ticket, seed } };
  const step = (await stepNow(3_000)) - 1;
  const register = async (codeVerifier: string, from: string) =>
    post(verifier, ca, authenticatorPath(totpOf(name), "register"), {
      codeVerifier,
      totp: { code: codeAt(from, step) },
    });
  const told = {
    "its code, while it is disabled": answeredBy(whileOff),
    "its code, to enroll the new one": answeredBy(await register(ticket, before.person.seed)),
    "its ticket, to enroll the new one": answeredBy(await register(before.person.ticket, seed)),
    "the new code, to enroll": answeredBy(await register(ticket, seed)),
  };
  return { before, after, told };
}

const clients: KubeClient[] = [];
afterAll(async () => {
  await Promise.all(clients.map(async (client) => client.close()));
});
/** The controller's own adapter at the real API server, by a clock that the test moves on. */
async function standing() {
  const { plane } = cluster;
  const told: string[] = [];
  const tell = (message: string): void => void told.push(message);
  const client = connect({ kubeconfig: await plane.accountKubeconfig("controller"), tell });
  const other = connect({ kubeconfig: await plane.accountKubeconfig("sweeper"), tell }); // it may review nothing
  clients.push(client, other);
  const rehearsed = requestBody(`r-${String(clients.length)}`, { policyName: "use" });
  await must(plane, "use", "POST", requestsPath("use"), rehearsed);
  const request = await createRequests(client).get("use", `r-${String(clients.length)}`);
  if (request === undefined) throw new Error("it is not there");
  let [elapsedMs, reviews, may] = [0, 0, true];
  const create: KubeClient["create"] = async <T>(
    collection: string,
    body: object,
    options?: Parameters<KubeClient["create"]>[2],
  ) => {
    reviews += 1;
    return (may ? client : other).create<T>(collection, body, options);
  };
  const facts = createFacts({ ...client, create }, () => elapsedMs);
  const elapse = (minutes: number): void => {
    elapsedMs = minutes * 60_000;
  };
  return {
    facts,
    request,
    elapse,
    told,
    /** Whether the account that asks has the right to. */
    allowReviews: (right: boolean): void => {
      may = right;
    },
    reviews: () => reviews,
    at: async (minutes: number): Promise<boolean> => {
      elapse(minutes);
      return (await facts.mayUse(request, "standing")).allowed;
    },
    /** Gives it, or takes it away, and waits until the API server's authorizer knows. */
    use: async (given: boolean): Promise<void> => {
      if (given) await cluster.apply("admin", ...placesOf(["use"]).slice(-1));
      else await admin("DELETE", bindingsPath("use", "/use"));
      const question = {
        verb: "use",
        group: "kube-elevate.dev",
        resource: "elevationpolicies",
        name: "use",
        namespace: "use",
      };
      await eventually(async () => (await cluster.can("use", question)) === given, 20, "the authorizer knows");
    },
  };
}
