import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type Instant, later } from "../domain/time.ts";
import type { Requests } from "./ports.ts";

type Ports = { readonly requests: Pick<Requests, "next">; readonly clock: () => Instant };

/** The request as soon as `enough` says so, else as it is when `waitMs` have passed; undefined: it is gone. */
export async function awaitRequest(
  { requests, clock }: Ports,
  seen: ElevationRequest,
  waitMs: number,
  enough: (request: ElevationRequest) => boolean,
): Promise<ElevationRequest | undefined> {
  const until = later(clock(), waitMs);
  for (let request = seen; ; ) {
    const leftMs = Math.min(until - clock(), waitMs); // a clock that is set back must not lengthen the wait
    if (enough(request) || leftMs <= 0) return request;
    const next = await requests.next(request, leftMs, enough);
    if (next?.metadata.uid !== seen.metadata.uid) return undefined; // one that took its name is another
    if (next.metadata.resourceVersion === request.metadata.resourceVersion) return next; // the wait is over
    request = next;
  }
}
