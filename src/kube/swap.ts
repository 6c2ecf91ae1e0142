import type { Outcome } from "../flows/ports.ts";
import { isConflict, isNotFound } from "./api-error.ts";
import type { KubeClient } from "./client.ts";

type Seen = { readonly metadata: { readonly resourceVersion: string } };

/** A merge patch that holds only while the object is the one seen; somebody else's write, or its end, is no error. */
export async function swap(client: KubeClient, path: string, seen: Seen, change: object): Promise<Outcome> {
  return (await swapped(client, path, seen, change)) === undefined ? "lost" : "won";
}

/** The same; what is answered is the object as it is now. */
export async function swapped<T extends Seen>(
  client: KubeClient,
  path: string,
  seen: T,
  change: object,
): Promise<T | undefined> {
  const { resourceVersion } = seen.metadata;
  if (resourceVersion === "") throw new Error(`${path} cannot be swapped without a resourceVersion`);
  try {
    return await client.patch<T>(path, { metadata: { resourceVersion }, ...change });
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return undefined;
    throw error;
  }
}
