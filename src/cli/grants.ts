import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type Instant, parseDurationMs, parseInstant } from "../domain/time.ts";
import { Failure, KubectlFailure } from "./errors.ts";
import { roughly } from "./words.ts";
import type { Scene, World } from "./world.ts";

// My requests, and what a person wants to know of one.

export type Mine = {
  readonly requests: readonly ElevationRequest[];
  /** False: these are the ones that this machine remembers, there may be more. */
  readonly listed: boolean;
};

export const mayNotList = "You may not list requests: these are the ones that were made or proven on this machine.";

/** All where they may be listed, else those whose names this machine remembers; in every namespace, unless -n names one. */
export async function mineOf(world: World, { here, me }: Scene): Promise<Mine> {
  const namespace = world.given.namespace.length > 0 ? here.namespace : undefined;
  const listed = await world.cluster.list({ namespace, username: me.username });
  if (listed !== undefined) return { requests: listed, listed: true };
  const kept = await world.mine.names({ server: here.server, username: me.username });
  const names = kept.filter((one) => namespace === undefined || one.namespace === namespace);
  const namespaces = [...new Set(names.map((one) => one.namespace))];
  const found = await Promise.all(
    namespaces.map(async (one) =>
      world.cluster.requests(
        one,
        names.filter((other) => other.namespace === one).map(({ name }) => name),
      ),
    ),
  );
  return { requests: found.flat().filter(({ spec }) => spec.requester.username === me.username), listed: false };
}

/** The one of this name: in the namespace of the command; where none was named, one of mine in any. */
export async function requestNamed(world: World, scene: Scene, name: string): Promise<ElevationRequest> {
  const { namespace } = scene.here;
  const none = new Failure(`no request ${name} in namespace ${namespace}. Another one: -n NAMESPACE`);
  const found = await world.cluster.request({ namespace, name }).catch((error: unknown) => {
    // who may see nothing in the current namespace may still have one elsewhere
    if (error instanceof KubectlFailure && error.status === "Forbidden") return error;
    throw error;
  });
  if (found !== undefined && !(found instanceof KubectlFailure)) return found;
  const elsewhere =
    world.given.namespace.length > 0
      ? undefined
      : (await mineOf(world, scene)).requests.find(({ metadata }) => metadata.name === name);
  if (elsewhere === undefined) throw found ?? none;
  return elsewhere;
}

export const untilOf = ({ status }: ElevationRequest): Instant => parseInstant(status?.grant?.expirationTime);
export const endOf = ({ status }: ElevationRequest): Instant => parseInstant(status?.endTime);
export const isOver = ({ status }: ElevationRequest): boolean => status?.endTime !== undefined;
/** The access is there, or about to be. */
export const isActive = ({ status }: ElevationRequest): boolean =>
  status?.phase === "Active" || status?.phase === "Granting";

/** `18m of 30m`; undefined where nothing was granted. The grant counts from the proof, as its end does. */
export function lasted(one: ElevationRequest, now: Instant): string | undefined {
  const { offer, verification, grant } = one.status ?? {};
  if (grant?.expirationTime === undefined) return undefined;
  const duration = offer?.methods.find(({ method }) => method === verification?.method)?.duration ?? "";
  const start = untilOf(one) - (parseDurationMs(duration) ?? 0);
  return `${roughly((isOver(one) ? endOf(one) : now) - start)} of ${duration}`;
}

/** How a request came to its end, as in `payments-debug-7k2mx expired`. */
export function endedHow({ status }: ElevationRequest): string {
  switch (status?.phase) {
    case "Expired":
      return "expired";
    case "Released":
      return "was released";
    case "Revoked":
      return "was revoked";
    case "Denied":
      return "was denied";
    case "TimedOut":
      return "timed out";
    case "Active":
    case "Granting":
    case "Pending":
    case undefined:
      return `is ${status?.phase ?? "new"}`;
  }
}
