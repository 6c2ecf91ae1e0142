/** For who waits until something is so: `tell` says that it may have changed. */
export function createTurns(): { tell(): void; until(done: () => boolean): Promise<void> } {
  const waiting = new Set<{ readonly done: () => boolean; readonly resolve: () => void }>();
  return {
    tell() {
      for (const one of waiting)
        if (one.done()) {
          waiting.delete(one);
          one.resolve();
        }
    },
    async until(done) {
      if (done()) return;
      await new Promise<void>((resolve) => {
        waiting.add({ done, resolve });
      });
    },
  };
}
