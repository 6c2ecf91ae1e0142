import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest, Offer } from "../api/v1alpha1/elevation-request.ts";
import type { Denial, Reason } from "./reasons.ts";
import { parseDurationMs } from "./time.ts";

/** The part of an offer that policy and role must still say when it is bound: by value, no policy is hashed. */
export type Terms = Pick<Offer, "roleRef" | "rulesHash" | "methods">;

export type Gates =
  | { readonly open: true; readonly terms: Terms; readonly authorizedBy: string; readonly timeoutMs: number }
  | { readonly open: false; readonly denial: Denial };

type Selector = ElevationPolicy["spec"]["namespaceSelector"];
type Labels = { readonly [label: string]: string };

export type GateFacts = {
  readonly policy: ElevationPolicy | undefined;
  readonly namespaceLabels: Labels | undefined;
  readonly use: { readonly allowed: boolean; readonly reason: string };
  readonly rulesHash: string | undefined; // undefined: no such role
  readonly authenticator: Authenticator | undefined; // by the name in the verification
  /** For entry alone: a grant that stands does not fall because its walls do. */
  readonly entry: EntryFacts | undefined;
};
export type EntryFacts = {
  readonly clockOffMs: number;
  /** AdmissionUnprotected: what else is said of the request is as good as admission was. */
  readonly admission: Denial | undefined;
  readonly rehearsal: Denial | undefined;
};

/** What a policy means where it is silent; the CRD sets none, so that what is stored is what was written. */
const defaults = { timeout: "5m", totpMaxDuration: "15m" };
const skewMsMax = 5_000;
const dayMs = 24 * 3_600_000;

/** One chain of gates; the first that is shut names the reason. Admission judged most: here it is not believed. */
export function judge({ metadata, spec, status }: ElevationRequest, facts: GateFacts): Gates {
  const { policy, namespaceLabels, use, rulesHash, entry } = facts;
  if (entry !== undefined) {
    const { clockOffMs, admission } = entry;
    if (clockOffMs > skewMsMax || clockOffMs < -skewMsMax)
      return shut("ClockSkewed", `the controller's clock is ${String(clockOffMs)} ms off the API server's`);
    if (admission !== undefined) return { open: false, denial: admission };
  }
  if (policy === undefined) return shut("PolicyNotFound", `elevationpolicy ${spec.policyName} does not exist`);
  const { roleRef, namespaceSelector, duration, authentication } = policy.spec;
  if (/^(kube|elevate)-/.test(metadata.namespace))
    return shut("NamespaceNotAllowed", `no elevation in namespace ${metadata.namespace}, by any policy`);
  if (namespaceLabels === undefined || !selects(namespaceSelector, namespaceLabels))
    return shut("NamespaceNotSelected", `${spec.policyName} is not for namespace ${metadata.namespace}`);
  const asked = spec.duration ?? duration.default;
  const askedMs = parseDurationMs(asked) ?? Number.POSITIVE_INFINITY;
  if (askedMs > dayMs || askedMs > (parseDurationMs(duration.max) ?? 0))
    return shut("DurationTooLong", `${spec.policyName} lasts at most ${duration.max}; asked for was ${asked}`);
  if (!use.allowed)
    return shut(
      "UseNotPermitted",
      `${spec.requester.username} may not use policy ${spec.policyName} in namespace ${metadata.namespace}`,
    );
  if (rulesHash === undefined) return shut("RoleNotFound", `${roleRef.kind}/${roleRef.name} does not exist`);
  const proof = status?.verification;
  if (proof !== undefined && !stillHeld(facts.authenticator, proof.authenticatorUID))
    return shut("AuthenticatorWithdrawn", `authenticator ${proof.authenticator} is disabled or gone`);
  if (entry?.rehearsal !== undefined) return { open: false, denial: entry.rehearsal };

  const maxDuration = authentication.totp?.maxDuration ?? defaults.totpMaxDuration;
  const capped = (parseDurationMs(maxDuration) ?? 0) < askedMs ? maxDuration : asked;
  const methods = authentication.methods.map((method) => ({ method, duration: method === "TOTP" ? capped : asked }));
  const timeoutMs = parseDurationMs(authentication.timeout ?? defaults.timeout) ?? 0;
  return { open: true, terms: { roleRef, rulesHash, methods }, authorizedBy: use.reason, timeoutMs };
}

/** A LabelSelector as Kubernetes reads it: all of matchLabels and of matchExpressions; an unknown operator selects nothing. */
export function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined; // a label may be named constructor
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
      }
    })
  );
}

const shut = (reason: Reason, message: string): Gates => ({ open: false, denial: { reason, message } });

/** The one that proved, by UID: not another that took its name. */
const stillHeld = (found: Authenticator | undefined, uid: string): boolean =>
  found?.metadata.uid === uid && found.status?.phase === "Active" && found.spec.disabled !== true;

type Model = { readonly aaguid?: string | undefined; readonly backupEligible?: boolean | undefined };

/** What the policy has against a key of this model. Without attestation a model is what the key says of itself. */
export function refusesKey({ metadata, spec }: ElevationPolicy, { aaguid, backupEligible }: Model): Denial | undefined {
  const { allowSynced = true, aaguids = [] } = spec.authentication.webauthn ?? {};
  if (!allowSynced && backupEligible === true)
    return { reason: "MethodNotAllowed", message: `${metadata.name} takes no passkey that is copied between devices` };
  if (aaguids.length > 0 && !aaguids.includes(aaguid ?? ""))
    return { reason: "MethodNotAllowed", message: `${metadata.name} does not take this model of key` };
  return undefined;
}
