import { randomBytes } from "node:crypto";
import { codeOf } from "../../hack/demo/totp.ts";
import type { Authenticator } from "../../src/api/v1alpha1/authenticator.ts";
import type { ElevationPolicy } from "../../src/api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import type { Method } from "../../src/api/v1alpha1/meta.ts";
import type { VerifyBody } from "../../src/api/v1alpha1/wire.ts";
import type { RoleBinding } from "../../src/domain/binding.ts";
import { type Instant, later } from "../../src/domain/time.ts";
import { challenge } from "../../src/flows/challenge.ts";
import { enrollmentOptions, register } from "../../src/flows/enroll.ts";
import type { ControllerPorts, VerifierPorts } from "../../src/flows/ports.ts";
import { prove } from "../../src/flows/prove.ts";
import { type Memory, reconcile } from "../../src/flows/reconcile.ts";
import { readAuthenticator, readRequest } from "../../src/kube/kinds.ts";
import { totp } from "../../src/mfa/totp.ts";
import { meta, totpOfAlice } from "../fakes/objects.ts";
import { challengeOf, provingGround, verifierOf } from "../fakes/proving.ts";
import { securityKey } from "../fakes/security-key.ts";

// One life of a request in memory, remembered at each of its moments, so that each can be written to and lived on from.
// The flows, the seals and the key are the real ones. The API server of these tests takes whatever an admin without our
// guards writes; what breaks the schema is passed over when it is read.

/** bound: between bind and activate. cut: ended long before its time, because somebody deleted the binding. */
export const moments = ["new", "offered", "proven", "promised", "bound", "active", "cut"] as const;
export type Moment = (typeof moments)[number];
export type Snapshot = {
  readonly at: Instant;
  readonly request: ElevationRequest;
  readonly binding: RoleBinding | undefined;
  readonly factors: readonly Authenticator[];
};
/** What became of a life that was lived on. */
export type Seen = {
  /** By the endpoint, in its word. */
  readonly refused: string | undefined;
  /** Phase and reason, soon and at last. */
  readonly soon: string;
  readonly end: string;
  readonly readable: boolean;
  readonly closed: boolean;
  /** What was bound: soon, half-way, at the last millisecond that the proof allows, and after it. */
  readonly bound: readonly (Grant | undefined)[];
  /** Whatever was bound since it was written to, for however short. */
  readonly made: readonly Grant[];
};
/** What a binding gives, to whom and until when. */
export type Grant = { readonly to: unknown; readonly role: unknown; readonly until: string };
export type Proof = Pick<VerifyBody, "totp" | "webauthn">;
export type Life = Awaited<ReturnType<typeof liveOnce>>;

export const keyOfAlice = "616c696365.key-1";
export const ticket = "ticket";
const key = { namespace: "shop", name: "fix", uid: "uid-fix" };
export const origin = "https://elevate.example.com";
const codeVerifier = verifierOf(key.name);
const lastsMs = 15 * 60_000;

/** Lives once, proven by this method, and remembers each moment. `status`: of the policy. */
export async function liveOnce(method: Method, status?: ElevationPolicy["status"]) {
  const ground = provingGround({ authentication: { methods: [method], timeout: "5m", totp: { maxDuration: "15m" } } });
  const { requests, bindings, authenticators, world } = ground;
  const { facts } = ground.controller;
  const policy = async (name: string): Promise<ElevationPolicy | undefined> => {
    const found = await facts.policy(name);
    return found && { ...found, status };
  };
  const controller = { ...reading(ground.controller), facts: { ...facts, policy } };
  const codes = totp({ seedKeys: new Map([["k1", randomBytes(32).toString("base64url")]]), issuer: "test" });
  const verifier = { ...reading(ground.verifier()), totp: codes, policy };
  const alice = await enrolledKey(authenticators.put, verifier);
  const seed = codes.enrollment({ ...totpOfAlice, status: { phase: "Active", keyID: "k1" } }).secret;
  const codeNow = (): string => codeOf(seed, world.now);
  const until = later(world.now, 60_000 + lastsMs);
  const pass = (ms: number): void => void (world.now = later(world.now, ms));

  const settle = async (memory: Memory, ports: ControllerPorts = controller): Promise<void> =>
    reconcile(ports, key, memory).then(
      () => undefined,
      () => undefined, // it would be tried again: what is there now is there to stay
    );
  const answer = async (at = verifier): Promise<Proof | string> => {
    const asked = await challenge(at, key, { codeVerifier }, 0);
    if ("reason" in asked) return asked.reason;
    if (!asked.methods.includes(method)) return "AuthenticatorUnknown";
    return asked.webauthn ? { webauthn: alice.get(asked.webauthn) } : { totp: { code: codeNow() } };
  };
  /** As the plugin does it, for who has alice's factor, or this answer of it; what the endpoint refuses, in its word. */
  const proveIt = async (given?: Proof, at = verifier): Promise<string | undefined> => {
    const proof = given ?? (await answer(at));
    if (typeof proof === "string") return proof;
    const answered = await prove(at, key, { codeVerifier, ...proof }, 0);
    return "message" in answered ? answered.reason : undefined;
  };
  const look = async (): Promise<Snapshot> => {
    const [request, [binding], factors] = await Promise.all([
      requests.get(key.name),
      bindings.list(),
      authenticators.list(),
    ]);
    if (request === undefined) throw new Error("the request is gone");
    return { at: world.now, request, binding, factors };
  };
  const restore = async ({ at, request, binding, factors }: Snapshot): Promise<void> => {
    for (const { metadata } of await bindings.list()) await bindings.remove(metadata);
    if (binding !== undefined) bindings.put(binding);
    requests.put(request);
    for (const factor of factors) authenticators.put(factor);
    world.now = at;
  };

  const kept = new Map<Moment, Snapshot>();
  const keep = async (moment: Moment): Promise<unknown> => kept.set(moment, await look());
  const keepGranting = async (): Promise<void> => {
    const found = await look();
    if (found.request.status?.phase === "Granting") kept.set(found.binding ? "bound" : "promised", found);
  };
  const memory: Memory = {};
  ground.ask(key.name, { duration: "15m", justification: "INC-1" });
  await keep("new");
  await settle(memory);
  await keep("offered");
  pass(60_000);
  await proveIt();
  await keep("proven");
  const offs = [requests, bindings].map((store) => store.watch(() => void keepGranting()));
  await settle(memory);
  for (const off of offs) off();
  await keep("active");
  pass(60_000);
  for (const { metadata } of await bindings.list()) await bindings.remove(metadata);
  await settle(memory);
  pass(2_000);
  await settle(memory);
  await keep("cut");

  return {
    at(moment: Moment): Snapshot {
      const found = kept.get(moment);
      if (found === undefined) throw new Error(`no moment was ${moment}`);
      return found;
    },
    restore,
    look,
    settle,
    answer,
    proveIt,
    pass,
    verifier,
    controller,
    codeNow,
    method,
    until,
    clock: () => world.now,
    /** Processes that know nothing go on from there: alice proves where a proof is awaited, and time passes to the end. */
    async liveOn(moment: Moment, from: Snapshot): Promise<Seen> {
      await restore(from);
      const afresh: Memory = {};
      const made: Grant[] = [];
      const off = bindings.watch(() => void bindings.list().then((all) => made.push(...all.map(grantOf))));
      await settle(afresh);
      const awaited = moment === "new" || moment === "offered";
      if (awaited) pass(60_000);
      const refused = awaited ? await proveIt() : undefined;
      await settle(afresh);
      pass(2_000); // believed gone is what was not there for a while
      await settle(afresh);
      const soon = recordOf((await look()).request);
      const bound: (Grant | undefined)[] = [];
      for (const time of [world.now, later(until, -lastsMs / 2), later(until, -1), until]) {
        world.now = time;
        await settle(afresh);
        const { binding } = await look();
        bound.push(binding && grantOf(binding));
      }
      off();
      const { request } = await look();
      const readable = (await controller.requests.get(key.namespace, key.name)) !== undefined;
      const closed = request.status?.endTime !== undefined;
      return { refused, soon, end: recordOf(request), readable, closed, bound, made };
    },
  };
}

/** Objects are read as the adapters read them. */
function reading<Ports extends ControllerPorts | VerifierPorts>(ports: Ports): Ports {
  const { requests, authenticators } = ports;
  const readOne = readRequest(() => undefined);
  const readFactor = readAuthenticator(() => undefined);
  return {
    ...ports,
    requests: {
      ...requests,
      get: async (namespace: string, name: string) => readOne(await requests.get(namespace, name)),
      next: async (...given: Parameters<typeof requests.next>) => readOne(await requests.next(...given)),
    },
    authenticators: { ...authenticators, get: async (name: string) => readFactor(await authenticators.get(name)) },
  };
}

/** By ivy's ticket. */
async function enrolledKey(put: (authenticator: Authenticator) => void, verifier: VerifierPorts) {
  const made = securityKey({ origin });
  const spec = { ...totpOfAlice.spec, method: "WebAuthn" as const, codeChallenge: challengeOf(ticket) };
  put({ metadata: { ...meta, name: keyOfAlice, uid: "uid-key-1" }, spec });
  const asked = await enrollmentOptions(verifier, keyOfAlice, { codeVerifier: ticket });
  if ("reason" in asked || asked.webauthn === undefined) throw new Error("no key is asked for");
  const done = await register(verifier, keyOfAlice, { codeVerifier: ticket, webauthn: made.create(asked.webauthn) });
  if ("reason" in done) throw new Error(done.message);
  return made;
}

const recordOf = ({ status }: ElevationRequest): string => `${status?.phase ?? "new"}/${status?.reason ?? ""}`;

function grantOf({ metadata, subjects, roleRef }: RoleBinding): Grant {
  const until = metadata.annotations?.["kube-elevate.dev/expiration-time"] ?? "";
  return { to: subjects, role: roleRef, until };
}
