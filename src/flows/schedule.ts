import { earlier, type Instant, later } from "../domain/time.ts";
import { idOf, type Listed } from "./listed.ts";
import { createLists } from "./lists.ts";
import type { ControllerPorts, Heard, RequestKey, RequestWatch } from "./ports.ts";
import { type After, createQueue, type Rank } from "./queue.ts";
import { type Memory, reconcile, unbindDue } from "./reconcile.ts";
import { createTurns } from "./turns.ts";

// When is which request looked at: at a hint of the watch, at the instant that its last pass named, when a list of every
// 5 s shows what is not known, and with backoff after a failure. It owns all timers and all memory of the controller.
// It promises that what is overdue at the start ends before anything is granted, that a watch or a list that is frozen
// delays no timer, and that one request that fails delays no other. What a pass does is left to reconcile.

export type Log = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};

type Options = {
  readonly ports: ControllerPorts;
  readonly watch: RequestWatch;
  readonly log: Log;
  readonly after: After;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
};

export type Schedule = {
  /** Resolves when the first lists are done and all that was overdue in them has ended. */
  start(): Promise<void>;
  /** Looks once more at each request that has no access yet: something is known of them all that no watch tells. */
  lookAgain(): void;
  /** Nothing starts any more; resolves when the passes under way are done. */
  stop(): Promise<void>;
  /** For /readyz: undefined, or what is missing. From memory alone. */
  readonly checks: { readonly [name in "lists" | "overdue"]: () => string | undefined };
};

type Entry = {
  what: Listed["what"];
  requester: string; // whose turn it takes; empty until it is known
  readonly memory: Memory;
  listedEnd: Instant | undefined; // until the next live look
  due: Instant | undefined;
  cancel: () => void;
  failures: number;
  running: boolean;
  hinted: string | undefined; // the version that was last heard of while it ran, or that no watch would tell of what is new
};

const listEveryMs = 4_000; // what only a list finds is to end within 5 s of its cause
const timerMaxMs = 3_600_000; // far below 2^31, from where on a timer fires at once; then it is armed anew
const firstBackoffMs = 200;
const grantBackoffMaxMs = 30_000;
const endBackoffMaxMs = 3_000;
const lateMs = 5_000;
const staleMs = 60_000;
const unheard: Heard = { resourceVersion: "unknown", left: false };

export function createSchedule({ ports, watch, log, after, random }: Options): Schedule {
  const { clock } = ports;
  const entries = new Map<string, Entry>();
  const passes = createTurns();
  let listedAt: Instant | undefined;
  let listing = false;
  let state: "ending what is overdue" | "granting" | "stopped" = "ending what is overdue";
  let ready = false;
  let cancelTick: (() => void) | undefined;

  const endOf = ({ memory, listedEnd }: Entry): Instant | undefined =>
    memory.endsAt === undefined || listedEnd === undefined
      ? (memory.endsAt ?? listedEnd)
      : earlier(memory.endsAt, listedEnd);
  const overdue = (entry: Entry, byMs = 0): boolean => {
    const end = endOf(entry);
    return end !== undefined && later(end, byMs) <= clock();
  };
  /** An ending that failed goes on, but holds up nobody: grants wait for its first try alone. */
  const rankOf = (entry: Entry): Rank => {
    if (endOf(entry) === undefined) return "grant";
    if (!overdue(entry) || entry.failures > 0) return "bound";
    return entry.memory.removed === undefined ? "end" : "close";
  };

  const askLists = createLists({ ports, log, after });
  const queue = createQueue({ run: async (id) => pass(id), after, atOnce: 24, grantsAtOnce: 8 });
  const enqueue = (id: string, entry: Entry): void => {
    if (state === "granting" || (state !== "stopped" && overdue(entry))) queue.add(id, rankOf(entry), entry.requester);
  };
  const pass = async (id: string): Promise<void> => {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entry.cancel();
    entry.running = true;
    entry.hinted = undefined;
    const cancelBeside = endBeside(entry);
    try {
      if (await unbindDue(ports, entry.memory)) {
        enqueue(id, entry);
      } else {
        const again = await lookAt(ports, entry, log);
        entry.failures = 0;
        entry.listedEnd = undefined;
        if (again !== undefined) arm(id, entry, again);
        else if (!isNews(entry, entry.hinted)) entries.delete(id);
      }
    } catch (error) {
      entry.failures++;
      log.warn({ err: error, ...nameOf(entry), failures: entry.failures }, "a pass failed and is tried again");
      arm(id, entry, later(clock(), backoffMs(entry)));
    }
    cancelBeside();
    entry.running = false;
    if (isNews(entry, entry.hinted)) enqueue(id, entry);
    passes.tell();
  };
  /** A pass may hang at a gate when its grant is due: that is ended beside it, and closed by the next one. */
  const endBeside = ({ what, memory }: Entry): (() => void) => {
    if (memory.due === undefined || memory.due.at <= clock()) return () => undefined;
    return after(Math.min(memory.due.at - clock(), timerMaxMs), () => {
      unbindDue(ports, memory).catch((error: unknown) => {
        log.warn({ err: error, ...nameOf({ what }) }, "what is due could not be unbound beside a pass that hangs");
      });
    });
  };
  /** Never fires early, nor at once for what is far: it says that the time may have come, and asks the clock. */
  const arm = (id: string, entry: Entry, due: Instant): void => {
    entry.cancel();
    if (state === "stopped") return;
    entry.due = due;
    entry.cancel = after(Math.min(Math.max(due - clock(), 0), timerMaxMs), () => {
      if (clock() >= due) enqueue(id, entry);
      else arm(id, entry, due);
    });
  };
  const backoffMs = (entry: Entry): number => {
    const maxMs = rankOf(entry) === "grant" ? grantBackoffMaxMs : endBackoffMaxMs;
    return Math.min(maxMs, firstBackoffMs * 2 ** entry.failures) * (0.5 + random() / 2);
  };

  const known = (id: string, what: Entry["what"]): Entry => {
    const entry = entries.get(id) ?? {
      what,
      requester: "",
      memory: {},
      listedEnd: undefined,
      due: undefined,
      cancel: () => undefined,
      failures: 0,
      running: false,
      hinted: undefined,
    };
    entries.set(id, entry);
    return entry;
  };
  const onHint = (key: RequestKey, { resourceVersion, left, requester }: Heard = unheard): void => {
    if (left && !entries.has(idOf(key))) return; // mostly what this process has just closed
    const entry = known(idOf(key), key);
    entry.what = key;
    entry.requester = requester ?? entry.requester;
    if (entry.running) entry.hinted = entry.hinted === unheard.resourceVersion ? entry.hinted : resourceVersion;
    else if (isNews(entry, resourceVersion)) enqueue(idOf(key), entry);
  };
  /** True when both lists were answered. What is listed as it was last seen waits for its own timer. */
  const list = async (): Promise<boolean> => {
    listing = true;
    const { bindings, open, listed } = await askLists();
    listing = false;
    for (const [id, { what, request }] of listed) {
      const entry = known(id, what);
      if (request === undefined) continue;
      entry.what = what; // a request knows its own UID best
      entry.requester = request.spec.requester.username;
    }
    for (const [id, entry] of entries) {
      const found = listed.get(id);
      const changed =
        (bindings && found?.binding?.metadata.resourceVersion !== entry.memory.binding) ||
        (open && found?.request?.metadata.resourceVersion !== entry.memory.request);
      const missed = entry.due !== undefined && entry.due <= clock(); // this process slept, or its clock leapt
      if (entry.running || entry.failures > 0 || (changed !== true && !missed)) continue;
      entry.listedEnd = found?.endsAt;
      entry.memory.due = found?.due ?? entry.memory.due;
      enqueue(id, entry);
    }
    const both = bindings !== undefined && open !== undefined;
    if (both) listedAt = clock();
    return both;
  };
  const tick = (): void => {
    cancelTick = after(listEveryMs, () => {
      tick();
      if (!listing) void list();
    });
  };

  return {
    async start() {
      for (let failures = 0; !(await list()); failures++)
        await new Promise<void>((resolve) => {
          cancelTick = after(Math.min(endBackoffMaxMs, firstBackoffMs * 2 ** failures), resolve);
        });
      const overdueThen = [...entries].filter(([, entry]) => overdue(entry));
      const allEnded = (): boolean => {
        for (let [last] = overdueThen.slice(-1); last !== undefined; [last] = overdueThen.slice(-1)) {
          const [id, entry] = last;
          if (entries.get(id) === entry && overdue(entry)) return false;
          overdueThen.pop();
        }
        return true;
      };
      await queue.endings();
      if (state === "stopped") return;
      state = "granting";
      tick();
      for (const [id, entry] of entries) if (!entry.running && entry.failures === 0) enqueue(id, entry);
      await watch.start(onHint).catch((error: unknown) => {
        log.warn({ err: error }, "the watch failed: requests are found by the list alone");
      });
      await passes.until(allEnded);
      ready = true;
    },
    lookAgain() {
      for (const [id, entry] of entries)
        if (endOf(entry) !== undefined) continue;
        else if (entry.running) entry.hinted = unheard.resourceVersion;
        else enqueue(id, entry);
    },
    async stop() {
      state = "stopped";
      cancelTick?.();
      for (const entry of entries.values()) entry.cancel();
      await Promise.all([watch.stop(), queue.stop()]);
    },
    checks: {
      lists: () => {
        if (listedAt === undefined) return "the first lists are not done";
        const age = clock() - listedAt;
        return age > staleMs ? `no list was answered for ${String(Math.round(age / 1_000))} s` : undefined;
      },
      overdue: () => {
        if (!ready) return "what is overdue is not yet ended";
        const late = [...entries.values()].filter((entry) => overdue(entry, lateMs)).length;
        return late > 0 ? `${String(late)} grants are overdue` : undefined;
      },
    },
  };
}

async function lookAt(ports: ControllerPorts, { what, memory }: Entry, log: Log): Promise<Instant | undefined> {
  if (!("unaccounted" in what)) return reconcile(ports, what, memory);
  const { namespace, name, uid } = what.unaccounted.metadata;
  const outcome = await ports.bindings.remove(what.unaccounted);
  const left = await ports.bindings.get(namespace, name);
  if (left?.metadata.uid === uid) throw new Error(`rolebinding ${namespace}/${name} is still there`);
  if (outcome === "won") log.info({ namespace, binding: name }, "a binding that no request accounts for is removed");
  return undefined;
}

/** Most hints tell of what this process wrote itself, under load some passes later. */
const isNews = ({ memory }: Entry, resourceVersion: string | undefined): boolean =>
  resourceVersion !== undefined && memory.known?.includes(resourceVersion) !== true;

const nameOf = ({ what }: Pick<Entry, "what">): { readonly namespace: string; readonly name: string } => {
  const { namespace, name } = "unaccounted" in what ? what.unaccounted.metadata : what;
  return { namespace, name };
};
