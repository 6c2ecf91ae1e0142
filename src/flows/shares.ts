/** Ids that wait, each by its share: one share after the other has its turn, and within one the first comes first. */
export type Shares = {
  readonly size: () => number;
  readonly add: (id: string, share: string) => void;
  /** True where it waited. */
  readonly delete: (id: string) => boolean;
  /** Takes the next one. */
  readonly take: () => string | undefined;
};

export function createShares(): Shares {
  const shareOf = new Map<string, string>();
  const shares = new Map<string, Set<string>>(); // whose turn is next comes first

  const remove = (id: string): string | undefined => {
    const share = shareOf.get(id);
    const ids = share === undefined ? undefined : shares.get(share);
    shareOf.delete(id);
    ids?.delete(id);
    if (share !== undefined && ids?.size === 0) shares.delete(share);
    return share;
  };
  return {
    size: () => shareOf.size,
    add(id, share) {
      if (shareOf.has(id)) return;
      shareOf.set(id, share);
      shares.set(share, (shares.get(share) ?? new Set()).add(id));
    },
    delete: (id) => remove(id) !== undefined,
    take() {
      const [next] = shares;
      if (next === undefined) return undefined;
      const [share, ids] = next;
      const [id] = ids;
      if (id === undefined) return undefined;
      remove(id);
      if (shares.delete(share)) shares.set(share, ids); // the last in turn now
      return id;
    },
  };
}
