import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { Denial } from "./reasons.ts";
import { formatInstant, type Instant, parseInstant } from "./time.ts";

/** What the last look at admission says. */
export type Admission = {
  /** What is wrong with it. */
  readonly hole: string | undefined;
  /** Since when it has been seen whole, and in force. */
  readonly protectedSince: Instant;
};

/** A request is believed where it was made under admission that is still as it was; creationTimestamp is cut to the second. */
export function unprotected({ metadata }: ElevationRequest, { hole, protectedSince }: Admission): Denial | undefined {
  if (hole !== undefined)
    return { reason: "AdmissionUnprotected", message: cut(`admission is not as shipped: ${hole}`) };
  if (parseInstant(metadata.creationTimestamp) >= protectedSince) return undefined;
  const since = formatInstant(protectedSince);
  return {
    reason: "AdmissionUnprotected",
    message: `admission changed after this request was made, and is as shipped since ${since}: ask again`,
  };
}

const messageMax = 1_024; // of status.message
const cut = (text: string): string => text.slice(0, messageMax);
