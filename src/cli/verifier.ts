import { createHash } from "node:crypto";
import type { ChallengeAnswer, VerifyAnswer, VerifyBody } from "../api/v1alpha1/wire.ts";
import { challengeAnswer, requestPath, type Failure as Status, verifyAnswer } from "../api/v1alpha1/wire.ts";
import type { Answer, Endpoint } from "./endpoint.ts";
import { Failure } from "./errors.ts";
import type { Named } from "./mine.ts";
import type { World } from "./world.ts";

// The two posts about a request. A codeVerifier lives in memory alone: it is in their bodies and nowhere else.

export type Secret = { readonly codeVerifier: string; readonly codeChallenge: string };

/** RFC 7636, S256: over the text, not over the bytes that it stands for. */
export function newSecret({ randomBytes }: World): Secret {
  const codeVerifier = Buffer.from(randomBytes(32)).toString("base64url");
  return { codeVerifier, codeChallenge: createHash("sha256").update(codeVerifier).digest("base64url") };
}

export type ProofBody = Pick<VerifyBody, "totp"> | Pick<VerifyBody, "webauthn">;
export type Refused = { readonly refused: Status };

/** What is offered for the request; waits until something is. */
export async function challenge(
  world: World,
  at: Endpoint,
  of: Named,
  secret: Secret,
): Promise<ChallengeAnswer | Refused> {
  const answer = await patiently(world, at, requestPath(of.namespace, of.name, "challenge"), secret);
  return answer.ok ? read(at, challengeAnswer.safeParse(answer.body)) : { refused: answer.status };
}

/** Sends a proof. The same one may be sent again for the same request: it is told the same. */
export async function verify(
  world: World,
  at: Endpoint,
  of: Named,
  secret: Secret,
  proof: ProofBody,
): Promise<VerifyAnswer | Refused> {
  const path = requestPath(of.namespace, of.name, "verify");
  const answer = await patiently(world, at, path, secret, proof);
  return answer.ok ? read(at, verifyAnswer.safeParse(answer.body)) : { refused: answer.status };
}

const triesMax = 4;

/** An endpoint that is busy or starting is asked again, a few times. */
export async function patiently(
  { pause }: World,
  at: Endpoint,
  path: string,
  { codeVerifier }: Pick<Secret, "codeVerifier">,
  proof: object = {},
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await at.post(path, { codeVerifier, ...proof });
    if (answer.ok || (answer.status.code !== 429 && answer.status.code !== 503) || tries === triesMax) return answer;
    await pause(1000 * Math.min(answer.status.details?.retryAfterSeconds ?? tries, 5));
  }
}

type Read<T> = { readonly success: true; readonly data: T } | { readonly success: false };
export function read<T>(at: Endpoint, result: Read<T>): T {
  if (result.success) return result.data;
  throw new Failure(
    `${at.url} answers what this version of kubectl elevate does not understand. See: kubectl elevate doctor`,
  );
}
