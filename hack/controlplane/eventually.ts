/** What counts as an answer: anything but false, null, undefined, 0 and "". */
type Seen<T> = Exclude<T, false | null | undefined | 0 | "">;

/**
 * Waits until `what` answers with something true, looking every 50 ms. Throws with `why` when the time is over, and at
 * once when the signal says stop.
 */
export async function eventually<T>(
  what: () => Promise<T> | T,
  seconds: number,
  why: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<Seen<T>> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(signal.reason);
  // Nobody may be waiting for it at the moment when it comes.
  stopped.promise.catch(() => undefined);
  signal.addEventListener("abort", stop);
  const start = performance.now();
  try {
    for (;;) {
      signal.throwIfAborted();
      const seen = await Promise.race([what(), stopped.promise]);
      if (isSeen(seen)) return seen;
      if (performance.now() - start > seconds * 1000) throw new Error(`not within ${seconds} s: ${why}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function isSeen<T>(seen: T): seen is Seen<T> {
  return Boolean(seen);
}
