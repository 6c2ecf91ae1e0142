import { readFile } from "node:fs/promises";
import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import {
  challengeOf,
  challengePath,
  codeAt,
  enroll,
  newSecret,
  post,
  stepNow,
  totpOf,
  verifyPath,
} from "../../test/cluster/support/endpoint.ts";
import { enrollKey, keyOf, optionsFor, pageEnv } from "../../test/cluster/support/key.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { install } from "../controlplane/install.ts";
import { endpointCAFile, startController, startVerifier, type Verifier } from "../controlplane/processes.ts";
import { type Bound, boundIn } from "./bound.ts";
import { persons } from "./persons.ts";
import { type Bench, rowOf } from "./report.ts";
import { fourWrites, mustBe } from "./writes.ts";

const rounds = { kept: 60, fresh: 30, burst: 10, key: 60 };
const ways = 16;

/**
 * From the POST of a right code, or of a key's answer, until the API server lets the requester do what she asked for, each time by a person of
 * her own: a code is good once in its 30 s. Beside it the floor: the four writes that this takes, bare, by one client
 * that keeps its connections, in the same run, in turn with the rounds.
 *
 * The POST goes over a connection that is open, so that it is the proof that is measured. The plugin opens a new one:
 * that is a row of its own. A watch tells when to begin to ask as the requester, as polling would take what it measures.
 */
export const proof: Bench = async (plane, tell) => {
  await install(plane);
  await plane.run("admin", ["apply", "-k", "config/samples"]);
  const authentication = { methods: ["WebAuthn", "TOTP"] };
  const patch = JSON.stringify({ spec: { authentication } });
  await plane.run("admin", ["patch", "elevpol", "shop-debug", "--type=merge", "-p", patch]);
  const [, verifier] = await Promise.all([startController(plane), startVerifier(plane, { env: pageEnv })]);
  const ca = await readFile(await endpointCAFile(plane), "utf8");
  const bound = await boundIn(plane, "shop");
  const scene = { plane, verifier, ca, bound };
  const left = [...persons];
  const measure = async (name: string, times: number, atOnce: number, how: How = {}): Promise<Measured> => {
    const { keepAlive = true, by = byCode } = how;
    const measured: Measured = { allowed: [], answered: [], floor: [] };
    for (let round = 1; round <= times; round++) {
      const proofs: Proof[] = [];
      for (const username of left.splice(0, atOnce)) proofs.push(await prepare(scene, username, by));
      const agent = new Agent({ keepAlive }); // one a round: the endpoint closes what is idle for 5 s
      await Promise.all(proofs.map(async (one) => offered(scene, one, agent))); // opens what is kept
      const took = await Promise.all(proofs.map(async (one) => prove(scene, one, agent)));
      agent.destroy();
      for (const { allowed, answered } of took) {
        measured.allowed.push(allowed);
        measured.answered.push(answered);
      }
      measured.floor.push(
        ...(await Promise.all(proofs.map(async (one) => fourWrites(plane, one.username, one.authenticator)))),
      );
      tell(`${name}, round ${String(round)} of ${String(times)}`);
    }
    return measured;
  };
  try {
    await measure("warming up", 3, 1);
    const one = await measure("one at a time", rounds.kept, 1);
    const fresh = await measure("over new connections", rounds.fresh, 1, { keepAlive: false });
    await measure("warming up, by key", 3, 1, { by: byKey });
    const key = await measure("by key, one at a time", rounds.key, 1, { by: byKey });
    const many = await measure(`${String(ways)} at once`, rounds.burst, ways);
    return [
      rowOf("proof to allowed, 1 at once", one.allowed, one),
      rowOf("proof to answer, 1 at once", one.answered, one),
      rowOf("proof to allowed by key (WebAuthn), 1 at once", key.allowed, key),
      rowOf("proof to answer by key (WebAuthn), 1 at once", key.answered, key),
      rowOf("proof to allowed, 1 at once, over a new TLS connection", fresh.allowed, fresh),
      rowOf(`proof to allowed, ${String(ways)} at once`, many.allowed, many),
      rowOf(`proof to answer, ${String(ways)} at once`, many.answered, many),
    ];
  } finally {
    await bound.stop();
  }
};

type Scene = { readonly plane: ControlPlane; readonly verifier: Verifier; readonly ca: string; readonly bound: Bound };
type Measured = { readonly allowed: number[]; readonly answered: number[]; readonly floor: number[] };
type Open = { readonly name: string; readonly codeVerifier: string };
type Proof = Open & { readonly username: string; readonly authenticator: string; readonly shown: object };
type Apply = (user: string, object: object) => Promise<string>;
/** Enrolls this person; what it returns makes the proof of what she asked for. */
type By = (scene: Scene, apply: Apply, username: string) => Promise<Factor>;
type Factor = { readonly authenticator: string; readonly proof: (open: Open) => Promise<object> };
type How = { readonly keepAlive?: boolean; readonly by?: By };

const byCode: By = async ({ verifier, ca }, apply, username) => {
  const { seed } = await enroll({ apply }, verifier, ca, username);
  return { authenticator: totpOf(username), proof: async () => ({ totp: { code: codeAt(seed, await stepNow()) } }) };
};
const byKey: By = async ({ verifier, ca }, apply, username) => {
  const { key } = await enrollKey({ apply }, verifier, ca, username);
  const touch = async (open: Open): Promise<object> => ({ webauthn: key.get(await optionsFor(verifier, ca, open)) });
  return { authenticator: keyOf(username), proof: touch };
};

/** A person who is enrolled and has an offer, and what proves it. */
async function prepare(scene: Scene, username: string, by: By): Promise<Proof> {
  const { plane } = scene;
  const apply = async (user: string, object: object): Promise<string> => {
    mustBe(201, await plane.ask(user, "POST", "/apis/kube-elevate.dev/v1alpha1/authenticators", object));
    return "";
  };
  const { authenticator, proof: proofOf } = await by(scene, apply, username);
  const codeVerifier = newSecret();
  const name = `bench-${username}`;
  const spec = { policyName: "shop-debug", justification: "INC-1 bench", codeChallenge: challengeOf(codeVerifier) };
  const requests = "/apis/kube-elevate.dev/v1alpha1/namespaces/shop/elevationrequests";
  const object = { apiVersion: "kube-elevate.dev/v1alpha1", kind: "ElevationRequest", metadata: { name }, spec };
  mustBe(201, await plane.ask(username, "POST", requests, object));
  await offered(scene, { name, codeVerifier }, false);
  return { username, authenticator, name, codeVerifier, shown: await proofOf({ name, codeVerifier }) };
}

async function offered({ verifier, ca }: Scene, { name, codeVerifier }: Open, agent: Agent | false): Promise<void> {
  const { status, text } = await post(verifier, ca, challengePath(name), { codeVerifier }, agent);
  if (status !== 200) throw new Error(`not offered: ${text}`);
}

async function prove(
  { plane, verifier, ca, bound }: Scene,
  { username, name, codeVerifier, shown }: Proof,
  agent: Agent | false,
): Promise<{ readonly allowed: number; readonly answered: number }> {
  const began = performance.now();
  const since = (): number => performance.now() - began;
  const body = { codeVerifier, ...shown };
  const answer = async (): Promise<number> => {
    for (;;) {
      const { status, text, body: told } = await post(verifier, ca, verifyPath(name), body, agent);
      if (status === 200 && told["phase"] === "Active") return since();
      // after 10 s it tells the phase reached, and whoever asks again waits on, as the plugin does
      if (status !== 200 || told["phase"] !== "Granting" || since() > 60_000) throw new Error(`not granted: ${text}`);
    }
  };
  const allow = async (): Promise<number> => {
    await bound.for(username);
    for (;;) {
      const { code: told } = await plane.ask(username, "GET", "/api/v1/namespaces/shop/pods/none");
      if (told === 404) return since(); // allowed: there is no such pod
      if (since() > 10_000) throw new Error(`${username} is bound and not allowed`);
      await sleep(1);
    }
  };
  const [allowed, answered] = await Promise.all([allow(), answer()]);
  return { allowed, answered };
}
