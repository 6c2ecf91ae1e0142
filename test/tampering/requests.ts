import type { Method } from "../../src/api/v1alpha1/meta.ts";
import type { Moment } from "./lives.ts";

// Each field of a request, written by an admin whom no guard of ours holds, one at a time. What a moment does not name
// changes nothing then, and `why` says why; a request that is over gives no access, whatever is written into it.

export type Row = {
  readonly leaf: string;
  readonly value: unknown;
  readonly becomes: { readonly [moment in Moment]?: string };
  readonly why?: string;
  /** A key by default. */
  readonly method?: Method;
};

/** What is under the seal, from the proof on. */
const sealed = {
  proven: "Denied/RecordTampered",
  promised: "Denied/RecordTampered",
  bound: "Denied/RecordTampered",
  active: "Revoked/RecordTampered",
} as const;
const asked = "what is asked for is shown to its requester, whose proof is of all of it";
const notWhole = "passed over"; // it lacks what must stand beside it, so no process of ours reads it
const offered = (then: string | undefined): Row["becomes"] => ({
  new: notWhole,
  ...(then !== undefined && { offered: then }),
  ...sealed,
});
const proof = { new: notWhole, offered: notWhole, ...sealed };
/** What only a later step of ours writes. */
const ahead = { new: "Denied/RecordTampered", offered: "Denied/RecordTampered", proven: "Denied/RecordTampered" };
const endsAsWritten = Object.fromEntries(
  ["new", "offered", "proven", "promised", "bound", "active"].map((moment) => [moment, "ended as written"]),
);
const words = "for people alone: nothing is decided by it, and the next write of the controller puts it right";
const unreadable = { new: notWhole };
const nextYear = "2027-11-24T10:00:00.000Z";
const soon = "2026-11-24T10:05:00.000Z";

export const requestRows: readonly Row[] = [
  {
    leaf: "spec.policyName",
    value: "other",
    becomes: { new: "Denied/PolicyNotFound", offered: "refused: AuthenticatorUnknown", ...sealed },
  },
  {
    leaf: "spec.duration",
    value: "20m",
    becomes: { new: "as asked", offered: "Denied/PolicyChanged", ...sealed },
    why: asked,
  },
  { leaf: "spec.justification", value: "INC-2", becomes: sealed, why: asked },
  {
    leaf: "spec.requester.username",
    value: "bob",
    becomes: { new: "refused: AuthenticatorUnknown", offered: "refused: AuthenticatorUnknown", ...sealed },
  },
  {
    leaf: "spec.requester.uid",
    value: "u-2",
    becomes: sealed,
    why: "the proof is of the user name's; whom RBAC lets use the policy, its writer can say in RBAC as well",
  },
  {
    leaf: "spec.requester.groups[]",
    value: "admins",
    becomes: sealed,
    why: "the proof is of the user name's; whom RBAC lets use the policy, its writer can say in RBAC as well",
  },
  {
    leaf: "spec.codeChallenge",
    value: "A".repeat(43),
    becomes: { new: "refused: CallerUnknown", offered: "refused: CallerUnknown" },
    why: "it opens the endpoint for one proof, which was given",
  },
  {
    leaf: "spec.termination.by",
    value: "sre",
    becomes: Object.fromEntries(Object.keys(endsAsWritten).map((moment) => [moment, "Revoked/Revoked"])),
  },
  {
    leaf: "spec.termination.justification",
    value: "enough",
    becomes: Object.fromEntries(Object.keys(endsAsWritten).map((moment) => [moment, notWhole])),
  },

  {
    leaf: "status.phase",
    value: "Pending",
    becomes: {
      new: "TimedOut/DeadlinePassed",
      promised: "Denied/RecordTampered",
      bound: "Denied/RecordTampered",
      active: "Denied/RecordTampered",
    },
  },
  {
    leaf: "status.phase",
    value: "Granting",
    becomes: {
      new: "Expired/Expired",
      offered: "Expired/Expired",
      proven: "Expired/Expired",
      active: "Denied/RecordTampered",
    },
  },
  {
    leaf: "status.phase",
    value: "Active",
    becomes: {
      new: "Expired/Expired",
      offered: "Expired/Expired",
      proven: "Expired/Expired",
      promised: "Revoked/BindingRemoved",
    },
    why: "what is bound already has passed the gates, and passes them again every 30 s",
  },
  ...["Expired", "Released", "Revoked", "Denied", "TimedOut"].map((value) => ({
    leaf: "status.phase",
    value,
    becomes: endsAsWritten,
  })),
  { leaf: "status.reason", value: "Revoked", becomes: {}, why: words },
  { leaf: "status.message", value: "x", becomes: {}, why: words },
  { leaf: "status.endTime", value: nextYear, becomes: { ...ahead, ...sealed } },
  ...[
    ["type", "Stalled"],
    ["status", "True"],
    ["reason", "Revoked"],
    ["message", "x"],
    ["lastTransitionTime", nextYear],
    ["observedGeneration", 9],
  ].map(([name, value]) => ({ leaf: `status.conditions[].${String(name)}`, value, becomes: unreadable, why: words })),

  {
    leaf: "status.offer.cluster.name",
    value: "other",
    becomes: offered(undefined),
    why: "a name for people; the UID says for which cluster the proof is, and is compared",
  },
  { leaf: "status.offer.cluster.uid", value: "other", becomes: offered("Denied/RecordTampered") },
  { leaf: "status.offer.roleRef.kind", value: "Role", becomes: offered("Denied/PolicyChanged") },
  { leaf: "status.offer.roleRef.name", value: "admin", becomes: offered("Denied/PolicyChanged") },
  { leaf: "status.offer.rulesHash", value: "other", becomes: offered("Denied/RoleChanged") },
  { leaf: "status.offer.methods[].method", value: "TOTP", becomes: offered("refused: AuthenticatorUnknown") },
  { leaf: "status.offer.methods[].duration", value: "24h", becomes: offered("Denied/PolicyChanged") },
  {
    leaf: "status.offer.deadlineTime",
    value: nextYear,
    becomes: offered(undefined),
    why: "the request waits for longer; the proof, and what is granted for it, is judged as it would be in time",
  },
  { leaf: "status.offer.deadlineTime", value: "2026-11-24T10:00:30.000Z", becomes: offered("TimedOut/DeadlinePassed") },
  {
    leaf: "status.offer.authorizedBy",
    value: "x",
    becomes: offered(undefined),
    why: "what the authorizer said, for people; it is asked again before anything is bound",
  },

  { leaf: "status.verification.method", value: "TOTP", becomes: proof },
  { leaf: "status.verification.authenticator", value: "626f62.key-1", becomes: proof },
  { leaf: "status.verification.authenticatorUID", value: "other", becomes: proof },
  { leaf: "status.verification.verificationTime", value: soon, becomes: proof },
  { leaf: "status.verification.keyID", value: "k2", becomes: proof },
  { leaf: "status.verification.seal", value: "A".repeat(86), becomes: proof },
  { leaf: "status.verification.timeStep", value: 7, becomes: proof, method: "TOTP" },
  {
    leaf: "status.verification.timeStep",
    value: 7,
    becomes: { new: notWhole, offered: notWhole },
    why: "a key's proof has no time step, and nothing reads one there",
  },
  ...["credentialId", "publicKey", "rpId", "origin", "authenticatorData", "clientDataJSON", "signature"].map(
    (name) => ({
      leaf: `status.verification.webauthn.${name}`,
      value: "AAAA",
      becomes: proof,
    }),
  ),

  {
    leaf: "status.grant.bindingName",
    value: "elevate:other:00000000",
    becomes: ahead,
    why: "for people: the binding's name is computed from the request's, never read from here",
  },
  { leaf: "status.grant.expirationTime", value: nextYear, becomes: { ...ahead, ...sealed } },
  {
    leaf: "status.grant.expirationTime",
    value: soon,
    becomes: { ...ahead, promised: "ends earlier", bound: "ends earlier", active: "Revoked/BindingDrifted" },
  },
  {
    leaf: "status.grant.grantTime",
    value: soon,
    becomes: { ...ahead, promised: "Denied/RecordTampered", bound: "Denied/RecordTampered" },
    why: "for people: when access ends hangs on expirationTime alone",
  },
];
