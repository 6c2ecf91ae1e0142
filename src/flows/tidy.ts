import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { isLapsed, isPastRetention } from "../domain/kept.ts";
import type { Instant } from "../domain/time.ts";
import type { Kept } from "./ports.ts";
import type { After } from "./queue.ts";
import type { Log } from "./schedule.ts";

// Deletes records that were kept for long enough, and invitations that nobody took up. There is no hurry: page by page,
// one deletion at a time, with a pause after each page, so that the endings of the same process never wait for it.

type Options = {
  readonly requests: Kept<ElevationRequest>;
  readonly authenticators: Kept<Authenticator>;
  readonly retentionMs: number;
  readonly clock: () => Instant;
  readonly after: After;
  readonly log: Log;
};

/** Start it when what is overdue has ended. */
export type Tidying = { start(): void; stop(): Promise<void> };

const firstMs = 10_000;
const pauseMs = 50;

/** Looks at what has ended every hour, and at invitations every 5 min; at both soon after the start. Every replica does. */
export function createTidying({ requests, authenticators, retentionMs, clock, after, log }: Options): Tidying {
  const chores = [
    createChore({
      kept: requests,
      isDue: (request) => isPastRetention(request, retentionMs, clock()),
      everyMs: 3_600_000,
      told: "records whose retention was over are deleted",
      after,
      log,
    }),
    createChore({
      kept: authenticators,
      isDue: (authenticator) => isLapsed(authenticator, clock()),
      everyMs: 300_000,
      told: "invitations that ran out are deleted",
      after,
      log,
    }),
  ];
  return {
    start() {
      for (const chore of chores) chore.start();
    },
    async stop() {
      await Promise.all(chores.map(async (chore) => chore.stop()));
    },
  };
}

type Chore<T> = {
  readonly kept: Kept<T>;
  readonly isDue: (object: T) => boolean;
  readonly everyMs: number;
  readonly told: string;
  readonly after: After;
  readonly log: Log;
};

function createChore<T>({ kept, isDue, everyMs, told, after, log }: Chore<T>): Tidying {
  let stopped = false;
  let wake: (() => void) | undefined;
  let running = Promise.resolve();

  const pause = async (ms: number): Promise<void> => {
    if (stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = after(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
  };
  /** One that cannot be deleted holds up no other; it is told once a round, however many there are. */
  const round = async (): Promise<void> => {
    let deleted = 0;
    const failures: unknown[] = [];
    for await (const page of kept.pages()) {
      for (const object of page)
        if (!stopped && isDue(object))
          await kept.remove(object).then(
            (outcome) => (deleted += outcome === "won" ? 1 : 0),
            (error: unknown) => failures.push(error),
          );
      await pause(pauseMs);
      if (stopped) break;
    }
    if (deleted > 0) log.info({ deleted }, told);
    if (failures.length > 0)
      log.warn({ err: failures[0], failures: failures.length, what: told }, "some could not be deleted");
  };
  const run = async (): Promise<void> => {
    for (let waitMs = firstMs; ; waitMs = everyMs) {
      await pause(waitMs);
      if (stopped) return;
      await round().catch((error: unknown) =>
        log.warn({ err: error, what: told }, "a round failed; the next tries again"),
      );
    }
  };
  return {
    start() {
      if (!stopped) running = run();
    },
    async stop() {
      stopped = true;
      wake?.();
      await running;
    },
  };
}
