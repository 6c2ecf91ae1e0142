import type { Log } from "../ops/log.ts";
import type { Settings } from "../settings.ts";

/** Composes the controller from its adapters and runs it until `signal` aborts. */
export async function run(
  _settings: Settings,
  _context: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  throw new Error("the controller is not composed yet");
}
