import type { Outcome } from "../flows/ports.ts";
import { isConflict, isNotFound } from "./api-error.ts";
import type { KubeClient } from "./client.ts";

type Preconditions = { readonly uid: string; readonly resourceVersion?: string };

/** DELETE in Background of the very object that was seen; that somebody was quicker, or changed it, is no error. */
export async function removal(
  client: KubeClient,
  path: string,
  preconditions: Preconditions,
  timeoutMs?: number,
): Promise<Outcome> {
  try {
    await client.remove(path, { preconditions, propagationPolicy: "Background" }, timeoutMs);
    return "won";
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return "lost";
    throw error;
  }
}
