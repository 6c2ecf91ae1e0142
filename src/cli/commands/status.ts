import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import { parseInstant } from "../../domain/time.ts";
import { ended } from "../endings.ts";
import { type ExitCode, exitCodes, Failure } from "../errors.ts";
import { type Output, printRequest } from "../results.ts";
import { clockTime, roughly, table } from "../words.ts";
import { command, type Scene, sceneOf, type World } from "../world.ts";
import { wrapped } from "../wrap.ts";

/** What I hold now, in all namespaces: also what `kubectl elevate` says when nothing else is asked of it. */
export async function overview(world: World): Promise<ExitCode> {
  const { talk } = world;
  const scene = await sceneOf(world);
  const all = await mineOf(world, scene);
  const active = all.filter(({ status }) => status?.phase === "Active");
  const waiting = all.filter(({ status }) => status?.endTime === undefined && status?.phase !== "Active");
  if (active.length > 0)
    talk.result(
      table([
        ["NAMESPACE", "NAME", "ROLE", "METHOD", "LEFT", "UNTIL"],
        ...active.toSorted((a, b) => untilOf(b) - untilOf(a)).map((one) => row(world, one)),
      ]),
    );
  else tellNothing(world, scene, all);
  for (const { metadata, status } of waiting)
    talk.say(`${metadata.name} in ${metadata.namespace} is ${status?.phase ?? "new"}, not granted.`);
  if (active.length === 0) talk.say(`What you may ask for: ${command(world, "policies")}`);
  return exitCodes.done;
}

/** What became of one request; the exit code says it to scripts. */
export async function statusOf(world: World, name: string, output: Output | undefined): Promise<ExitCode> {
  const { talk, clock, zone } = world;
  const { here, contact } = await sceneOf(world);
  const named = { namespace: here.namespace, name };
  const found = await world.cluster.request(named);
  if (found === undefined)
    throw new Failure(`no request ${name} in namespace ${here.namespace}. Another one: -n NAMESPACE`);
  const { phase = "new" } = found.status ?? {};
  await printRequest(world, named, phase.toLowerCase(), output);
  if (found.status?.endTime !== undefined)
    throw ended(found, { zone, contact, again: command(world, `request ${found.spec.policyName}`) });
  if (phase !== "Active") {
    talk.say(`${found.status?.message ?? "nothing is offered yet"}.`);
    return exitCodes.pending;
  }
  const until = untilOf(found);
  talk.say(
    `Active until ${clockTime(parseInstant(found.status?.grant?.expirationTime), zone)} (${roughly(until - clock())} left).`,
  );
  return exitCodes.done;
}

const endOf = ({ status }: ElevationRequest): number => parseInstant(status?.endTime);
const untilOf = ({ status }: ElevationRequest): number => parseInstant(status?.grant?.expirationTime);

/** All where they may be listed; else those whose names this machine remembers, and it says so. */
async function mineOf(world: World, { here, me }: Scene): Promise<readonly ElevationRequest[]> {
  const listed = await world.cluster.requestsOf(me.username);
  if (listed !== undefined) return listed;
  const names = await world.mine.names({ server: here.server, username: me.username });
  world.talk.say("You may not list requests: these are the ones that were made or proven on this machine.");
  const namespaces = [...new Set(names.map(({ namespace }) => namespace))];
  const found = await Promise.all(
    namespaces.map(async (namespace) =>
      world.cluster.requests(
        namespace,
        names.filter((one) => one.namespace === namespace).map(({ name }) => name),
      ),
    ),
  );
  return found.flat().filter(({ spec }) => spec.requester.username === me.username);
}

function row({ clock, zone }: World, one: ElevationRequest): readonly string[] {
  const { metadata, status } = one;
  const until = parseInstant(status?.grant?.expirationTime);
  return [
    metadata.namespace,
    metadata.name,
    status?.offer?.roleRef.name ?? "",
    status?.verification?.method ?? "",
    roughly(until - clock()),
    clockTime(until, zone),
  ];
}

function tellNothing(world: World, { me, clusterName, here }: Scene, all: readonly ElevationRequest[]): void {
  const { talk, clock } = world;
  talk.say(`You are not elevated on ${clusterName} (${me.username}).`);
  const last = all.filter(({ status }) => status?.endTime !== undefined).toSorted((a, b) => endOf(b) - endOf(a))[0];
  if (last === undefined) return;
  const { metadata, spec, status } = last;
  const elsewhere = metadata.namespace === here.namespace ? "" : `-n ${metadata.namespace}`;
  const why = spec.justification === undefined ? "" : '-j "..."';
  const again = command(world, `request ${spec.policyName}`, [elsewhere, why].filter((part) => part !== "").join(" "));
  const how = status?.phase === "TimedOut" ? "timed out" : (status?.phase ?? "ended").toLowerCase();
  const ago = roughly(clock() - endOf(last));
  talk.say(wrapped(`Last: ${metadata.name} in ${metadata.namespace}, ${how} ${ago} ago. Again: ${again}`));
}
