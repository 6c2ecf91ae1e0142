import { type Instant, later } from "../../src/domain/time.ts";
import type { After } from "../../src/flows/queue.ts";

type Timer = { readonly at: Instant; readonly run: () => void };

/** Timers on a clock that the test moves; between two of them everything that can go on goes on. */
export function fakeTimers(world: { now: Instant }) {
  const armed = new Set<Timer>();
  const delays: number[] = [];
  const after: After = (ms, run) => {
    const timer = { at: later(world.now, ms), run };
    delays.push(ms);
    armed.add(timer);
    return () => armed.delete(timer);
  };
  const next = (): Timer | undefined => [...armed].toSorted((a, b) => a.at - b.at)[0];
  return {
    after,
    /** Every delay that was ever asked for. */
    delays,
    async advance(ms: number): Promise<void> {
      const end = later(world.now, ms);
      await settle();
      for (let timer = next(); timer !== undefined && timer.at <= end; timer = next()) {
        if (timer.at > world.now) world.now = timer.at;
        armed.delete(timer);
        timer.run();
        await settle();
      }
      world.now = end;
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
