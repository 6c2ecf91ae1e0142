import { type Before, protectedSince } from "../domain/protected-since.ts";
import { formatInstant, type Instant } from "../domain/time.ts";
import { type Admission, unprotected } from "../domain/unprotected.ts";
import type { AdmissionObjects, Announcer, Moment, Pace, Protection } from "./ports.ts";
import type { After } from "./queue.ts";
import type { Log } from "./schedule.ts";

// Watches the admission policies and kinds that every record rests on: whether they are what was shipped, whether an API
// server enforces them, and since when. Those who may write them can switch them off, for a moment or while no controller
// runs, so what is kept (ConfigMap kube-elevate-seen) are their versions when all was last well: a difference to that, or
// nothing kept, and no request that was made before is believed. What that means for a request is left to the domain.

type Options = {
  readonly admission: AdmissionObjects;
  readonly clock: () => Instant;
  /** Monotonic: how old a look is. */
  readonly elapsedMs: () => number;
  readonly after: After;
  readonly log: Log;
  readonly announcer: Announcer;
  /** What is remembered of requests has changed. */
  readonly onChange: () => void;
};

export type WatchedProtection = Protection & {
  start(): void;
  stop(): void;
  /** Looks now, or is told of the look of this second. Rejects where it is not answered. */
  look(): Promise<void>;
  /** For /readyz: undefined, or what is missing. */
  readonly check: () => string | undefined;
};

/** Of the last look that was answered. */
type Last = Admission &
  Before & {
    readonly holes: readonly string[]; // of the comparison; the probe is apart
    readonly extras: readonly string[];
    readonly probedMs: number;
  };

const everyMs = 5_000;
const freshMs = 1_000;
const probeEveryMs = 300_000;
const staleMs = 60_000;

export function createProtection(options: Options): WatchedProtection {
  const { admission, clock, elapsedMs, after, log, onChange } = options;
  let last: Last | undefined;
  let answeredMs = 0;
  let running: { readonly begunMs: number; readonly done: Promise<void> } | undefined;
  let next: Promise<void> | undefined;
  let nextPace: Pace = "one by one"; // of whoever is in the greatest hurry of those who wait for it
  let failing = false;
  let stopped = false;
  let cancel: (() => void) | undefined;

  const once = async (pace: Pace): Promise<void> => {
    const begunMs = elapsedMs();
    const [versions, seen] = await Promise.all([admission.versions(pace), admission.seen()]);
    const judged = await judgedBy(admission, versions, last, begunMs);
    const found = protectedSince(judged, seen?.data, last, clock());
    const { keep } = found;
    const isKept = keep !== undefined && seen !== undefined && (await admission.swapSeen(seen, keep)) === "won";
    const before = last;
    last = { ...judged, protectedSince: found.protectedSince, seen: isKept ? keep : seen?.data };
    answeredMs = begunMs;
    if (seen === undefined && before?.seen !== undefined)
      log.warn({}, "configmap kube-elevate-seen is gone: apply it again");
    const known = before?.seen ?? seen?.data ?? {}; // empty: nobody has looked yet
    const changed = found.anew && Object.keys(known).length > 0;
    tell(options, before, last, changed ? changedOf(before?.versions ?? known["versions"], versions) : undefined);
    if (before?.hole !== last.hole || before?.protectedSince !== last.protectedSince) onChange();
  };
  /** One at a time: who comes while one runs that is too old for him waits for the next, together with all others. */
  const look = async (pace: Pace, begunAfter?: Moment): Promise<void> => {
    if (running !== undefined && isFresh(running.begunMs, begunAfter)) return running.done;
    if (pace === "all at once") nextPace = pace;
    const before = running?.done ?? Promise.resolve();
    next ??= before
      .catch(() => undefined)
      .then(async () => {
        running = { begunMs: elapsedMs(), done: once(nextPace) };
        next = undefined;
        nextPace = "one by one";
        return running.done;
      });
    return next;
  };
  const isFresh = (begunMs: Moment, moment: Moment | undefined): boolean =>
    moment === undefined ? elapsedMs() - begunMs <= freshMs : begunMs > moment;
  const turn = async (): Promise<void> => {
    try {
      await look("one by one");
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, "admission could not be looked at, which is tried again");
      failing = true;
    }
    if (!stopped) cancel = after(everyMs, () => void turn());
  };
  const remembers: Protection["remembers"] = (request) => last && unprotected(request, last);

  return {
    look: async () => look("all at once"),
    start: () => void turn(),
    stop() {
      stopped = true;
      cancel?.();
    },
    async refuses(request, begunAfter) {
      await look("all at once", begunAfter);
      return remembers(request);
    },
    moment: elapsedMs,
    remembers,
    hole: () => last?.hole,
    check() {
      if (last === undefined) return "admission was not looked at yet";
      if (last.hole !== undefined) return last.hole;
      const age = elapsedMs() - answeredMs;
      if (age > staleMs) return `admission was not looked at for ${String(Math.round(age / 1_000))} s`;
      const since = last.protectedSince;
      return clock() < since ? `requests are believed from ${formatInstant(since)} on` : undefined;
    },
  };
}

type Judged = Omit<Last, "protectedSince" | "seen">;

/** Whole objects are read where a version is another one, and while they differ, as a read can be wrong; the probe runs then too, now and then, and until it is refused. */
async function judgedBy(
  admission: AdmissionObjects,
  versions: string,
  last: Last | undefined,
  nowMs: number,
): Promise<Judged> {
  const same = last?.versions === versions && last.holes.length === 0 ? last : undefined;
  const { holes: differing, extras } = same ?? (await admission.differences());
  const holes = [...new Set([...absentOf(versions), ...differing])];
  const probing = same === undefined || same.hole !== undefined || nowMs - same.probedMs >= probeEveryMs;
  const probed = probing ? await admission.probe() : undefined;
  const [first, ...others] = [...holes, ...(probed === undefined ? [] : [probed])];
  const hole = others.length > 0 ? `${first ?? ""}; and ${String(others.length)} more` : first;
  return { versions, holes, extras, hole, probedMs: probing ? nowMs : same.probedMs };
}

/** What is absent has no version of its own, so it is a hole even where it was there again when the objects were read. */
const absentOf = (versions: string): readonly string[] =>
  versions.split("\n").flatMap((line) => (line.endsWith(" -") ? [`${line.slice(0, -2)} is not there`] : []));

/** `changed`: what it is that has changed, where something has. */
function tell({ log, announcer }: Options, before: Last | undefined, now: Last, changed: string | undefined): void {
  const { hole, holes, extras } = now;
  const since = formatInstant(now.protectedSince);
  if (hole !== undefined && hole !== before?.hole) {
    log.warn({ hole, holes }, "admission is not as shipped: nothing is granted");
    announcer.announce({ reason: "AdmissionUnprotected", message: `nothing is granted: ${hole}` });
  }
  if (hole === undefined && (before?.hole !== undefined || before?.protectedSince !== now.protectedSince))
    log.info({ protectedSince: since }, "admission is as shipped: requests are believed from then on");
  if (hole === undefined && (before?.hole !== undefined || changed !== undefined)) {
    const message = `${changed ?? "admission"} changed, and is as shipped: requests made before ${since} are denied; look at authenticators and policies that were written while it was not`;
    announcer.announce({ reason: "AdmissionProtected", message });
  }
  if (extras.length > 0 && extras.join() !== before?.extras.join()) {
    log.warn({ extras }, "admission has fields that this version does not know, which are no hole");
    announcer.announce({ reason: "AdmissionExtended", message: `not known to this version: ${extras.join("; ")}` });
  }
}

const namedMax = 8;
/** Admission, and the objects of it whose line is another one; without them where no lines were kept, or none is. */
function changedOf(before: string | undefined, now: string): string {
  const lines = (before ?? now).split("\n");
  const changed = now.split("\n").filter((line) => !lines.includes(line));
  if (changed.length === 0) return "admission";
  const names = changed.slice(0, namedMax).map((line) => line.split(" ").slice(0, 2).join(" "));
  const more = changed.length > namedMax ? ` and ${String(changed.length - namedMax)} more` : "";
  return `admission (${names.join(", ")}${more})`;
}
