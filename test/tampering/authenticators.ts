import type { Method } from "../../src/api/v1alpha1/meta.ts";
import { challengeOf } from "../fakes/proving.ts";
import { mallorys, type Stage } from "./factors.ts";

// Each field of an authenticator, written by an admin whom no guard of ours holds, one at a time. What a stage does not name
// stays as it is then: `why` says why that is no loss. `gives`: what its writer gains, and why he has it anyhow.

export type FactorRow = {
  readonly leaf: string;
  readonly value: unknown;
  readonly becomes: { readonly [stage in Stage]?: string };
  readonly why?: string;
  readonly gives?: string;
  /** Both by default. */
  readonly method?: Method;
};

const closed = "proof: AuthenticatorUnknown, ticket: CallerUnknown";
const withdrawn = `${closed}, grant: AuthenticatorWithdrawn`;
/** What it proved was proven with it as it was, so that a grant stays. */
const unsealed = `${closed}, grant: stays`;
const opened = "proof: AuthenticatorUnknown, ticket: enrolls";
const lapsed = "proof: AuthenticatorUnknown, ticket: TicketExpired";
const unconfirmed = "proof: AuthenticatorUnknown, ticket: InvalidAuthenticator";
/** No process of ours reads it: it lacks what must stand beside it. */
const notWhole = { invited: closed, further: closed, lapsed: closed } as const;
const inviter =
  "what is not in use is opened to him, or a disabled one is in use again: no more than an inviter can, who opens a new one to whom he likes";
const names = "an authenticator counts under the name alone that its owner and method have";
const spent = "it was for enrolling, which is done";
const words = "for people alone";

export const factorRows: readonly FactorRow[] = [
  { leaf: "spec.owner.username", value: "bob", becomes: { "in use": unsealed }, why: names },
  { leaf: "spec.method", value: "TOTP", becomes: { "in use": unsealed }, method: "WebAuthn", why: names },
  { leaf: "spec.method", value: "WebAuthn", becomes: { "in use": unsealed }, method: "TOTP", why: names },
  {
    leaf: "spec.codeChallenge",
    value: challengeOf(mallorys),
    becomes: {
      invited: `${closed}, hers: enrolls`,
      shown: `${closed}, hers: enrolls`,
      further: closed,
      lapsed: closed,
    },
    why: spent,
    gives: inviter,
  },
  {
    leaf: "spec.invitedBy",
    value: "mallory",
    becomes: { further: opened },
    why: "who invited, for people",
    gives: inviter,
  },
  {
    leaf: "spec.invitedBy",
    value: undefined,
    becomes: { invited: unconfirmed, shown: unconfirmed },
    why: spent,
  },
  {
    leaf: "spec.expirationTime",
    value: "2027-11-24T10:00:00Z",
    becomes: { lapsed: opened },
    why: spent,
    gives: inviter,
  },
  {
    leaf: "spec.expirationTime",
    value: "2026-11-23T10:00:00Z",
    becomes: { invited: lapsed, shown: lapsed, further: lapsed },
    why: spent,
  },
  {
    leaf: "spec.disabled",
    value: true,
    becomes: { invited: closed, shown: closed, further: closed, lapsed: closed, "in use": withdrawn },
  },
  {
    leaf: "spec.disabled",
    value: false,
    becomes: { disabled: "proof: taken, ticket: CallerUnknown, grant: stays" },
    why: "it is what it is when it is left out",
    gives: inviter,
  },
  {
    leaf: "status.phase",
    value: "Pending",
    becomes: { "in use": withdrawn },
    why: "it is what it is when there is no status",
  },
  {
    leaf: "status.phase",
    value: "Active",
    becomes: { invited: closed, shown: closed, further: closed, lapsed: closed },
  },
  {
    leaf: "status.keyID",
    value: "k2",
    becomes: { ...notWhole, shown: "proof: AuthenticatorUnknown, ticket: an error", "in use": unsealed },
  },
  { leaf: "status.seal", value: "A".repeat(86), becomes: { ...notWhole, shown: closed, "in use": unsealed } },
  { leaf: "status.lastUsedTime", value: "2027-11-24T10:00:00.000Z", becomes: notWhole, why: words },

  ...(
    [
      ["lastTimeStep", 99_999_999_999, "ProofAlreadyUsed"],
      ["failures.total", 100, "AuthenticatorLocked"],
      ["failures.lockedUntilTime", "2027-11-24T10:00:00.000Z", "AuthenticatorLocked"],
    ] as const
  ).map(([name, value, word]) => ({
    leaf: `status.totp.${name}`,
    value,
    becomes: { ...notWhole, shown: closed, "in use": `proof: ${word}, ticket: CallerUnknown, grant: stays` },
    method: "TOTP" as const,
  })),
  {
    leaf: "status.totp.failures.consecutive",
    value: 9,
    becomes: { ...notWhole, shown: closed },
    method: "TOTP",
    why: "the next right code sets it back; a wrong one locks sooner",
  },

  ...["credentialId", "publicKey", "rpId", "origin"].map((name) => ({
    leaf: `status.webauthn.${name}`,
    value: "AAAA",
    becomes: { ...notWhole, "in use": unsealed },
    method: "WebAuthn" as const,
  })),
  {
    leaf: "status.webauthn.backupEligible",
    value: true,
    becomes: { ...notWhole, "in use": unsealed },
    method: "WebAuthn",
  },
  {
    leaf: "status.webauthn.signCount",
    value: 999,
    becomes: { ...notWhole, "in use": "proof: ProofRejected, ticket: CallerUnknown, grant: stays" },
    method: "WebAuthn",
  },
  {
    leaf: "status.webauthn.aaguid",
    value: "00000000-0000-0000-0000-000000000001",
    becomes: notWhole,
    method: "WebAuthn",
    why: "a policy's list of models believes what a key says of itself anyway: no attestation is asked for",
  },
  {
    leaf: "status.webauthn.transports[]",
    value: "nfc",
    becomes: notWhole,
    method: "WebAuthn",
    why: "a hint to the browser where to look for the key",
  },
];

/** Counters, set back: for how long that is good for what, the tests of TA23 show. */
export const resetRows: readonly { readonly leaf: string; readonly gives: string }[] = [
  {
    leaf: "status.totp.lastTimeStep",
    gives: "a code that was used is taken once more, within the 60 s that it is right for",
  },
  { leaf: "status.totp.failures", gives: "a lock opens, and wrong codes are counted anew" },
  {
    leaf: "status.webauthn.signCount",
    gives: "a copy of a key that counts its uses is not told; its answers are good for no second request",
  },
];
