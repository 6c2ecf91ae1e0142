import { createHash } from "node:crypto";
import type { RequestOptions } from "../../api/v1alpha1/webauthn.ts";
import type { VerifyAnswer } from "../../api/v1alpha1/wire.ts";
import { challengePreimage } from "../../domain/challenge.ts";
import { parseInstant } from "../../domain/time.ts";
import { refusedBy } from "../endings.ts";
import { denied, Failure } from "../errors.ts";
import { type Asked, nameOf, settled } from "../proving.ts";
import { challenge, type Secret } from "../verifier.ts";
import type { Scene, World } from "../world.ts";
import { askKey } from "./ask-key.ts";

/**
 * Proves the request with a key, at the page. What the key signs is computed here, from the object that was read: whatever
 * the endpoint says of it, nobody is led to sign something else.
 */
export async function proveByKey(
  world: World,
  { trust }: Scene,
  asked: Asked,
  paste: boolean,
  secret: Secret,
): Promise<VerifyAnswer> {
  const { request, offer, endpoint, told } = asked;
  const { uid, namespace, name } = request.metadata;
  const { policyName, duration, justification, requester } = request.spec;
  const answer = await challenge(world, endpoint, nameOf(request), secret);
  if ("refused" in answer) throw refusedBy(answer.refused, name, told);
  const options = checked(answer.webauthn, asked);
  const outcome = await askKey(
    world,
    {
      kind: "assert",
      request: { metadata: { uid, namespace, name }, spec: { policyName, duration, justification, requester } },
      offer,
      options,
    },
    { pageURL: trust["pageURL"] ?? "", shows: name, until: parseInstant(offer.deadlineTime), endpoint, paste },
  );
  const { webauthn } = outcome;
  if (webauthn === undefined || !("signature" in webauthn.response))
    throw denied("ProofRejected", `the page answered with no proof. Ask again: ${told.again}`);
  const { response, id, type } = webauthn;
  const proven = await settled(world, endpoint, nameOf(request), secret, { webauthn: { id, type, response } });
  if (!("refused" in proven)) return proven;
  if (proven.refused.reason !== "ProofRejected") throw refusedBy(proven.refused, name, told);
  throw denied("ProofRejected", `${proven.refused.message}.\n  ${name} will time out; ask again: ${told.again}`);
}

function checked(options: RequestOptions | undefined, { request, offer, told }: Asked): RequestOptions {
  if (options === undefined)
    throw denied(
      "AuthenticatorUnknown",
      `no key of yours is taken here: ${request.spec.policyName} may not take its model, or it is of another page. With a code: --method totp. Or tell ${told.contact}`,
    );
  const preimage = challengePreimage(request, offer);
  if (options.challenge === createHash("sha256").update(preimage).digest("base64url")) return options;
  throw new Failure(
    `the endpoint asks your key for something else than ${request.metadata.name} says. Prove nothing, and tell whoever runs kube-elevate`,
  );
}
