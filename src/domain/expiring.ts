import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type Instant, later, parseInstant } from "./time.ts";

const warnMs = 5 * 60_000;

/** From when on people should be told that a grant ends soon; undefined where it is not Active, or lasts hardly longer. */
export function expiringFrom(request: ElevationRequest | undefined): Instant | undefined {
  const { phase, grant } = request?.status ?? {};
  const from = later(parseInstant(grant?.expirationTime), -warnMs);
  return phase === "Active" && parseInstant(grant?.grantTime) < from ? from : undefined;
}
