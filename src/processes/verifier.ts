import type { Log } from "../ops/log.ts";
import type { Settings } from "../settings.ts";

export async function run(_settings: Settings, _context: { log: Log; signal: AbortSignal }): Promise<void> {}
