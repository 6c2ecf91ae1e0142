import type { ElevationRequest, Offer } from "../api/v1alpha1/elevation-request.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import type { RequestOptions } from "../api/v1alpha1/webauthn.ts";
import type { ChallengeAnswer, ChallengeBody } from "../api/v1alpha1/wire.ts";
import { challengePreimage } from "../domain/challenge.ts";
import { refusesKey } from "../domain/policy.ts";
import { awaited } from "../domain/proof.ts";
import type { Denial } from "../domain/reasons.ts";
import { awaitRequest } from "./await-request.ts";
import { activeKeys, requestOptions } from "./credentials.ts";
import type { RequestKey, VerifierPorts } from "./ports.ts";
import { activeTotp } from "./spend.ts";

export type RequestName = Pick<RequestKey, "namespace" | "name">;

/**
 * POST .../challenge: what the requester may prove, and with which of her authenticators. Who asks right after the
 * request was made is made to wait, at most `waitMs`, until the controller has offered.
 */
export async function challenge(
  ports: VerifierPorts,
  name: RequestName,
  { codeVerifier }: ChallengeBody,
  waitMs = 10_000,
): Promise<ChallengeAnswer | Denial> {
  const request = await openRequest(ports, name, codeVerifier);
  if ("reason" in request) return request;
  const judged = await awaitRequest(ports, request, waitMs, ({ status }) => status?.phase !== undefined);
  if (judged === undefined) return deleted;
  const offer = awaited(judged, ports.clock());
  if ("reason" in offer) return offer;
  const webauthn = await keysAsked(ports, judged, offer);
  const methods: Method[] = [];
  for (const { method } of offer.methods) {
    const provable = method === "TOTP" ? await activeTotp(ports, judged.spec.requester.username) : webauthn;
    if (provable !== undefined) methods.push(method);
  }
  return { offer, methods, ...(webauthn && { webauthn }) };
}

/** What a browser is asked for this request, by those keys that the policy takes; undefined: by none. */
async function keysAsked(
  ports: VerifierPorts,
  { metadata, spec }: ElevationRequest,
  offer: Offer,
): Promise<RequestOptions | undefined> {
  if (!offer.methods.some(({ method }) => method === "WebAuthn")) return undefined;
  const [policy, keys] = await Promise.all([ports.policy(spec.policyName), activeKeys(ports, spec.requester.username)]);
  const taken = keys.filter(({ credential }) => policy !== undefined && refusesKey(policy, credential) === undefined);
  return requestOptions(ports, taken, ports.digest(challengePreimage({ metadata, spec }, offer)));
}

/** The request that this codeVerifier opens. Wrong verifier, unclaimed request, none at all: one answer. */
export async function openRequest(
  { requests, secrets }: VerifierPorts,
  { namespace, name }: RequestName,
  codeVerifier: string,
): Promise<ElevationRequest | Denial> {
  const request = await requests.get(namespace, name);
  // asked in any case, so that an unknown request takes no less time
  const opened = secrets.opens(request?.spec.codeChallenge, codeVerifier);
  if (opened && request !== undefined) return request;
  return { reason: "CallerUnknown", message: "no such request, or not yours to prove" };
}

export const deleted: Denial = { reason: "RequestEnded", message: "the request was deleted: ask again" };
