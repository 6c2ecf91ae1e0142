import type { ElevationRequest, Offer, Verification } from "../api/v1alpha1/elevation-request.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import type { Assertion } from "../api/v1alpha1/webauthn.ts";
import type { VerifyAnswer, VerifyBody } from "../api/v1alpha1/wire.ts";
import { challengePreimage, sealPreimage } from "../domain/challenge.ts";
import { refusesKey } from "../domain/policy.ts";
import { provable } from "../domain/proof.ts";
import type { Denial } from "../domain/reasons.ts";
import { formatInstant } from "../domain/time.ts";
import { awaitRequest } from "./await-request.ts";
import { deleted, openRequest, type RequestName } from "./challenge.ts";
import { type UsedKey, useKey } from "./credentials.ts";
import type { RequestKey, VerifierPorts } from "./ports.ts";
import { type Refusal, type Spent, spendCode } from "./spend.ts";

type Proven = { readonly request: ElevationRequest; readonly verification: Verification };

const landingMs = 2_000; // between the two writes of a proof at another replica; each takes some milliseconds

/**
 * POST .../verify with a code or a key's answer: uses it up, then writes the sealed verification, then waits, at most `waitMs`, for
 * what the controller makes of it. A crash between the two writes costs the requester a proof, never grants without one.
 * Whoever asks again with the right verifier is told the same, and no proof is looked at.
 */
export async function prove(
  ports: VerifierPorts,
  name: RequestName,
  body: VerifyBody,
  waitMs = 10_000,
): Promise<VerifyAnswer | Refusal> {
  const proven = await proveOnce(ports, name, body);
  const result = "reason" in proven ? proven.reason : "ProofAccepted";
  ports.attempts.tell({ attempt: "prove", about: `${name.namespace}/${name.name}`, result });
  if ("reason" in proven) return proven;
  const settled = await awaitRequest(ports, proven.request, waitMs, isSettled);
  return settled === undefined ? deleted : answerOf(settled, proven.verification);
}

async function proveOnce(
  ports: VerifierPorts,
  name: RequestName,
  { codeVerifier, totp, webauthn }: VerifyBody,
): Promise<Proven | Refusal> {
  const request = await openRequest(ports, name, codeVerifier);
  if ("reason" in request) return request;
  const already = provenOf(request);
  if (already !== undefined) return already;
  const offer = provable(request, webauthn === undefined ? "TOTP" : "WebAuthn", ports.clock());
  if ("reason" in offer) return offer;
  const spent =
    webauthn === undefined
      ? await spendCode(ports, request.spec.requester.username, totp?.code ?? "")
      : await useKeyFor(ports, request, offer, webauthn);
  if (!("reason" in spent)) return record(ports, request, spent);
  if (spent.reason !== "ProofAlreadyUsed") return spent;
  // perhaps for this very request, posted twice: then its verification is about to land
  const seen = await awaitRequest(ports, request, landingMs, (now) => provenOf(now) !== undefined || isSettled(now));
  const proven = seen && provenOf(seen);
  if (proven === undefined && webauthn !== undefined) ports.alarm.reject({ about: aboutOf(request), denial: spent });
  return proven ?? spent;
}

/** An assertion is good for this request alone: its challenge is computed anew from what the object says. */
async function useKeyFor(
  ports: VerifierPorts,
  request: ElevationRequest,
  offer: Offer,
  answer: Assertion,
): Promise<UsedKey | Denial> {
  const { policyName, requester } = request.spec;
  const policy = await ports.policy(policyName);
  if (policy === undefined) return { reason: "PolicyNotFound", message: `policy ${policyName} is gone: ask again` };
  const challenge = ports.digest(challengePreimage(request, offer));
  return useKey(ports, requester.username, challenge, answer, {
    refuses: (credential) => refusesKey(policy, credential),
    onCopy: (denial) => ports.alarm.reject({ about: aboutOf(request), denial }),
  });
}

/** The proof is used up, so whatever else changes the request meanwhile must not cost its owner the proof. */
async function record(
  ports: VerifierPorts,
  request: ElevationRequest,
  { by, ...evidence }: Spent | UsedKey,
): Promise<Proven | Refusal> {
  const method: Method = "webauthn" in evidence ? "WebAuthn" : "TOTP";
  const { namespace, name, uid } = request.metadata;
  for (let seen: ElevationRequest | undefined = request; ; seen = await ports.requests.get(namespace, name)) {
    if (seen?.metadata.uid !== uid) return deleted;
    const already = provenOf(seen);
    if (already !== undefined) return already;
    const now = ports.clock();
    const offer = provable(seen, method, now);
    if ("reason" in offer) return offer;
    const unsealed = {
      method,
      ...evidence,
      authenticator: by.name,
      authenticatorUID: by.uid,
      verificationTime: formatInstant(now),
      keyID: ports.sealer.newestKeyID,
    };
    const seal = ports.sealer.seal(unsealed.keyID, sealPreimage(ports.digest, seen, offer, unsealed));
    const verification = { ...unsealed, seal };
    const written = await ports.requests.swapStatus(seen, { verification });
    if (written !== undefined) return { request: written, verification };
  }
}

const aboutOf = ({ metadata: { namespace, name, uid } }: ElevationRequest): RequestKey => ({ namespace, name, uid });

function provenOf(request: ElevationRequest): Proven | undefined {
  const verification = request.status?.verification;
  return verification === undefined ? undefined : { request, verification };
}

const isSettled = ({ status }: ElevationRequest): boolean =>
  status?.phase === "Active" || status?.endTime !== undefined;

function answerOf({ status }: ElevationRequest, { method, verificationTime }: Verification): VerifyAnswer {
  const { phase = "Pending", reason, endTime, grant: { expirationTime, bindingName } = {} } = status ?? {};
  return {
    method,
    verificationTime,
    phase,
    ...(endTime !== undefined && reason !== undefined && { reason }), // why it ended; else the phase says it
    ...(expirationTime !== undefined && { expirationTime }),
    ...(bindingName !== undefined && { bindingName }),
  };
}
