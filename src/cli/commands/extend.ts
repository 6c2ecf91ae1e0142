import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import { denied, type ExitCode, exitCodes, Failure } from "../errors.ts";
import { endedHow, endOf, isActive, isOver, mayNotList, mineOf, requestNamed, untilOf } from "../grants.ts";
import type { ProofOptions } from "../options.ts";
import { type Output, printRequest } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { severalActive } from "../which.ts";
import { clockTime, inQuotes, roughly } from "../words.ts";
import { command, type Scene, type World } from "../world.ts";
import { wrapped } from "../wrap.ts";
import { checkDuration, grantOf } from "./request.ts";

export type ExtendOptions = {
  readonly duration: string | undefined;
  readonly justification: string | undefined;
  readonly proof: ProofOptions;
  readonly output: Output | undefined;
};

/**
 * More time, by another request with policy, namespace and justification of an old one, active or over. A grant itself is
 * never lengthened: the old one keeps its own end.
 */
export async function extend(world: World, name: string | undefined, options: ExtendOptions): Promise<ExitCode> {
  checkDuration(options);
  const scene = await sceneOf(world);
  const old = name === undefined ? await latest(world, scene) : await requestNamed(world, scene, name);
  const { metadata, spec } = old;
  const { namespace } = metadata;
  const { username } = spec.requester;
  if (username !== scene.me.username)
    throw denied(
      "RequesterMismatch",
      `${metadata.name} was asked for by ${inQuotes(username)}.\n  Ask for yourself: ${command(world, `request ${spec.policyName}`)}`,
    );
  const justification = options.justification ?? spec.justification;
  const why = justification === undefined ? "" : `: ${justification}`;
  world.talk.say(wrapped(`${metadata.name} ${stateOf(world, old)}. Asking again${why}`));
  const elsewhere = namespace !== scene.here.namespace;
  const there = elsewhere ? { ...scene, here: { ...scene.here, namespace } } : scene;
  const given = elsewhere ? { ...world.given, namespace: ["-n", namespace] } : world.given;
  const asked = { ...options, justification, new: true, dryRun: false };
  const granted = await grantOf({ ...world, given }, there, spec.policyName, asked);
  if (granted !== undefined) await printRequest(world, granted, "active", options.output);
  return exitCodes.done;
}

function stateOf({ clock, zone }: World, old: ElevationRequest): string {
  if (isOver(old)) return `${endedHow(old)} ${roughly(clock() - endOf(old))} ago`;
  return isActive(old) ? `keeps its end, at ${clockTime(untilOf(old), zone)}` : endedHow(old);
}

/** The one that is active; where none is, the one that ended last. */
async function latest(world: World, scene: Scene): Promise<ElevationRequest> {
  const { requests, listed } = await mineOf(world, scene);
  const active = requests.filter(isActive);
  if (active.length > 1) throw severalActive(active, "say which one");
  const last = active[0] ?? requests.filter(isOver).toSorted((a, b) => endOf(b) - endOf(a))[0];
  if (last !== undefined) return last;
  if (!listed) world.talk.say(mayNotList);
  throw new Failure(`there is nothing to extend. What you may ask for: ${command(world, "policies")}`);
}
