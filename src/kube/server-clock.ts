import { type Instant, instant, later } from "../domain/time.ts";

/** The API server's clock, as far as its answers tell: `Date` of an answer, and the time that has passed since. */
export type ServerClock = {
  hear(date: string | undefined): void;
  /** Never ahead of the API server, and behind it by less than a second and the way. Undefined: nothing was heard. */
  now(): Instant | undefined;
  heardAgoMs(): number;
};

/** `elapsedMs` is monotonic: a step of our own clock must not move the other's. */
export function serverClock(elapsedMs: () => number): ServerClock {
  let heard: { readonly at: number; readonly date: Instant } | undefined;
  const now = (): Instant | undefined => heard && later(heard.date, Math.floor(elapsedMs() - heard.at));
  return {
    now,
    heardAgoMs: () => (heard === undefined ? Number.POSITIVE_INFINITY : elapsedMs() - heard.at),
    hear(text) {
      const date = Date.parse(text ?? "");
      if (!Number.isFinite(date)) return;
      // Date is cut to the second, so the one that was cut least is the best of a while; an old one may have drifted.
      const known = now();
      const best = known !== undefined && elapsedMs() - (heard?.at ?? 0) < whileMs && known - date < secondMs;
      if (!best || date > known) heard = { at: elapsedMs(), date: instant(date) };
    },
  };
}

const whileMs = 10_000;
const secondMs = 1_000;
