import { readFile } from "node:fs/promises";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { historyOf } from "./history.ts";
import { type AccessOptions, accessHolds } from "./invariants-of-access.ts";
import { accountsHold } from "./invariants-of-accounts.ts";
import { recordsHold } from "./invariants-of-records.ts";

// What must be true of every history, whoever wrote the test that made it:
//  I1 a binding exists only by a request that was Granting before, with an expirationTime and a verification whose seal holds
//  I2 it is gone 5 s after the expirationTime at the latest, or after a fault was over, and before its request ends
//  I3 it gives the role of the offer to the requester, by its own name
//  I4 a time step of an authenticator is accepted once, and so is a proof of a request
//  I5 from ten wrong codes running an authenticator is locked, and never counts more than a hundred
//  I6 what is ended never changes, says when and why; what is set once is set once
//  I8 our accounts write what they are for, and nothing else
//  I9 in the end each binding has an Active request and each Active request its binding; what ended is written no more
//  I10 the requester's own calls get through while there is a binding, and after its end never
// I7, that no secret is in any of it, needs the secrets and is tested elsewhere.

export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I8" | "I9" | "I10";
export type Violation = { readonly invariant: Invariant; readonly says: string };
export type InvariantOptions = AccessOptions & {
  /** What this test breaks on purpose, or plays by hand. */
  readonly except?: readonly Invariant[];
};

/** The invariants that do not hold in what this control plane has seen so far, as sentences. */
export async function checkInvariants(
  plane: Pick<ControlPlane, "auditLog">,
  options: InvariantOptions = {},
): Promise<readonly string[]> {
  return violationsOf(await readFile(plane.auditLog, "utf8"), options);
}

export function violationsOf(auditLog: string, options: InvariantOptions = {}): readonly string[] {
  // a line that is being written has no end yet
  const history = historyOf(auditLog.slice(0, auditLog.lastIndexOf("\n") + 1));
  return [...accessHolds(history, options), ...recordsHold(history), ...accountsHold(history)]
    .filter(({ invariant }) => options.except?.includes(invariant) !== true)
    .map(({ invariant, says }) => `${invariant}: ${says}`);
}

/** How much was looked at, so that a check of nothing does not look like one that holds. */
export function extentOf(auditLog: string): { readonly requests: number; readonly bindings: number } {
  const history = historyOf(auditLog);
  const count = (resource: string): number => history.revisions(resource).size;
  const managed = [...history.revisions("rolebindings").values()].filter((states) =>
    states.some(({ name }) => name.startsWith("elevate:")),
  );
  return { requests: count("elevationrequests"), bindings: managed.length };
}
