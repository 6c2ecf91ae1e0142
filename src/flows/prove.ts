import type { ElevationRequest, Verification } from "../api/v1alpha1/elevation-request.ts";
import type { VerifyAnswer, VerifyBody } from "../api/v1alpha1/wire.ts";
import { sealPreimage } from "../domain/challenge.ts";
import { provable } from "../domain/proof.ts";
import { formatInstant } from "../domain/time.ts";
import { awaitRequest } from "./await-request.ts";
import { deleted, openRequest, type RequestName } from "./challenge.ts";
import type { VerifierPorts } from "./ports.ts";
import { type Refusal, type Spent, spendCode } from "./spend.ts";

type Proven = { readonly request: ElevationRequest; readonly verification: Verification };

const landingMs = 2_000; // between the two writes of a proof at another replica; each takes some milliseconds

/**
 * POST .../verify with a code: spends the code, then writes the sealed verification, then waits, at most `waitMs`, for
 * what the controller makes of it. A crash between the two writes costs the requester a code, never grants without one.
 * Whoever asks again with the right verifier is told the same, and no code is looked at.
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
  { codeVerifier, totp: { code } }: VerifyBody,
): Promise<Proven | Refusal> {
  const request = await openRequest(ports, name, codeVerifier);
  if ("reason" in request) return request;
  const already = provenOf(request);
  if (already !== undefined) return already;
  const offer = provable(request, "TOTP", ports.clock());
  if ("reason" in offer) return offer;
  const spent = await spendCode(ports, request.spec.requester.username, code);
  if (!("reason" in spent)) return record(ports, request, spent);
  if (spent.reason !== "ProofAlreadyUsed") return spent;
  // perhaps for this very request, posted twice: then its verification is about to land
  const seen = await awaitRequest(ports, request, landingMs, (now) => provenOf(now) !== undefined || isSettled(now));
  return (seen && provenOf(seen)) ?? spent;
}

/** The code is spent, so whatever else changes the request meanwhile must not cost its owner the proof. */
async function record(ports: VerifierPorts, request: ElevationRequest, spent: Spent): Promise<Proven | Refusal> {
  const { namespace, name, uid } = request.metadata;
  for (let seen: ElevationRequest | undefined = request; ; seen = await ports.requests.get(namespace, name)) {
    if (seen?.metadata.uid !== uid) return deleted;
    const already = provenOf(seen);
    if (already !== undefined) return already;
    const now = ports.clock();
    const offer = provable(seen, "TOTP", now);
    if ("reason" in offer) return offer;
    const unsealed = {
      method: "TOTP" as const,
      timeStep: spent.timeStep,
      authenticator: spent.by.name,
      authenticatorUID: spent.by.uid,
      verificationTime: formatInstant(now),
      keyID: ports.sealer.newestKeyID,
    };
    const seal = ports.sealer.seal(unsealed.keyID, sealPreimage(ports.digest, seen, offer, unsealed));
    const verification = { ...unsealed, seal };
    const written = await ports.requests.swapStatus(seen, { verification });
    if (written !== undefined) return { request: written, verification };
  }
}

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
