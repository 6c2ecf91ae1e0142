import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import { ended } from "../endings.ts";
import { type ExitCode, exitCodes } from "../errors.ts";
import { endedHow, endOf, isOver, mayNotList, mineOf, requestNamed, untilOf } from "../grants.ts";
import { type Output, printRequest } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { nextLine, warnUntilOver } from "../warning.ts";
import { clockTime, roughly, table } from "../words.ts";
import { command, type Scene, type World } from "../world.ts";
import { wrapped } from "../wrap.ts";

/** What I hold now, in all namespaces: also what `kubectl elevate` says when nothing else is asked of it. */
export async function overview(world: World): Promise<ExitCode> {
  const { talk } = world;
  const scene = await sceneOf(world);
  const { requests: all, listed } = await mineOf(world, scene);
  if (!listed) talk.say(mayNotList);
  const active = all.filter(({ status }) => status?.phase === "Active");
  const waiting = all.filter(({ status }) => status?.endTime === undefined && status?.phase !== "Active");
  const [first] = active;
  if (first !== undefined) {
    talk.result(
      table([
        ["NAMESPACE", "NAME", "ROLE", "METHOD", "LEFT", "UNTIL"],
        ...active.toSorted((a, b) => untilOf(b) - untilOf(a)).map((one) => row(world, one)),
      ]),
    );
    talk.say(
      active.length === 1
        ? await nextLine(world, scene, first.metadata)
        : `Longer: ${command(world, "extend NAME")}    Give back: ${command(world, "release NAME|--all")}`,
    );
  } else tellNothing(world, scene, all);
  for (const { metadata, status } of waiting)
    talk.say(`${metadata.name} in ${metadata.namespace} is ${status?.phase ?? "new"}, not granted.`);
  if (active.length === 0) talk.say(`What you may ask for: ${command(world, "policies")}`);
  return exitCodes.done;
}

/** The same, and then the warnings, until the last grant is over. */
export async function watchAll(world: World): Promise<ExitCode> {
  await overview(world);
  const scene = await sceneOf(world);
  const { requests } = await mineOf(world, scene);
  await watched(
    world,
    scene,
    requests.filter(({ status }) => status?.phase === "Active"),
  );
  return exitCodes.done;
}

/** One request: waits until it is decided, warns before its end, and then says what became of it. */
export async function watchOne(world: World, name: string, output: Output | undefined): Promise<ExitCode> {
  const scene = await sceneOf(world);
  let found = await requestNamed(world, scene, name);
  for (;;) {
    if (isOver(found) || found.status?.phase === "Active") break;
    await world.pause(lookMs);
    found = await requestNamed(world, scene, name);
  }
  if (!isOver(found)) {
    world.talk.say(activeLine(world, found));
    await watched(world, scene, [found]);
  }
  return statusOf(world, name, output);
}

const lookMs = 1_000;

async function watched(world: World, scene: Scene, active: readonly ElevationRequest[]): Promise<void> {
  await Promise.all(active.map(async (one) => warnUntilOver(world, scene, one, () => false)));
}

/** What became of one request; the exit code says it to scripts. */
export async function statusOf(world: World, name: string, output: Output | undefined): Promise<ExitCode> {
  const { talk, zone } = world;
  const scene = await sceneOf(world);
  const found = await requestNamed(world, scene, name);
  const named = found.metadata;
  const { phase = "new" } = found.status ?? {};
  await printRequest(world, named, phase.toLowerCase(), output);
  if (found.status?.endTime !== undefined)
    throw ended(found, { zone, contact: scene.contact, again: command(world, `request ${found.spec.policyName}`) });
  if (phase !== "Active") {
    talk.say(`${found.status?.message ?? "nothing is offered yet"}.`);
    return exitCodes.pending;
  }
  talk.say(activeLine(world, found));
  return exitCodes.done;
}

function activeLine({ clock, zone }: World, active: ElevationRequest): string {
  const until = untilOf(active);
  return `Active until ${clockTime(until, zone)} (${roughly(until - clock())} left).`;
}

function row({ clock, zone }: World, one: ElevationRequest): readonly string[] {
  const { metadata, status } = one;
  const until = untilOf(one);
  return [
    metadata.namespace,
    metadata.name,
    status?.offer?.roleRef.name ?? "",
    status?.verification?.method ?? "",
    roughly(until - clock()),
    clockTime(until, zone),
  ];
}

function tellNothing(world: World, { me, clusterName }: Scene, all: readonly ElevationRequest[]): void {
  const { talk, clock } = world;
  talk.say(`You are not elevated on ${clusterName} (${me.username}).`);
  const last = all.filter(isOver).toSorted((a, b) => endOf(b) - endOf(a))[0];
  if (last === undefined) return;
  const { name, namespace } = last.metadata;
  const how = `${endedHow(last)} ${roughly(clock() - endOf(last))} ago`;
  talk.say(wrapped(`Last: ${name} in ${namespace}, ${how}. Again: ${command(world, "extend")}`));
}
