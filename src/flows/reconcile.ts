import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { bindingFor, bindingName, compareBinding, type RoleBinding } from "../domain/binding.ts";
import { sealPreimage } from "../domain/challenge.ts";
import { expiringFrom } from "../domain/expiring.ts";
import { decide, type Observed, type Step } from "../domain/grant.ts";
import type { Gates } from "../domain/policy.ts";
import type { Cause } from "../domain/reasons.ts";
import { recordedOf } from "../domain/record.ts";
import { statusAfter } from "../domain/status.ts";
import { earlier, type Instant, instant, parseInstant } from "../domain/time.ts";
import { type Asking, inspect } from "./inspect.ts";
import type { ControllerPorts, Moment, Outcome, Placed, RequestKey } from "./ports.ts";

/** What this process did and saw of one request; schedule.ts keeps it. Losing it costs a word, never safety. */
export type Memory = {
  unboundFor?: Observed["unboundFor"];
  missingSince?: Instant | undefined;
  unbindFailed?: boolean;
  bindFailed?: boolean;
  /** When a proof was first seen. */
  proven?: Moment;
  /** Versions at the last look: what a list shows otherwise is looked at again. */
  request?: string | undefined;
  binding?: string | undefined;
  /** The last versions of the request that were read or written, of which a watch under load tells late. */
  known?: readonly string[];
  /** When access is to end by the last look; undefined: there is none. For what comes first, not for what is done. */
  endsAt?: Instant | undefined;
  warned?: boolean;
  /** The grant that stands, by its record and its binding as they were last read: enough to end it in time. */
  due?: Due | undefined;
  /** What was asked to go, and was not looked for since. */
  removed?: { readonly uid: string; readonly cause: Cause; readonly outcome: Outcome } | undefined;
};
/** A binding, and the expirationTime that its request has on record. */
export type Due = { readonly at: Instant; readonly binding: Placed };
type Ahead = { readonly scope: Asking["scope"]; readonly gates: Promise<Gates> };
type World = { readonly request: ElevationRequest | undefined; readonly binding: RoleBinding | undefined };
type View = World & { readonly readAt: Instant };
type Written = { readonly outcome: Outcome; readonly request?: ElevationRequest | undefined };
type Write = Exclude<Step, { do: "inspect" | "wait" | "rest" }>;

const passesMax = 20; // a life is 8; whoever needs more is fought over, and backs off
const viewMs = 100; // of gates that took longer, the record may have ended meanwhile, by another replica

/**
 * Carries one request on until nothing is to be done, and says when to look again; undefined: never. The only place
 * where steps meet ports. When it throws, the caller tries again with backoff: each pass may be the first of a process.
 * A swap that was won shows the record as it is, and needs no other look; after anything else request and binding are
 * read live, above all between bind and activate.
 */
export async function reconcile(ports: ControllerPorts, key: RequestKey, memory: Memory): Promise<Instant | undefined> {
  let ahead: Ahead | undefined;
  let shown: View | undefined;
  for (let pass = 0; pass < passesMax; pass++) {
    const world = shown ?? (await look(ports, key));
    know(memory, world.request?.metadata.resourceVersion);
    memory.binding = world.binding?.metadata.resourceVersion;
    memory.endsAt = endOfAccess(world.request, world.binding !== undefined);
    memory.due = undefined;
    if (world.request?.status?.verification !== undefined) memory.proven ??= ports.protection.moment();
    heedRemoval(ports, key, world, memory);
    const seal = sealOf(ports, world.request);
    const seen = observe(ports, world, memory, seal !== "broken");
    let step = decide(seen, ports.clock());
    if (seal instanceof Error && !isEnding(step)) throw seal;
    let gates: Gates | undefined;
    if (step.do === "inspect") {
      memory.due = dueOf(world.request, world.binding); // its record is in order, so what is bound is ours
      gates = await (ahead?.scope === step.scope
        ? ahead.gates
        : inspect(ports, world.request, asking(step.scope, world, memory)));
      step = decide({ ...seen, gates }, ports.clock()); // the clock again: reading the gates took time
    }
    if (step.do === "wait") return earlier(step.until, warned(ports, key, world, memory) ?? step.until);
    if (step.do === "rest") return undefined;
    if (step.do === "bind" && gates !== undefined && isOld(world, ports.clock())) {
      ahead = { scope: "entry", gates: Promise.resolve(gates) };
      shown = undefined;
      continue;
    }
    if (step.do === "inspect") continue; // not twice running, as the enumeration shows; passesMax would end it
    const written = carryOut(ports, world, step, memory);
    ahead = lookAhead(ports, world, step, { written, gates, memory });
    const { outcome, request } = await written;
    shown = request && { request, binding: world.binding, readAt: ports.clock() };
    know(memory, request?.metadata.resourceVersion ?? memory.request);
    if (outcome === "won") {
      if (step.do !== "unbind") ports.recorder.tell({ about: key, step }); // that it is gone the next look tells
      if (step.do === "close") return undefined; // unbound before, and an ended record never changes
    } else ahead = undefined;
  }
  throw new Error(`${key.namespace}/${key.name} did not settle in ${String(passesMax)} passes`);
}

const isOld = ({ readAt }: View, now: Instant): boolean => now - readAt > viewMs || now < readAt;

const knownMax = 8; // more than a life has
function know(memory: Memory, version: string | undefined): void {
  memory.request = version;
  if (version !== undefined && memory.known?.includes(version) !== true)
    memory.known = [...(memory.known ?? []).slice(1 - knownMax), version];
}

/**
 * The gates that the next pass will ask for, read beside what it has to wait for anyhow. After a promise they are read while it is written, after a bind when the binding is there, so that they
 * are judged once more before Active; what is Active now was judged then, and is judged again in its own time.
 */
function lookAhead(
  ports: ControllerPorts,
  { request }: World,
  step: Write,
  {
    written,
    gates,
    memory,
  }: { readonly written: Promise<Written>; readonly gates: Gates | undefined; readonly memory: Memory },
): Ahead | undefined {
  if (step.do === "activate") return gates && { scope: "standing", gates: Promise.resolve(gates) };
  if (step.do !== "promise" && step.do !== "bind") return undefined;
  const read = async (lookAfter?: Moment): Promise<Gates> =>
    inspect(ports, request, { scope: "entry", rehearsed: false, lookAfter });
  const ahead = step.do === "promise" ? read() : written.then(async () => read(memory.proven));
  ahead.catch(() => undefined); // whoever awaits it is told; the next pass may have no use for it
  return { scope: "entry", gates: ahead };
}

/**
 * The binding is rehearsed for an offer. What was promised is its own rehearsal; if it is refused, one tells why. What is
 * bound becomes Active by a look at admission that began when it was proven, as nothing that the seal is over changes
 * after that: so none that was forged within the second of a look does.
 */
const asking = (scope: "entry" | "standing", { request, binding }: World, memory: Memory): Asking => ({
  scope,
  rehearsed:
    scope === "entry" && binding === undefined && (request?.status?.grant === undefined || memory.bindFailed === true),
  lookAfter: binding === undefined ? undefined : memory.proven,
});

/**
 * Asks the binding of a grant that is due to go, by what was read of it before, so that an expiry costs one call: an
 * expirationTime is set once, and whoever could have changed it meanwhile only ends it sooner. That it is gone, or is
 * not, the next pass finds by a live look, and closes the record. True when it was asked: once for each time it was read.
 */
export async function unbindDue(ports: ControllerPorts, memory: Memory): Promise<boolean> {
  const { due } = memory;
  if (due === undefined || ports.clock() < due.at) return false;
  memory.due = undefined;
  await remove(ports, due.binding, { reason: "Expired" }, memory);
  return true;
}

/** Of a grant that its record lets stand until then, and no longer. Whatever else it says is for a pass to judge. */
export function dueOf(request: ElevationRequest | undefined, binding: RoleBinding | undefined): Due | undefined {
  const { phase, grant } = request?.status ?? {};
  if (binding === undefined || (phase !== "Granting" && phase !== "Active")) return undefined;
  const { namespace, name, uid } = binding.metadata;
  return { at: parseInstant(grant?.expirationTime), binding: { metadata: { namespace, name, uid } } };
}

/** Tells that access ends soon, once; until it is time for that, when it will be. */
function warned(ports: ControllerPorts, about: RequestKey, world: World, memory: Memory): Instant | undefined {
  const from = world.binding && expiringFrom(world.request);
  if (from === undefined || memory.warned === true) return undefined;
  if (ports.clock() < from) return from;
  memory.warned = true;
  ports.recorder.warn({ about, expiration: parseInstant(world.request?.status?.grant?.expirationTime) });
  return undefined;
}

/** When access by this request is to end, as it is recorded: at once where nothing, or somebody, says otherwise. */
export function endOfAccess(request: ElevationRequest | undefined, bound: boolean): Instant | undefined {
  const { phase, grant } = request?.status ?? {};
  const granted = phase === "Granting" || phase === "Active";
  if (!granted) return bound ? instant(0) : undefined;
  const ended = request?.spec.termination !== undefined || request?.metadata.deletionTimestamp !== undefined;
  return ended ? instant(0) : parseInstant(grant?.expirationTime);
}

async function look({ requests, bindings, clock }: ControllerPorts, key: RequestKey): Promise<View> {
  const read = async (): Promise<ElevationRequest | undefined> => {
    const found = await requests.get(key.namespace, key.name);
    return found?.metadata.uid === key.uid ? found : undefined;
  };
  const [request, binding] = await Promise.all([read(), bindings.get(key.namespace, bindingName(key))]);
  const phase = request?.status?.phase;
  // another replica may have promised and bound between the two reads: no record older than a binding condemns it
  const older = binding !== undefined && phase !== "Granting" && phase !== "Active";
  return { request: older ? await read() : request, binding, readAt: clock() };
}

/** An Error: its key is not known yet. That delays what needs a good proof, and no ending: a broken one ends as well. */
function sealOf(ports: ControllerPorts, request: ElevationRequest | undefined): "good" | "broken" | Error {
  const { offer, verification } = request?.status ?? {};
  if (request === undefined || offer === undefined || verification === undefined) return "broken";
  if (offer.cluster.uid !== ports.cluster.uid) return "broken"; // restored from another cluster, with its keys
  const { keyID, seal } = verification;
  try {
    return ports.seals.holds(keyID, seal, sealPreimage(ports.digest, request, offer, verification)) ? "good" : "broken";
  } catch (error) {
    return error instanceof Error ? error : new Error("a seal could not be checked", { cause: error });
  }
}

/** An answer to DELETE is no end, since RBAC honours a binding until it is gone: told and believed is what a look finds. */
function heedRemoval(ports: ControllerPorts, about: RequestKey, { binding }: World, memory: Memory): void {
  const { removed } = memory;
  memory.removed = undefined;
  if (removed === undefined) return;
  if (binding?.metadata.uid === removed.uid) {
    const { namespace, name } = binding.metadata;
    throw new Error(`rolebinding ${namespace}/${name} is still there`);
  }
  memory.unbindFailed = false;
  if (removed.outcome === "won") ports.recorder.tell({ about, step: { do: "unbind", cause: removed.cause } });
}

async function remove(ports: ControllerPorts, binding: Placed, cause: Cause, memory: Memory): Promise<Outcome> {
  memory.unbindFailed = true; // until a look finds it gone
  const outcome = await ports.bindings.remove(binding);
  memory.removed = { uid: binding.metadata.uid, cause, outcome };
  return outcome;
}

const isEnding = ({ do: step }: Step): boolean =>
  step === "unbind" || step === "tellStalled" || step === "close" || step === "rest";

/** Joins record, seal and memory, and asks the world nothing more: an expiry waits for two reads alone. */
function observe(ports: ControllerPorts, { request, binding }: World, memory: Memory, sealHolds: boolean): Observed {
  const { phase, conditions } = request?.status ?? {};
  const told = conditions?.some(({ type, status }) => type === "Stalled" && status === "True") === true;
  const compared = compareBinding(binding, request);
  if (compared === "ours") memory.unboundFor = undefined; // what was unbound before is another story
  const missing = phase === "Active" && compared === "absent";
  memory.missingSince = missing ? (memory.missingSince ?? ports.clock()) : undefined;
  return {
    recorded: recordedOf(request, sealHolds),
    binding: compared,
    gates: undefined,
    unprotected: request && ports.protection.remembers(request),
    unboundFor: memory.unboundFor,
    missingSince: memory.missingSince,
    unbinding: memory.unbindFailed !== true ? "untried" : told ? "failed and told" : "failed",
  };
}

async function carryOut(
  ports: ControllerPorts,
  { request, binding }: World,
  step: Write,
  memory: Memory,
): Promise<Written> {
  switch (step.do) {
    case "bind": {
      if (request === undefined) return lost;
      memory.bindFailed = true; // until it is known to have worked
      const outcome = await ports.bindings.create(bindingFor(request, step.terms.roleRef, step.expiration));
      memory.bindFailed = false;
      return { outcome };
    }
    case "unbind": {
      memory.unboundFor = step.cause;
      return binding === undefined ? lost : { outcome: await remove(ports, binding, step.cause, memory) };
    }
    case "offer":
    case "promise":
    case "activate":
    case "tellStalled":
    case "close": {
      if (request === undefined) return lost;
      const now = await ports.requests.swapStatus(request, statusAfter(step, request, ports.cluster, ports.clock()));
      return now === undefined ? lost : { outcome: "won", request: now };
    }
  }
}

const lost: Written = { outcome: "lost" };
