import type { Authenticator, TotpState } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest, Offer } from "../api/v1alpha1/elevation-request.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import type { Denial } from "./reasons.ts";
import { earlier, formatInstant, type Instant, later, parseInstant } from "./time.ts";

/** The offer, when a proof of it is awaited now; else why not. */
export function awaited({ status, spec }: ElevationRequest, now: Instant): Offer | Denial {
  if (status?.phase === undefined) return { reason: "NotReady", message: "not offered yet: try again in a moment" };
  const { phase, offer, reason = "Ended" } = status;
  if (phase !== "Pending" || offer === undefined || spec.termination !== undefined)
    return { reason: "RequestEnded", message: `the request is ${phase} (${reason}), nothing is awaited: ask again` };
  if (now > parseInstant(offer.deadlineTime))
    return { reason: "DeadlinePassed", message: `a proof was awaited until ${offer.deadlineTime}: ask again` };
  return offer;
}

/** The offer, when this method may be proven now; else why not. */
export function provable(request: ElevationRequest, method: Method, now: Instant): Offer | Denial {
  const offer = awaited(request, now);
  if ("reason" in offer) return offer;
  if (offer.methods.some((offered) => offered.method === method)) return offer;
  const taken = offer.methods.map((offered) => offered.method).join(" or ");
  return {
    reason: "MethodNotAllowed",
    message: `policy ${request.spec.policyName} does not take ${method}, but ${taken}`,
  };
}

/**
 * Whether a ticket still opens this authenticator; who shows a wrong or spent one is told nothing more. What was sealed was
 * enrolled, whatever its phase says now: else its seed would be shown again.
 */
export function enrollable({ spec, status }: Authenticator, now: Instant): Denial | undefined {
  if (status?.phase === "Active" || status?.seal !== undefined || spec.disabled === true)
    return { reason: "CallerUnknown", message: "no such authenticator, or the ticket does not open it" };
  if (now > parseInstant(spec.expirationTime))
    return { reason: "TicketExpired", message: `the ticket was good until ${spec.expirationTime}: ask for a new one` };
  return undefined;
}

const freeTries = 9; // of a person who mistypes; from the tenth running each costs a wait
const lifeTries = 100; // a thief's chance by guessing is 2 in 10,000 in all (RFC 4226 section 7.3 asks for a limit)

export type Attempt = {
  readonly next: TotpState;
  readonly denial?: Denial;
  /** Of a code that is taken. */
  readonly timeStep?: number;
  /** Of a lock that time opens; none where a new ticket is needed. */
  readonly lockedUntil?: Instant;
};

/**
 * What one attempt makes of the authenticator. Told once `next` has landed: so parallel guesses stand in line. `matches`
 * is asked for the code's step only where no lock stands: a code is not even looked at while locked.
 */
export function attemptTotp(state: TotpState, matches: () => number | undefined, now: Instant): Attempt {
  const { consecutive, total } = state.failures;
  const locked = lockOf(state, now);
  if (locked !== undefined) return { next: state, ...locked };
  const timeStep = matches();
  if (timeStep === undefined) {
    const waitMs = 60_000 * 2 ** (consecutive - freeTries);
    const lockedUntil = earlier(later(now, waitMs), later(now, 3_600_000));
    const lock = consecutive < freeTries ? {} : { lockedUntilTime: formatInstant(lockedUntil) };
    const failures = { consecutive: consecutive + 1, total: total + 1, ...lock };
    return { next: { ...state, failures }, denial: { reason: "ProofRejected", message: "the code is not right" } };
  }
  if (timeStep <= state.lastTimeStep)
    return {
      next: state,
      denial: { reason: "ProofAlreadyUsed", message: "this code was used already: wait for the next one" },
    };
  return { next: { lastTimeStep: timeStep, failures: { consecutive: 0, total } }, timeStep };
}

function lockOf({ failures: { total, lockedUntilTime } }: TotpState, now: Instant): Omit<Attempt, "next"> | undefined {
  if (total >= lifeTries) return { denial: locked("for good, ask for a new ticket") };
  if (lockedUntilTime === undefined || now >= parseInstant(lockedUntilTime)) return undefined;
  return { denial: locked(`until ${lockedUntilTime}`), lockedUntil: parseInstant(lockedUntilTime) };
}

const locked = (until: string): Denial => ({
  reason: "AuthenticatorLocked",
  message: `too many wrong codes: locked ${until}`,
});

/**
 * A key that counts its uses counts on (WebAuthn Level 3, section 7.2 step 22): one that goes back tells of a copy; the
 * same count is the same answer, twice. Zero and zero: it keeps no count.
 */
export function attemptKey(stored: number, shown: number): Denial | undefined {
  if (shown > stored || (shown === 0 && stored === 0)) return undefined;
  if (shown === stored) return { reason: "ProofAlreadyUsed", message: "this answer of the key was used already" };
  return {
    reason: "ProofRejected",
    message:
      "the key counts its uses, and this count is an old one: is there a copy of it? Ask an inviter to disable it",
  };
}
