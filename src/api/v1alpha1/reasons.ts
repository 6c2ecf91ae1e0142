// One word for a fact, the same in conditions, HTTP, Events, CLI and metrics. Closed lists: a new case adds here.

export const progressReasons = ["AwaitingProof", "ProofAccepted", "BindingCreated"] as const;

/** Why a request ended; so does any refusal that ends an Active grant. */
export const endingReasons = [
  "Expired",
  "ReleasedByRequester",
  "Revoked",
  "DeadlinePassed",
  "BindingRemoved",
  "BindingDrifted",
  "AuthenticatorWithdrawn",
  "RequestDeleted",
] as const;

/** Why something is not done: told by admission, or by the controller in a Denied request. */
export const refusalReasons = [
  "InvalidRequest",
  "RequesterMismatch",
  "RequesterNotAllowed",
  "RequesterShared",
  "NamespaceNotAllowed",
  "NamespaceNotSelected",
  "PolicyNotFound",
  "UseNotPermitted",
  "DurationTooLong",
  "JustificationRequired",
  "JustificationMismatch",
  "RoleNotFound",
  "RoleNotAllowed",
  "RoleChanged",
  "PolicyChanged",
  "BindNotPermitted",
  "BindingRefused",
  "AdmissionUnprotected",
  "ClockSkewed",
  "RecordTampered",
  "InvalidAuthenticator",
  "WriteNotPermitted",
  "DeleteNotPermitted",
  "RevokeNotPermitted",
  "InviteNotPermitted",
  "PersistenceRefused",
] as const;

/** The endpoint's own; wire.ts gives each its HTTP status. */
export const endpointReasons = [
  "CallerUnknown",
  "NotReady",
  "RequestEnded",
  "MethodNotAllowed",
  "ProofRejected",
  "ProofAlreadyUsed",
  "AuthenticatorUnknown",
  "AuthenticatorLocked",
  "TicketExpired",
] as const;

/** Told by condition Stalled; the phase stays. */
export const troubleReasons = ["UnbindFailing"] as const;

/** Told by a policy's condition Ready where it is True; where it is False a refusal says why. RoleChanged: under a grant that stands. */
export const policyReasons = ["BindPermitted", "RoleChanged"] as const;

/** Told by a policy's condition PersistenceSafe; where it is Unknown a refusal says why. LastingAccess: which rules, in its message. */
export const persistenceReasons = ["NoLastingAccess", "LastingAccess"] as const;

type ProgressReason = (typeof progressReasons)[number];
type EndingReason = (typeof endingReasons)[number];
export type RefusalReason = (typeof refusalReasons)[number];
export type EndpointReason = (typeof endpointReasons)[number];
type TroubleReason = (typeof troubleReasons)[number];
export type PolicyReason = (typeof policyReasons)[number];
export type PersistenceReason = (typeof persistenceReasons)[number];

export type Reason = ProgressReason | EndingReason | RefusalReason | EndpointReason | TroubleReason;
/** Told by an Event about kube-elevate itself. AdmissionExtended: by fields that this version does not know. */
export type OwnReason = "AdmissionUnprotected" | "AdmissionProtected" | "AdmissionExtended" | "SealKeysChanged";
/** Those beside Reason are told by an Event alone: no phase and no condition has them. */
export type EventReason = Reason | "Expiring" | OwnReason;
