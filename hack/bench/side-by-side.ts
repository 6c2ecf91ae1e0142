const ways = 16;

/** Does this for each, 16 ways, as the floors of bursts are measured; the results in the order of the items. */
export async function sideBySide<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<readonly R[]> {
  const done: R[] = [];
  const waiting = [...items.entries()].toReversed();
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) done[next[0]] = await act(next[1]);
  };
  await Promise.all(Array.from({ length: ways }, work));
  return done;
}
