import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type Instant, parseInstant } from "../domain/time.ts";
import type { Here } from "./cluster.ts";
import { Interrupted } from "./errors.ts";
import { endedHow, endOf, isOver, untilOf } from "./grants.ts";
import type { Named, Owner } from "./mine.ts";
import { clockTime, roughly } from "./words.ts";
import { command, type World } from "./world.ts";
import { wrapped } from "./wrap.ts";

// What is said before a grant ends, and when it has. All of it goes to stderr.

const nearMs = 5 * 60_000;
const lastMs = 60_000;
const lookMs = 30_000; // one that is ended early is noticed within this
const overdueMs = 1_000;

type Place = { readonly here: Here; readonly me: { readonly username: string } };
const ownerOf = ({ here, me }: Place): Owner => ({ server: here.server, username: me.username });

/** The first lines of every command while a grant of mine is in its last 5 minutes. */
export async function warnFirst(world: World, place: Place): Promise<void> {
  const { mine, clock, cluster, talk } = world;
  // The cluster is asked only where something that this machine remembers is about to end: other commands wait for nothing.
  const near = (await mine.names(ownerOf(place))).filter(({ until }) => isNear(parseInstant(until), clock()));
  const found = await Promise.all(
    near.map(async (named) =>
      cluster.request(named).catch((error: unknown) => {
        if (error instanceof Interrupted) throw error;
        return undefined; // the command itself will say what is wrong
      }),
    ),
  );
  const active = found.filter((one) => one !== undefined).filter((one) => one.status?.phase === "Active");
  for (const one of active.toSorted((a, b) => untilOf(a) - untilOf(b))) {
    const leftMs = untilOf(one) - clock();
    if (leftMs > 0) talk.say(await warning(world, place, one, leftMs));
  }
}

const isNear = (until: Instant, now: Instant): boolean => until > now && until - now <= nearMs;

/** Warns 5 minutes and 60 seconds before this grant ends, and says when it has; resolves then, or when told to stop. */
export async function warnUntilOver(
  world: World,
  place: Place,
  granted: ElevationRequest,
  stopped: () => boolean,
): Promise<void> {
  const { cluster, clock, pause, talk } = world;
  const end = untilOf(granted);
  let marks = [nearMs, lastMs].filter((mark) => end - mark > clock());
  while (!stopped()) {
    const leftMs = end - clock();
    const due = marks.filter((mark) => leftMs <= mark).at(-1);
    marks = marks.filter((mark) => leftMs > mark);
    if (due !== undefined && leftMs > 0) talk.say(await warning(world, place, granted, due));
    const waits = [lookMs, ...[...marks, 0].map((mark) => leftMs - mark).filter((ms) => ms > 0)];
    await pause(leftMs > 0 ? Math.min(...waits) : overdueMs);
    if (stopped()) return;
    const now = await cluster.request(granted.metadata).catch((error: unknown) => {
      if (error instanceof Interrupted) throw error;
      return granted; // asked again at the next look
    });
    if (now === undefined || isOver(now)) {
      talk.say(await over(world, place, now ?? granted));
      return;
    }
  }
}

async function warning(world: World, place: Place, one: ElevationRequest, leftMs: number): Promise<string> {
  const { name } = one.metadata;
  const at = `, at ${clockTime(untilOf(one), world.zone)}`;
  const soon = leftMs > lastMs ? `${roughly(leftMs + 500)}${at}` : `${String(Math.ceil(leftMs / 1000))}s`;
  return wrapped(
    `warning: ${name} ends in ${soon}. Longer: ${await commandAbout(world, place, "extend", one.metadata)}`,
  );
}

async function over(world: World, place: Place, one: ElevationRequest): Promise<string> {
  const at = clockTime(isOver(one) ? endOf(one) : world.clock(), world.zone);
  const how = isOver(one) ? endedHow(one) : "is gone";
  const again = await commandAbout(world, place, "extend", one.metadata);
  return [
    `warning: ${one.metadata.name} ${how} at ${at}. New requests are Forbidden; an open exec or`,
    `  port-forward may live on. Again: ${again}`,
  ].join("\n");
}

/** The command about this one: by name where, as far as this machine knows, another is active beside it. */
export async function commandAbout(world: World, place: Place, verb: string, about: Named): Promise<string> {
  const { given, mine, clock } = world;
  const everywhere = given.namespace.length === 0;
  const others = (await mine.names(ownerOf(place)))
    .filter(({ namespace }) => everywhere || namespace === about.namespace)
    .filter(({ name, until }) => name !== about.name && parseInstant(until) > clock());
  const there = everywhere ? given : { ...given, namespace: ["-n", about.namespace] };
  return command({ ...world, given: there }, others.length > 0 ? `${verb} ${about.name}` : verb);
}

/** What to type when a grant is there. */
export async function nextLine(world: World, place: Place, about: Named): Promise<string> {
  const longer = await commandAbout(world, place, "extend", about);
  return `Longer: ${longer}    Give back: ${await commandAbout(world, place, "release", about)}`;
}
