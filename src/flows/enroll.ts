import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ChallengeBody, EnrollmentAnswer, RegisterAnswer, RegisterBody } from "../api/v1alpha1/wire.ts";
import { authenticatorPreimage } from "../domain/challenge.ts";
import { enrollable } from "../domain/proof.ts";
import type { Denial } from "../domain/reasons.ts";
import type { VerifierPorts } from "./ports.ts";

// A first authenticator, by the ticket that an inviter handed over: shown its seed, then Active by one code of it.
// The seed is derived from a key of ours, and more keys may come; so the first showing writes the key's id down, and
// from then on, until Active and for life, `status.keyID` says it: of the seed key and of the seal key alike.

/** POST .../challenge of an authenticator: its seed, in clear. Never again once it is Active. */
export async function enrollmentOptions(
  ports: VerifierPorts,
  name: string,
  { codeVerifier }: ChallengeBody,
): Promise<EnrollmentAnswer | Denial> {
  for (;;) {
    const seen = await openTicket(ports, name, codeVerifier);
    if ("reason" in seen) return seen;
    if (seen.status?.keyID !== undefined) return { totp: ports.totp.enrollment(seen) };
    // won or lost: look again for what is written now
    await ports.authenticators.swapStatus(seen, { phase: "Pending", keyID: ports.sealer.newestKeyID });
  }
}

/** POST .../register with a code: Active by one swap, so one ticket enrolls once. The code is thereby used. */
export async function register(
  ports: VerifierPorts,
  name: string,
  { codeVerifier, totp: { code } }: RegisterBody,
): Promise<RegisterAnswer | Denial> {
  const answer = await registerOnce(ports, name, codeVerifier, code);
  const result = "reason" in answer ? answer.reason : "Active";
  ports.attempts.tell({ attempt: "enroll", about: name, result });
  return answer;
}

async function registerOnce(
  ports: VerifierPorts,
  name: string,
  codeVerifier: string,
  code: string,
): Promise<RegisterAnswer | Denial> {
  for (;;) {
    const seen = await openTicket(ports, name, codeVerifier);
    if ("reason" in seen) return seen;
    const keyID = seen.status?.keyID;
    if (keyID === undefined) return { reason: "NotReady", message: "no seed was shown yet: begin again" };
    const lastTimeStep = ports.totp.matches(seen, code, ports.clock());
    // not counted: whoever holds the ticket is shown the seed anyway, there is nothing to guess
    if (lastTimeStep === undefined) return { reason: "ProofRejected", message: "the code is not right" };
    const seal = ports.sealer.seal(keyID, authenticatorPreimage(ports.cluster.uid, keyID, seen));
    const totp = { lastTimeStep, failures: { consecutive: 0, total: 0 } };
    const outcome = await ports.authenticators.swapStatus(seen, { phase: "Active", keyID, seal, totp });
    if (outcome === "won") return { name, method: "TOTP" };
  }
}

/** The authenticator that this ticket opens. Wrong ticket, spent ticket, no such authenticator: one answer. */
async function openTicket(
  { authenticators, secrets, clock }: VerifierPorts,
  name: string,
  codeVerifier: string,
): Promise<Authenticator | Denial> {
  const seen = await authenticators.get(name);
  const opened = secrets.opens(seen?.spec.codeChallenge, codeVerifier);
  if (!opened || seen === undefined)
    return { reason: "CallerUnknown", message: "no such authenticator, or the ticket does not open it" };
  const denial = enrollable(seen, clock());
  if (denial !== undefined) return denial;
  // Whoever steals a kubeconfig can create an authenticator of its owner's. Nothing of that kind becomes Active.
  if (seen.spec.invitedBy === undefined)
    return { reason: "InvalidAuthenticator", message: "nobody invited its owner: ask an inviter for a ticket" };
  if (seen.spec.method !== "TOTP")
    return {
      reason: "MethodNotAllowed",
      message: `${seen.spec.method} cannot be enrolled here: ask for a ticket for TOTP`,
    };
  return seen;
}
