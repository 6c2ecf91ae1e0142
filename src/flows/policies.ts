import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import { selects } from "../domain/policy.ts";
import { type Instant, later } from "../domain/time.ts";
import { readyOf, readyWhileUnprotected } from "./policy-ready.ts";
import { safeOf } from "./policy-safe.ts";
import { statusWith } from "./policy-status.ts";
import type { Places, Policies } from "./ports.ts";
import type { After } from "./queue.ts";
import type { Log } from "./schedule.ts";

// Tells whoever writes a policy whether its role can be granted, and the commands that make it so; and whether access
// by it can be kept after the end. It is told, not enforced: whether a request is granted is judged live, by a
// rehearsal of its very binding.

type Options = {
  readonly policies: Policies;
  /** Why nothing may be granted now, by any policy; from memory. */
  readonly hole: () => string | undefined;
  readonly clock: () => Instant;
  readonly after: After;
  readonly log: Log;
};

export type PolicyConditions = { start(): void; stop(): Promise<void> };

const everyMs = 5_000;
const readyEveryMs = 30_000; // a cure is to be seen soon, and a harm in time

/**
 * Looks at each policy every 5 s; at one that is Ready, and as it was last seen, every 30 s, or when a hole opens or
 * closes. Every replica does.
 */
export function createPolicyConditions({ policies, hole, clock, after, log }: Options): PolicyConditions {
  let seen: ReadonlyMap<string, Seen> = new Map();
  let cancel: (() => void) | undefined;
  let stopped = false;
  let round = Promise.resolve();

  const lookAtAll = async (): Promise<void> => {
    const all = await policies.list();
    seen = new Map(all.flatMap(({ metadata: { uid } }) => [[uid, seen.get(uid)] as const]).filter(isKnown));
    const now = { at: clock(), hole: hole() };
    const due = all.filter((policy) => isDue(seen.get(policy.metadata.uid), policy, now));
    if (due.length === 0) return;
    const namespaces = await policies.namespaces();
    let granted: ReturnType<Policies["granted"]> | undefined;
    const asked = { ...policies, granted: async () => (granted ??= policies.granted()) }; // once a round, if at all
    for (const policy of due) {
      const { uid, name, resourceVersion } = policy.metadata;
      try {
        const ready = await tell(asked, policy, namespaces, { at: clock(), hole: now.hole });
        const lookAgain = later(clock(), ready ? readyEveryMs : everyMs);
        seen = new Map([...seen, [uid, { resourceVersion, lookAgain, hole: now.hole }]]);
      } catch (error) {
        log.warn({ err: error, policy: name }, "whether a policy works could not be told, and is asked again");
      }
    }
  };
  const turn = async (): Promise<void> => {
    await lookAtAll().catch((error: unknown) => {
      log.warn({ err: error }, "policies could not be listed, which is tried again");
    });
    if (!stopped) cancel = after(everyMs, next);
  };
  const next = (): void => {
    round = turn();
  };

  return {
    start: next,
    async stop() {
      stopped = true;
      cancel?.();
      await round;
    },
  };
}

type Now = { readonly at: Instant; readonly hole: string | undefined };
type Seen = { readonly resourceVersion: string; readonly lookAgain: Instant; readonly hole: string | undefined };

const isKnown = (entry: readonly [string, Seen | undefined]): entry is readonly [string, Seen] =>
  entry[1] !== undefined;
const isDue = (seen: Seen | undefined, { metadata }: ElevationPolicy, { at, hole }: Now): boolean =>
  seen?.resourceVersion !== metadata.resourceVersion || seen.lookAgain <= at || seen.hole !== hole;

type Namespaces = Awaited<ReturnType<Policies["namespaces"]>>;

/** Writes what has changed, and nothing else: an answer that stays the same costs no write. */
async function tell(
  policies: Policies,
  policy: ElevationPolicy,
  namespaces: Namespaces,
  { at, hole }: Now,
): Promise<boolean> {
  const found = await foundFor(policies, policy, namespaces);
  const ready = hole === undefined ? await readyOf(policies, policy, found) : readyWhileUnprotected(hole);
  const status = statusWith(policy, { Ready: ready, PersistenceSafe: safeOf(policy, found) }, at);
  if (status !== undefined) await policies.swapStatus(policy, status); // lost: another replica, or a new version, is looked at next
  return ready.holds;
}

/** The role, where the policy is for. */
async function foundFor(
  policies: Policies,
  { spec: { roleRef, namespaceSelector } }: ElevationPolicy,
  namespaces: Namespaces,
): Promise<Places> {
  const found = await policies.placesOf(roleRef);
  if (roleRef.kind === "ClusterRole") return found;
  const isFor = (namespace: string): boolean =>
    !/^(kube|elevate)-/.test(namespace) && selects(namespaceSelector, namespaces.get(namespace) ?? {});
  return new Map([...found].filter(([namespace]) => isFor(namespace)));
}
