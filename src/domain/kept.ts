import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { terminalPhases } from "../api/v1alpha1/phases.ts";
import { type Instant, later, parseInstant } from "./time.ts";

// What was kept for long enough, and is deleted.

/** The record of a request that ended so long ago. One that is open never, and one whose end cannot be read never. */
export function isPastRetention({ status }: ElevationRequest, retentionMs: number, now: Instant): boolean {
  const end = parseInstant(status?.endTime);
  return terminalPhases.some((phase) => phase === status?.phase) && end > 0 && later(end, retentionMs) <= now;
}

/** An invitation that nobody took up in time. One that is disabled stays: an inviter wanted its name closed. */
export function isLapsed({ spec, status }: Authenticator, now: Instant): boolean {
  const pending = (status?.phase ?? "Pending") === "Pending";
  return pending && spec.disabled !== true && parseInstant(spec.expirationTime) <= now;
}
