import * as z from "zod";
import { elevationRequest } from "./elevation-request.ts";
import { type Immutable, method, writtenTime } from "./meta.ts";
import type { EndpointReason, Reason } from "./reasons.ts";
import { assertion, creationOptions, registration, requestOptions } from "./webauthn.ts";

// What goes over HTTP between plugin and verifier. Bodies are strict: what the verifier does not know it refuses. Answers
// are read leniently, so that a newer verifier may say more.

/** RFC 7636: base64url of 32 random bytes; the last of 43 characters carries 4 bits. It is a secret: in bodies alone. */
const codeVerifier = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/);
/** A string, for its zeros. */
const totp = z.strictObject({ code: z.string().regex(/^[0-9]{6}$/) });

function isOne(proof: { readonly totp?: unknown; readonly webauthn?: unknown }): boolean {
  return (proof.totp === undefined) !== (proof.webauthn === undefined);
}

/** POST .../challenge, of a request or an authenticator. */
export const challengeBody = z.strictObject({ codeVerifier });
/** POST .../verify, of a request. */
export const verifyBody = z
  .strictObject({ codeVerifier, totp: totp.optional(), webauthn: assertion.optional() })
  .refine(isOne);
/**
 * POST .../register, of an authenticator: what makes it Active; the codeVerifier of an invited one is its ticket.
 * `existing`: the proof by another one of its owner's, which confirms one that nobody invited.
 */
export const registerBody = z
  .strictObject({
    codeVerifier,
    totp: totp.optional(),
    webauthn: registration.optional(),
    existing: z.strictObject({ totp: totp.optional(), webauthn: assertion.optional() }).refine(isOne).optional(),
  })
  .refine(isOne);

const { status } = elevationRequest.shape;
const { offer, phase } = status.unwrap().shape;
/** `methods`: those of the offer that the requester can prove by now; with WebAuthn, what a browser is asked. */
export const challengeAnswer = z.object({
  offer: offer.unwrap(),
  methods: z.array(method),
  webauthn: requestOptions.optional(),
});
export const verifyAnswer = z.object({
  method,
  verificationTime: writtenTime,
  phase: phase.unwrap(),
  reason: z.string().optional(),
  expirationTime: writtenTime.optional(),
  bindingName: z.string().optional(),
});
/**
 * Of TOTP the seed, base32, and the same as an otpauth URI; of WebAuthn, and to be confirmed, what a browser is asked.
 * `shownBefore`: whether an earlier call was shown this seed, by the same ticket; of an older verifier undefined, not known.
 */
export const enrollmentAnswer = z.object({
  totp: z.object({ secret: z.string(), uri: z.string(), shownBefore: z.boolean().optional() }).optional(),
  webauthn: creationOptions.optional(),
  existing: requestOptions.optional(),
});
export const registerAnswer = z.object({ name: z.string(), method });

/** metav1.Status, as for every error. 405 carries no reason: its word is ours, for 403. */
export const failure = z.object({
  kind: z.literal("Status"),
  apiVersion: z.literal("v1"),
  status: z.literal("Failure"),
  reason: z.string().optional(),
  message: z.string(),
  code: z.int(),
  details: z.object({ retryAfterSeconds: z.int().optional() }).optional(),
});

export type ChallengeBody = Immutable<z.infer<typeof challengeBody>>;
export type VerifyBody = Immutable<z.infer<typeof verifyBody>>;
export type RegisterBody = Immutable<z.infer<typeof registerBody>>;
export type ChallengeAnswer = Immutable<z.infer<typeof challengeAnswer>>;
export type VerifyAnswer = Immutable<z.infer<typeof verifyAnswer>>;
export type EnrollmentAnswer = Immutable<z.infer<typeof enrollmentAnswer>>;
export type RegisterAnswer = Immutable<z.infer<typeof registerAnswer>>;
export type Failure = Immutable<z.infer<typeof failure>>;

/** Errors of the protocol use Kubernetes' own words. */
export type ProtocolReason = keyof typeof protocolStatuses;
const protocolStatuses = {
  BadRequest: 400,
  NotFound: 404,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
} as const;

const endpointStatuses: Readonly<Record<EndpointReason, number>> = {
  CallerUnknown: 401,
  NotReady: 409,
  RequestEnded: 409,
  MethodNotAllowed: 403,
  ProofRejected: 403,
  ProofAlreadyUsed: 403,
  AuthenticatorUnknown: 403,
  AuthenticatorLocked: 423,
  TicketExpired: 403,
};

/** Total: what is neither the protocol's nor the endpoint's own is a refusal, 403. */
export function httpStatusOf(reason: Reason | ProtocolReason): number {
  const statuses: { readonly [reason: string]: number } = { ...protocolStatuses, ...endpointStatuses };
  return statuses[reason] ?? 403;
}

/** The two things that are proven about; names go into the path as they are (they need no escaping). */
export const requestPath = (namespace: string, name: string, action: "challenge" | "verify"): string =>
  `/v1alpha1/namespaces/${namespace}/elevationrequests/${name}/${action}`;
export const authenticatorPath = (name: string, action: "challenge" | "register"): string =>
  `/v1alpha1/authenticators/${name}/${action}`;
