import type { Outcome } from "../flows/ports.ts";
import { isConflict, isNotFound } from "./api-error.ts";
import type { KubeClient } from "./client.ts";

type Seen = { readonly metadata: { readonly resourceVersion: string } };

/** A merge patch that holds only while the object is the one seen; somebody else's write, or its end, is no error. */
export async function swap(client: KubeClient, path: string, seen: Seen, change: object): Promise<Outcome> {
  return (await swapped(client, path, seen, change)) === undefined ? "lost" : "won";
}

/**
 * The same; what is answered is the object as it is now. Throws where something else was stored than was written: a
 * mutating policy or webhook of somebody else would so make a code good twice, and a record say what nobody wrote.
 */
export async function swapped<T extends Seen>(
  client: KubeClient,
  path: string,
  seen: T,
  change: object,
): Promise<T | undefined> {
  const { resourceVersion } = seen.metadata;
  if (resourceVersion === "") throw new Error(`${path} cannot be swapped without a resourceVersion`);
  const now = await client.patch<T>(path, { metadata: { resourceVersion }, ...change }).catch((error: unknown) => {
    if (isConflict(error) || isNotFound(error)) return undefined;
    throw error;
  });
  const altered = now && differenceOf(change, now, "");
  if (altered !== undefined)
    throw new Error(
      `${path}:${altered} was stored otherwise than it was written: have no mutating policy or webhook of yours change what kube-elevate writes`,
    );
  return now;
}

/** Where `stored` lacks what a merge patch wrote; undefined: nowhere. */
function differenceOf(written: unknown, stored: unknown, path: string): string | undefined {
  if (written === undefined || Object.is(written ?? undefined, stored)) return undefined;
  if (isNested(written) && stored === undefined) return differenceOf(written, {}, path); // all of it may be taken away
  if (!isNested(written) || !isNested(stored)) return path;
  if (Array.isArray(written) && (!Array.isArray(stored) || stored.length !== written.length)) return path;
  for (const [key, value] of Object.entries(written)) {
    const altered = differenceOf(value, stored[key], `${path}.${key}`);
    if (altered !== undefined) return altered;
  }
  return undefined;
}

const isNested = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null;
