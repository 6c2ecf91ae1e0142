import { type EventReason, type OwnReason, refusalReasons } from "../api/v1alpha1/reasons.ts";
import { bindingName } from "../domain/binding.ts";
import type { Step } from "../domain/grant.ts";
import type { Cause, Denial } from "../domain/reasons.ts";
import { formatInstant, type Instant } from "../domain/time.ts";
import type { RequestKey } from "../flows/ports.ts";

export type Told = {
  readonly action: string;
  readonly type: "Normal" | "Warning";
  readonly reason: EventReason;
  readonly note: string;
};

/**
 * What an Event says of a step. Nothing of `bind`: the reply to a create may be lost, and `activate`, which records it,
 * is won by one replica in any case, so that one access is one Event.
 */
export function told(step: Step, about: RequestKey): Told | undefined {
  const binding = `RoleBinding ${bindingName(about)}`;
  switch (step.do) {
    case "offer": {
      const methods = step.terms.methods.map(({ method }) => method).join(" or ");
      return telling("Offer", "AwaitingProof", `to be proven with ${methods} until ${formatInstant(step.deadline)}`);
    }
    case "promise":
      return telling("Promise", "ProofAccepted", `access is due until ${formatInstant(step.expiration)}`);
    case "activate":
      return telling("Activate", "BindingCreated", `${binding} gives the access`);
    case "unbind":
      return telling("Unbind", step.cause.reason, withMessage(`${binding} is gone`, step.cause));
    case "tellStalled":
      return telling(
        "Unbind",
        "UnbindFailing",
        withMessage(`${binding} cannot be removed and is tried again`, step.cause),
      );
    case "close":
      return telling("Close", step.cause.reason, withMessage(step.phase, step.cause));
    case "bind":
    case "inspect":
    case "wait":
    case "rest":
      return undefined;
  }
}

/** What an Event says of a grant that ends soon. */
export function expiring(expiration: Instant, now: Instant): Told {
  const seconds = Math.max(0, Math.round((expiration - now) / 1_000));
  const left = seconds < 60 ? `${String(seconds)}s` : `${String(Math.round(seconds / 60))}m`;
  return telling("Warn", "Expiring", `ends at ${formatInstant(expiration).slice(11, 19)} UTC, in ${left}`);
}

/** What an Event says of a proof that its requester did not make, as it seems. */
export const rejected = ({ reason, message }: Denial): Told => telling("Prove", reason, message);

/** What an Event says about kube-elevate itself. */
export const own = (reason: OwnReason, message: string): Told => telling("Watch", reason, message);

const telling = (action: string, reason: EventReason, note: string): Told => ({
  action,
  type: typeOf(reason),
  reason,
  note: cut(note),
});
const noteMax = 1024; // of the API server, in bytes: it refuses a longer one, and the Event with it
/** To whole characters: `encodeInto` writes no part of one. */
const cut = (text: string): string => text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(noteMax)).read);
const withMessage = (text: string, { message }: Cause): string =>
  message === undefined ? text : `${text}: ${message}`;

const warnings: readonly EventReason[] = [
  ...refusalReasons,
  "ProofRejected",
  "ProofAlreadyUsed",
  "BindingDrifted",
  "UnbindFailing",
  "Expiring",
  "AdmissionExtended",
  "SealKeysChanged",
];
const typeOf = (reason: EventReason): Told["type"] => (warnings.includes(reason) ? "Warning" : "Normal");
