import type { Outcome } from "../flows/ports.ts";
import { isConflict, isNotFound } from "./api-error.ts";
import type { KubeClient } from "./client.ts";

type Seen = { readonly metadata: { readonly resourceVersion: string } };

/** A merge patch that holds only while the object is the one seen; somebody else's write, or its end, is no error. */
export async function swap(client: KubeClient, path: string, seen: Seen, change: object): Promise<Outcome> {
  const { resourceVersion } = seen.metadata;
  if (resourceVersion === "") throw new Error(`${path} cannot be swapped without a resourceVersion`);
  try {
    await client.patch(path, { metadata: { resourceVersion }, ...change });
    return "won";
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return "lost";
    throw error;
  }
}
