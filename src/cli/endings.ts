import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { Failure as Status } from "../api/v1alpha1/wire.ts";
import { parseInstant } from "../domain/time.ts";
import { denied, exitCodes, Failure } from "./errors.ts";
import { clockTime } from "./words.ts";

// Why nothing comes of a request, in the words of a person, with the exit code that goes with it.

export type Told = {
  readonly zone: string;
  readonly contact: string;
  /** The command that asks anew. */
  readonly again: string;
};

/** Nobody but the admins of policy, role or installation can cure these. */
const theirs: ReadonlySet<string> = new Set([
  "RoleNotFound",
  "RoleNotAllowed",
  "RoleChanged",
  "BindNotPermitted",
  "BindingRefused",
  "AdmissionUnprotected",
  "ClockSkewed",
  "RecordTampered",
]);

/** Of an object whose phase is terminal. */
export function ended({ metadata, status = {} }: ElevationRequest, { zone, contact, again }: Told): Failure {
  const { name } = metadata;
  const { reason = "RequestEnded", message = "" } = status;
  const at = clockTime(parseInstant(status.endTime), zone);
  const over = (text: string): Failure =>
    new Failure(`${text}. Ask again: ${again}`, { reason, exitCode: exitCodes.ended });
  switch (status.phase) {
    case "Denied": {
      const cure = theirs.has(reason) ? `Tell ${contact}` : `Ask again: ${again}`;
      return denied(reason, `${name} was denied${message === "" ? "" : `: ${message}`}. ${cure}`);
    }
    case "TimedOut":
      return over(`${name} timed out at ${at}, nobody proved it`);
    case "Expired":
      return over(`${name} expired at ${at}`);
    case "Released":
      return over(`${name} was released at ${at}`);
    case "Revoked":
      return over(`${name} was revoked at ${at}${message === "" ? "" : ` (${message})`}`);
    case "Active":
    case "Granting":
    case "Pending":
    case undefined:
      return new Failure(`${name} is ${status.phase ?? "new"}`, { exitCode: exitCodes.pending });
  }
}

/** An answer of the endpoint that no further try can change. */
export function refusedBy({ reason, message }: Status, name: string, { contact, again }: Told): Failure {
  if (reason === "NotReady")
    return new Failure(`nothing is offered for ${name} yet: does the controller run? Tell ${contact}`, {
      reason,
      exitCode: exitCodes.pending,
    });
  if (reason === "DeadlinePassed")
    return new Failure(`${name} waits for a proof no longer. Ask again: ${again}`, {
      reason,
      exitCode: exitCodes.ended,
    });
  if (reason === undefined || protocolWords.has(reason))
    return new Failure(`the endpoint says: ${reason ?? "no"}, ${message}. Ask again: ${again}`);
  return denied(reason, `${name}: ${message}`);
}

/** Words of Kubernetes, not of ours: something went wrong on the way, nothing was judged. */
const protocolWords: ReadonlySet<string> = new Set([
  "BadRequest",
  "NotFound",
  "RequestEntityTooLarge",
  "UnsupportedMediaType",
  "TooManyRequests",
  "InternalError",
  "ServiceUnavailable",
]);
