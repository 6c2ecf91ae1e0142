import { type Instant, later } from "../../src/domain/time.ts";
import type { After } from "../../src/flows/queue.ts";

type Timer = { readonly atMs: number; readonly run: () => void };

/**
 * Timers that the test moves on, and the clock with them; between two of them everything that can go on goes on. They are
 * monotonic, as real ones: a clock that leaps moves none of them.
 */
export function fakeTimers(world: { now: Instant }) {
  const armed = new Set<Timer>();
  const delays: number[] = [];
  let elapsedMs = 0;
  const after: After = (ms, run) => {
    const timer = { atMs: elapsedMs + ms, run };
    delays.push(ms);
    armed.add(timer);
    return () => armed.delete(timer);
  };
  const pass = (ms: number): void => {
    elapsedMs += ms;
    world.now = later(world.now, ms);
  };
  const next = (): Timer | undefined => [...armed].toSorted((a, b) => a.atMs - b.atMs)[0];
  return {
    after,
    /** Every delay that was ever asked for. */
    delays,
    armed: () => armed.size,
    async advance(ms: number): Promise<void> {
      const endMs = elapsedMs + ms;
      await settle();
      for (let timer = next(); timer !== undefined && timer.atMs <= endMs; timer = next()) {
        pass(Math.max(0, timer.atMs - elapsedMs));
        armed.delete(timer);
        timer.run();
        await settle();
      }
      pass(endMs - elapsedMs);
      await settle();
    },
  };
}

/** Until all that waits for promises alone has gone on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
}
