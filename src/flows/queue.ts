import { createShares } from "./shares.ts";
import { createTurns } from "./turns.ts";

// Whose turn it is. One key never runs twice at once; an ending comes before all else, and no grant starts while the
// first try of one is under way. What this leaves to others: what to run, and when to ask for it.

/**
 * end: access that is overdue. bound: a key that has access, which may be about to end. close: access that was overdue
 * and was asked to go, so that all that is due goes before any record is closed. grant: all others.
 */
export type Rank = "end" | "bound" | "close" | "grant";

/** Runs `run` after `ms`, unless the returned function is called before. */
export type After = (ms: number, run: () => void) => () => void;

type Options = {
  /** Never rejects: its caller knows what to do about failures. */
  readonly run: (id: string) => Promise<void>;
  readonly after: After;
  /** At once, in all; and of these, for grants: so that slow ones always leave room for endings. */
  readonly atOnce: number;
  readonly grantsAtOnce: number;
};

export type Queue = {
  /** At the next turn; while it runs: once more, afterwards. Shares take turns, so that many of one do not hold up others. */
  add(id: string, rank: Rank, share?: string): void;
  /** Resolves when no ending waits or runs, so at the earliest after the first try of each. */
  endings(): Promise<void>;
  /** Starts nothing any more, and resolves when what runs is done. */
  stop(): Promise<void>;
};

const patienceMs = 1_000; // of grants for an ending that hangs: one that cannot be unbound must not stop all others
const ranks = ["end", "bound", "close", "grant"] as const;
const ending = (rank: Rank): boolean => rank === "end" || rank === "close";
const urgent = (a: Rank, b: Rank): Rank => (ranks.indexOf(a) < ranks.indexOf(b) ? a : b);

export function createQueue({ run, after, atOnce, grantsAtOnce }: Options): Queue {
  const waiting = { end: createShares(), bound: createShares(), close: createShares(), grant: createShares() };
  const running = new Map<string, Rank>();
  const again = new Map<string, { readonly rank: Rank; readonly share: string }>();
  const holding = new Set<string>(); // endings that grants wait for
  const turns = createTurns();
  let stopped = false;

  const wait = (id: string, rank: Rank, share: string): void => {
    const before = ranks.find((other) => waiting[other].delete(id)) ?? rank;
    waiting[urgent(before, rank)].add(id, share);
  };
  const grantsRunning = (): number => [...running.values()].filter((rank) => rank === "grant").length;
  const takeOf = (rank: Rank): string | undefined => {
    if (stopped || running.size >= atOnce) return undefined;
    if (rank === "grant" && (holding.size > 0 || grantsRunning() >= grantsAtOnce)) return undefined;
    return waiting[rank].take();
  };
  const turn = (): void => {
    for (const rank of ranks) for (let id = takeOf(rank); id !== undefined; id = takeOf(rank)) void runOne(id, rank);
    turns.tell();
  };
  const runOne = async (id: string, rank: Rank): Promise<void> => {
    running.set(id, rank);
    const release = ending(rank) ? hold(id) : undefined;
    await run(id);
    release?.();
    running.delete(id);
    const next = again.get(id);
    again.delete(id);
    if (next !== undefined) wait(id, next.rank, next.share);
    turn();
  };
  const hold = (id: string): (() => void) => {
    holding.add(id);
    const cancel = after(patienceMs, () => {
      holding.delete(id);
      turn();
    });
    return () => {
      cancel();
      holding.delete(id);
    };
  };

  return {
    add(id, rank, share = "") {
      if (running.has(id)) again.set(id, { rank: urgent(again.get(id)?.rank ?? rank, rank), share });
      else wait(id, rank, share);
      turn();
    },
    endings: async () =>
      turns.until(() => waiting.end.size() + waiting.close.size() === 0 && ![...running.values()].some(ending)),
    stop: async () => {
      stopped = true;
      await turns.until(() => running.size === 0);
    },
  };
}
