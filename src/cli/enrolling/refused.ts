import type { Failure as Status } from "../../api/v1alpha1/wire.ts";
import { denied, Failure } from "../errors.ts";
import { inviteCommand, type Scene } from "../world.ts";

/** What the endpoint's refusal of an enrollment means to who wants to enroll. */
export function refusedEnrollment({ me, contact }: Scene, { reason = "no", message }: Status): Failure {
  const anew = `\n  Ask ${contact} for another one: ${inviteCommand(me.username)}`;
  if (reason === "CallerUnknown")
    return denied(reason, `that ticket is not for ${me.username}, or it is used up.${anew}`);
  if (reason === "TicketExpired") return denied(reason, `that ticket has run out.${anew}`);
  if (reason === "AuthenticatorLocked") return denied(reason, `${message}. Try again later`);
  if (reason === "ProofRejected" || reason === "ProofAlreadyUsed" || reason === "MethodNotAllowed")
    return denied(reason, message);
  return new Failure(`the endpoint says: ${reason}, ${message}`);
}
