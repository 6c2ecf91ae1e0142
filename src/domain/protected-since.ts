import { formatInstant, type Instant, instant, later, parseInstant } from "./time.ts";

/** The data of ConfigMap kube-elevate-seen; undefined: there is none. */
export type Seen = { readonly [key: string]: string } | undefined;

/** What a look found, or the one before it had found: the versions of all that is shipped, and what is wrong with it. */
type Looked = { readonly versions: string; readonly hole: string | undefined };
export type Before = Looked & {
  readonly protectedSince: Instant;
  /** What was in the ConfigMap then, after a write of ours. */
  readonly seen: Seen;
};

export type Since = {
  readonly protectedSince: Instant;
  /** Something changed that nobody has told of. */
  readonly anew: boolean;
  /** What is to be in the ConfigMap instead; undefined: it may stay. */
  readonly keep: Exclude<Seen, undefined> | undefined;
};

const holed = { state: "admission was not as shipped" }; // no versions, and not empty, as where nobody looked yet
const biteMs = 2_000; // a policy is in force about a second after it is stored
const skewMs = 5_000; // of the clock of whoever kept it

/**
 * Since when admission is as shipped. The ConfigMap holds versions while all is well, and nothing else: whoever finds other
 * ones there than those that are stored, or none, begins anew. So it does not matter which process saw what, or whether one
 * ran. Where a process looked before, what it remembers counts as well: no write to the ConfigMap makes it forget.
 */
export function protectedSince(
  { versions, hole }: Looked,
  seen: Seen,
  before: Before | undefined,
  now: Instant,
): Since {
  const anew = wholeSecond(later(now, biteMs));
  const remembered = before?.protectedSince ?? instant(0);
  if (hole !== undefined) {
    const isNew = before?.hole === undefined;
    return { protectedSince: isNew ? anew : remembered, anew: isNew, keep: isSame(seen, holed) ? undefined : holed };
  }
  const cured = before?.hole !== undefined && before.versions === versions; // seen by the probe alone
  const keptSince = parseInstant(seen?.["protectedSince"]);
  const isKept = seen?.["versions"] === versions && keptSince > 0 && keptSince <= later(anew, skewMs);
  const changed = before !== undefined && before.versions !== versions; // seen by this process, whatever was written since
  if (isKept && !cured && !changed)
    return { protectedSince: keptSince > remembered ? keptSince : remembered, anew: false, keep: undefined };
  // it could not be kept, and nothing else is new
  const known = before?.hole === undefined && before?.versions === versions && isSame(seen, before.seen);
  const begun = isKept && keptSince > anew ? keptSince : anew;
  const since = known ? remembered : begun;
  return { protectedSince: since, anew: !known, keep: { protectedSince: formatInstant(since), versions } };
}

/** The next one, as creationTimestamp is cut to the second: what is made from then on is not denied for its fraction. */
const wholeSecond = (at: Instant): Instant => (at % 1_000 === 0 ? at : later(at, 1_000 - (at % 1_000)));

const isSame = (a: Seen, b: Seen): boolean => textOf(a) === textOf(b);
const textOf = (seen: Seen): string =>
  JSON.stringify([seen && Object.entries(seen).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
