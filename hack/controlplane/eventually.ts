/** Waits until `what` answers with something true, looking every 50 ms; throws with `why` when the time is over, or when the signal says stop. */
export async function eventually<T>(
  what: () => Promise<T> | T,
  seconds: number,
  why: string,
  signal?: AbortSignal,
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const start = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    const seen = await what();
    if (isTrue(seen)) return seen;
    if (performance.now() - start > seconds * 1000) throw new Error(`not within ${seconds} s: ${why}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function isTrue<T>(seen: T): seen is Exclude<T, false | null | undefined | 0 | ""> {
  return Boolean(seen);
}
