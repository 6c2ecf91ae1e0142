import { sealKeysOf } from "./keys.ts";
import type { Announcer, SealChecker, Stored } from "./ports.ts";
import type { After } from "./queue.ts";
import type { Log } from "./schedule.ts";

type Options = {
  /** The trust ConfigMap, live. */
  readonly read: () => Promise<Stored>;
  readonly checkerOf: (publicKeys: ReadonlyMap<string, string>) => SealChecker;
  readonly after: After;
  readonly log: Log;
  readonly announcer: Announcer;
};

export type TrustedSeals = SealChecker & {
  start(): void;
  stop(): void;
  /** For /readyz: undefined, or what is missing. */
  readonly check: () => string | undefined;
};

const everyMs = 5_000;
const strangersMax = 1_000;

/**
 * Checks seals by the keys that the trust ConfigMap holds, read every 5 s and when a key is asked for that is not there.
 * A key is called unknown only by a reading that began after it was asked for, since a verifier may have just made it;
 * until then `holds` throws, and its caller asks again. Whoever has another key there can seal what nobody proved: so each
 * change of the keys is told, but for the first ones.
 */
export function createTrustedSeals({ read, checkerOf, after, log, announcer }: Options): TrustedSeals {
  let keys: ReadonlyMap<string, string> | undefined;
  let known = false; // there were some once: before the first verifier there are none
  let checker = checkerOf(new Map());
  let begun = 0;
  let done = 0; // the newest reading that came to its end, by the count of those begun
  let failing = false;
  let stopped = false;
  let cancel: (() => void) | undefined;
  const strangers = new Map<string, number>(); // key ids that were asked for, by the count of readings begun before

  const refresh = async (): Promise<void> => {
    const mine = ++begun;
    try {
      const found = sealKeysOf((await read()).data);
      if (mine < done) return; // a newer reading was faster
      done = mine;
      if (keys === undefined || !isSame(keys, found)) {
        log.info({ keyIDs: [...found.keys()] }, "seals are checked by these keys");
        const change = keys === undefined || !known ? undefined : changeOf(keys, found);
        known ||= found.size > 0;
        if (change !== undefined) {
          log.warn({ change }, "the keys that seals are checked by have changed");
          announcer.announce({ reason: "SealKeysChanged", message: change });
        }
        checker = checkerOf(found);
        keys = found;
      }
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, "the keys of seals could not be read: those read before stay in use");
      failing = true;
    }
  };
  const turn = async (): Promise<void> => {
    await refresh();
    if (!stopped) cancel = after(everyMs, () => void turn());
  };

  return {
    holds(keyID, seal, preimage) {
      if (keys?.has(keyID) !== true) {
        const askedAt = strangers.get(keyID);
        if (askedAt !== undefined && done > askedAt) return false;
        if (askedAt === undefined) {
          if (strangers.size >= strangersMax) strangers.clear();
          strangers.set(keyID, begun);
          void refresh();
        }
        throw new Error(`seal key ${keyID} is not known yet`);
      }
      strangers.delete(keyID);
      return checker.holds(keyID, seal, preimage);
    },
    start: () => void turn(),
    stop() {
      stopped = true;
      cancel?.();
    },
    check: () => (keys === undefined ? "configmap kube-elevate-trust is not read yet" : undefined),
  };
}

const isSame = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([id, key]) => b.get(id) === key);

function changeOf(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string {
  const changed = [...new Set([...before.keys(), ...now.keys()])].filter((id) => before.get(id) !== now.get(id));
  const told = changed.map((id) => `${id} is ${now.has(id) ? (before.has(id) ? "another one" : "new") : "gone"}`);
  return `seal keys in configmap kube-elevate-trust: ${told.join(", ")}. If that was none of yours, whoever wrote it can forge proofs`;
}
