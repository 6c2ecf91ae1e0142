import * as z from "zod";
import { filledIn, immutable, kept, oneOf, present, rule, rules, setOnce } from "./cel.ts";
import {
  codeChallenge,
  conditions,
  duration,
  type Immutable,
  type Meta,
  method,
  name,
  printable,
  roleRef,
  text,
  writtenDuration,
  writtenReason,
  writtenTime,
} from "./meta.ts";
import { openPhases, terminalPhases } from "./phases.ts";

// The one place where the kind is declared: hack/crds turns these schemas into the CRD, z.infer into the types.
// Only what a structural schema can say may stand here; rules across fields are CEL, next to what they rule.

const requester = z
  .object({
    username: name(256).describe("User name, as kubectl auth whoami tells it."),
    uid: text(256).optional().describe("The user's uid, where the API server knows one."),
    groups: z
      .array(text(512))
      .max(512)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional()
      .describe("The user's groups when the request was made."),
  })
  .meta(filledIn)
  .describe("Who asks, as the API server knows them. Leave it out, it is filled in; anything else is refused.");

const termination = z
  .object({
    by: name(256).describe("Your own user name."),
    justification: printable.optional().describe("Why it is ended, in your own words; printable characters."),
  })
  .describe("Ends the request, once and for good: by its requester, or by a holder of verb revoke on the policy.");

const spec = z
  .object({
    policyName: name(63)
      .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
      .describe("Name of the ElevationPolicy that is asked for."),
    duration: duration
      .optional()
      .describe("How long, as in 30m or 1h30m. Left out, the policy's default; never more than its max, nor than 24h."),
    justification: printable.optional().describe("Why, in your own words; printable characters, at most 512."),
    requester,
    codeChallenge: codeChallenge
      .optional()
      .describe(
        "base64url(SHA-256(codeVerifier)), RFC 7636 S256: whoever holds the codeVerifier may prove this request. Set at create, or once later by the requester (kubectl elevate prove).",
      ),
    termination: termination.optional(),
  })
  .meta(
    rules(
      present("requester", "requester is missing: MutatingAdmissionPolicy kube-elevate-stamp fills it in"),
      ...immutable("policyName", "requester", "duration", "justification"),
      ...setOnce("codeChallenge", "termination"),
    ),
  )
  .describe("What is asked for. Immutable, but for codeChallenge and termination, which are set once.");

const offer = z
  .object({
    cluster: z
      .object({
        name: text(253).describe("Its name, for people."),
        uid: text(64).describe("The UID of its namespace kube-system."),
      })
      .describe("The cluster in which this is asked."),
    roleRef: roleRef.describe("The role that is bound."),
    rulesHash: text(64).describe("SHA-256 over the role's UID and rules, as they were when this was offered."),
    methods: z
      .array(
        z.object({
          method: method.describe("WebAuthn or TOTP."),
          duration: writtenDuration.describe("How long the grant lasts when proven with it."),
        }),
      )
      .min(1)
      .max(4)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .describe("What may be proven, and how long the grant then lasts."),
    deadlineTime: writtenTime.describe("A proof is taken until then."),
    authorizedBy: text(1024).describe("Why the requester may use the policy, in the authorizer's own words."),
  })
  .describe("What the requester may prove, and gets for it. Set once, with Pending; the proof is over all of it.");

const webauthn = z
  .object({
    credentialId: text(1400).describe("The credential, base64url."),
    publicKey: text(1400).describe("Its public key (COSE), base64url."),
    rpId: text(253).describe("The relying party that it is bound to."),
    origin: text(300).describe("The origin that it was used at."),
    authenticatorData: text(4096).describe("What the key signed about itself, base64url."),
    clientDataJSON: text(4096).describe("What the browser said, with the challenge in it, base64url."),
    signature: text(1400).describe("Over authenticatorData and the SHA-256 of clientDataJSON, base64url."),
  })
  .describe("All that an offline check of a WebAuthn proof needs.");

const verification = z
  .object({
    method: method.describe("What was proven with."),
    authenticator: text(253).describe("Name of the Authenticator."),
    authenticatorUID: text(64).describe("Its UID: not another that took its name."),
    verificationTime: writtenTime.describe("When the verifier accepted the proof."),
    keyID: text(64).describe("Which of the verifier's keys made the seal (ConfigMap kube-elevate-trust holds them)."),
    seal: text(128).describe("Ed25519 by the verifier, over the challenge and all of this, base64url."),
    timeStep: z.int().min(0).optional().describe("The RFC 6238 time step that a TOTP proof used up."),
    webauthn: webauthn.optional(),
  })
  .describe("The proof. Set once, by the verifier, which writes nothing else here.");

const grant = z
  .object({
    bindingName: text(128).optional().describe("The RoleBinding that gives the access, in this namespace."),
    expirationTime: writtenTime.optional().describe("No new request is authorized by this grant after it."),
    grantTime: writtenTime.optional().describe("When the access began."),
  })
  .meta(rules(...setOnce("bindingName", "expirationTime", "grantTime")))
  .describe("The access itself.");

const phase = z
  .enum([...openPhases, ...terminalPhases])
  .describe(
    "Pending: a proof is awaited. Granting: proven, the binding is being made. Active: the access is there. Then, for good: Expired, Released, Revoked, Denied or TimedOut.",
  );

const wasEnded = `oldSelf.phase in ${oneOf(terminalPhases)}`;
const status = z
  .object({
    phase: phase.optional(),
    reason: writtenReason.optional().describe("One word why the phase is what it is."),
    message: text(1024).optional().describe("A sentence about it, where the word is not enough."),
    endTime: writtenTime.optional().describe("When it ended, with milliseconds; written together with the last phase."),
    conditions: conditions(["Granted", "Completed", "Stalled"], 1024)
      .optional()
      .describe(
        "Granted: the access is there. Completed: it is over, or never came. Stalled: the binding cannot be taken away, which is tried again.",
      ),
    offer: offer.optional(),
    verification: verification.optional(),
    grant: grant.optional(),
  })
  .meta(
    rules(
      ...kept("phase", "grant"),
      rule("status of an ended request never changes", `!has(oldSelf.phase) || !(${wasEnded}) || self == oldSelf`),
      rule(
        "no such step of phase",
        [
          "!has(oldSelf.phase) || !has(self.phase) || oldSelf.phase == self.phase",
          "|| (oldSelf.phase == 'Pending' && self.phase in ['Granting', 'Released', 'Revoked', 'Denied', 'TimedOut'])",
          "|| (oldSelf.phase == 'Granting' && self.phase in ['Active', 'Expired', 'Released', 'Revoked', 'Denied'])",
          "|| (oldSelf.phase == 'Active' && self.phase in ['Expired', 'Released', 'Revoked'])",
        ].join("\n"),
      ),
      rule(
        "nothing comes before the first phase",
        "has(self.phase) || !(has(self.offer) || has(self.verification) || has(self.grant) || has(self.endTime))",
      ),
      rule("the offer comes with Pending", "!has(self.phase) || self.phase == 'Denied' || has(self.offer)"),
      rule(
        "offer is set once, with the first phase",
        "!has(oldSelf.phase) || (has(self.offer) == has(oldSelf.offer) && (!has(self.offer) || self.offer == oldSelf.offer))",
      ),
      ...setOnce("verification"),
      rule(
        "verification is set while Pending",
        "!has(self.verification) || has(oldSelf.verification) || (has(oldSelf.phase) && oldSelf.phase == 'Pending')",
      ),
      rule(
        "Granting and Active need verification and grant.expirationTime",
        "!has(self.phase) || !(self.phase in ['Granting', 'Active']) || (has(self.verification) && has(self.grant) && has(self.grant.expirationTime))",
      ),
      rule(
        "a terminal phase comes with endTime and reason, in the same write; endTime with nothing else",
        `!has(self.phase) || (self.phase in ${oneOf(terminalPhases)}) == (has(self.endTime) && has(self.reason))`,
      ),
    ),
  )
  .describe("What became of it. Written by kube-elevate alone.");

const oldPhase = "has(oldSelf.status) && has(oldSelf.status.phase)";
export const elevationRequest = z
  .object({ spec, status: status.optional() })
  .meta(
    rules(
      rule("metadata.name must be at most 63 characters", "self.metadata.name.size() <= 63"),
      // a merge patch {"status": null} would skip every rule of status that looks back
      ...kept("status"),
      rule(
        "the first phase is Pending or Denied, without verification or grant",
        `(${oldPhase}) || !has(self.status) || !has(self.status.phase) || (self.status.phase in ['Pending', 'Denied'] && !has(self.status.verification) && !has(self.status.grant))`,
      ),
      rule(
        "spec of an ended request never changes",
        `!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in ${oneOf(terminalPhases)}) || self.spec == oldSelf.spec`,
      ),
    ),
  )
  .describe(
    "One person asks for one role, in this namespace, for a while, and proves presence for it. It stays as the record of what was granted.",
  );

export type ElevationRequest = Immutable<z.infer<typeof elevationRequest>> & {
  readonly metadata: Meta & { readonly namespace: string };
};
export type Status = Immutable<z.infer<typeof status>>;
export type Offer = Immutable<z.infer<typeof offer>>;
export type Verification = Immutable<z.infer<typeof verification>>;
