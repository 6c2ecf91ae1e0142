import type { Authenticator, TotpState } from "../api/v1alpha1/authenticator.ts";
import { authenticatorName } from "../domain/authenticator-name.ts";
import { attemptTotp } from "../domain/proof.ts";
import type { Denial } from "../domain/reasons.ts";
import { formatInstant, type Instant } from "../domain/time.ts";
import { isSealed } from "./is-sealed.ts";
import type { Patch, VerifierPorts } from "./ports.ts";

export type Spent = { readonly timeStep: number; readonly by: Authenticator["metadata"] };
/** `lockedUntil`: when a locked authenticator opens again; none: never. */
export type Refusal = Denial & { readonly lockedUntil?: Instant };

/**
 * Spends one code of this user's: which step of which authenticator, or why not. A code is good once because its step is
 * swapped in before anyone is told; a guess that loses the swap is judged again, after the winner. So guesses that come
 * at once are counted one by one, and none is looked at after the one that locks.
 */
export async function spendCode(ports: VerifierPorts, username: string, code: string): Promise<Spent | Refusal> {
  const name = authenticatorName(username, "totp");
  // The challenge has just read it. So it is judged as it was then; that it is still so, the swap says, or a look.
  for (let last = ports.authenticators.lastSeen(name); ; last = undefined) {
    const now = ports.clock();
    const seen = inUse(ports, username, last ?? (await ports.authenticators.get(name)));
    if (seen === undefined && last !== undefined) continue;
    if (seen === undefined)
      return {
        reason: "AuthenticatorUnknown",
        message: "you have no active TOTP authenticator: kubectl elevate enroll",
      };
    const { state } = seen;
    const matches = (): number | undefined => ports.totp.matches(seen.authenticator, code, now);
    const { next, denial, timeStep, lockedUntil } = attemptTotp(state, matches, now);
    if (next !== state) {
      const used = denial === undefined ? { lastUsedTime: formatInstant(now) } : {};
      const patch = { totp: patchOf(next), ...used };
      if ((await ports.authenticators.swapStatus(seen.authenticator, patch)) === "lost") continue;
    } else if (last !== undefined) continue;
    if (denial !== undefined) return lockedUntil === undefined ? denial : { ...denial, lockedUntil };
    if (timeStep !== undefined) return { timeStep, by: seen.authenticator.metadata };
  }
}

type InUse = { readonly authenticator: Authenticator; readonly state: TotpState };

/** This user's TOTP authenticator, where it is in use. */
export async function activeTotp(ports: VerifierPorts, username: string): Promise<InUse | undefined> {
  return inUse(ports, username, await ports.authenticators.get(authenticatorName(username, "totp")));
}

function inUse(ports: VerifierPorts, username: string, authenticator: Authenticator | undefined): InUse | undefined {
  const state = authenticator?.status?.totp;
  if (authenticator === undefined || state === undefined) return undefined;
  return isSealed(ports, authenticator, username, "TOTP") ? { authenticator, state } : undefined;
}

/** A lock that is over has to be taken away: in a merge patch, what is left out stays. */
const patchOf = ({ lastTimeStep, failures }: TotpState): Patch<TotpState> => ({
  lastTimeStep,
  failures: { ...failures, lockedUntilTime: failures.lockedUntilTime ?? null },
});
