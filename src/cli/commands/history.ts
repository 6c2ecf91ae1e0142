import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import { openPhases, terminalPhases } from "../../api/v1alpha1/phases.ts";
import { parseDurationMs, parseInstant } from "../../domain/time.ts";
import { type ExitCode, exitCodes, Failure } from "../errors.ts";
import { endOf, isOver, lasted, mayNotList, mineOf } from "../grants.ts";
import { sceneOf } from "../scene.ts";
import { dayTime, table } from "../words.ts";
import { command, type Scene, type World } from "../world.ts";

export type HistoryOptions = {
  readonly requester: string | undefined;
  readonly phase: string | undefined;
  readonly since: string | undefined;
};

const phases = [...openPhases, ...terminalPhases];

/** Who held what, and when: all requests for those who may list them, for everybody else their own. The newest last. */
export async function history(world: World, options: HistoryOptions): Promise<ExitCode> {
  const { talk, zone, clock } = world;
  const phase = phaseOf(options.phase);
  const sinceMs = sinceOf(options.since);
  const scene = await sceneOf(world);
  const found = await requestsFor(world, scene, { ...options, phase });
  const from = clock() - sinceMs;
  const shown = found
    .filter((one) => phase === undefined || one.status?.phase === phase)
    .filter((one) => !isOver(one) || endOf(one) >= from)
    .toSorted((a, b) => askedAt(a) - askedAt(b));
  if (shown.length > 0)
    talk.result(
      table([
        ["NAMESPACE", "NAME", "REQUESTER", "PHASE", "ASKED", "LASTED"],
        ...shown.map((one) => [
          one.metadata.namespace,
          one.metadata.name,
          one.spec.requester.username,
          one.status?.phase ?? "",
          dayTime(askedAt(one), zone),
          lasted(one, clock()) ?? "",
        ]),
      ]),
    );
  talk.say(shown.length === 1 ? "1 request." : `${String(shown.length)} requests.`);
  return exitCodes.done;
}

const askedAt = ({ metadata }: ElevationRequest): ReturnType<typeof parseInstant> =>
  parseInstant(metadata.creationTimestamp);

type Wanted = { readonly requester: string | undefined; readonly phase: string | undefined };

async function requestsFor(
  world: World,
  scene: Scene,
  { requester, phase }: Wanted,
): Promise<readonly ElevationRequest[]> {
  const namespace = world.given.namespace.length > 0 ? scene.here.namespace : undefined;
  const listed = await world.cluster.list({ namespace, username: requester, phase });
  if (listed !== undefined) return listed;
  if (requester !== undefined && requester !== scene.me.username)
    throw new Failure(`you may not list requests, so only your own can be shown. See: ${command(world, "history")}`, {
      exitCode: exitCodes.denied,
    });
  world.talk.say(mayNotList);
  return (await mineOf(world, scene)).requests;
}

function phaseOf(text: string | undefined): string | undefined {
  const phase = phases.find((known) => known.toLowerCase() === text?.toLowerCase());
  if (text !== undefined && phase === undefined)
    throw new Failure(`--phase takes one of ${phases.join(", ")}`, { exitCode: exitCodes.usage });
  return phase;
}

/** Days as well, which durations of the API do not know. */
function sinceOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const [, days] = /^(\d{1,4})d$/.exec(text) ?? [];
  const ms = days === undefined ? parseDurationMs(text) : Number(days) * 86_400_000;
  if (ms === undefined) throw new Failure("--since takes a duration as in 24h or 7d", { exitCode: exitCodes.usage });
  return ms;
}
