/**
 * How often a request is tried again, over all requests of a process: an API server in trouble is not helped by a
 * client that asks for everything four times. A retry costs one, a success earns a tenth.
 */
export function retryBudget(): { spend(): boolean; earn(): void } {
  const most = 20;
  let left = most;
  return {
    spend: () => left >= 1 && (left -= 1) >= 0,
    earn: () => void (left = Math.min(most, left + 0.1)),
  };
}

/** Doubling, with jitter so that replicas part, and never less than what the API server asked for. */
export function retryDelayMs(attempt: number, askedMs: number | undefined, random: () => number): number {
  return Math.max(firstMs * 2 ** (attempt - 1), askedMs ?? 0) * (0.75 + random() / 2);
}

export const attemptsMax = 4;
const firstMs = 100;
