import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { group, version } from "../api/v1alpha1/meta.ts";
import type { Facts } from "../flows/ports.ts";
import type { Tell } from "./client.ts";
import { reviews } from "./paths.ts";

/** `status` of a SubjectAccessReview. */
export type Verdict = { readonly allowed: boolean; readonly reason?: string; readonly evaluationError?: string };

/** The part of a KubeClient that it needs. */
export type Reviewer = {
  create(
    collection: string,
    body: object,
    options: { readonly repeatable: true },
  ): Promise<{ readonly status: Verdict }>;
};

/** Asks the API server's authorizers whether the requester may use the policy, as who she was when she asked. */
export async function reviewUse(client: Reviewer, { metadata, spec }: ElevationRequest): Promise<Verdict> {
  const { username: user, uid = "", groups = [] } = spec.requester;
  const { namespace } = metadata;
  const resourceAttributes = {
    verb: "use",
    group,
    version,
    resource: "elevationpolicies",
    name: spec.policyName,
    namespace,
  };
  const { status } = await client.create(
    reviews("subjectaccessreviews"),
    {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user, uid, groups, resourceAttributes },
    },
    { repeatable: true },
  );
  return status;
}

type Memory = { askedAtMs: number; refusals: number; usedAtMs: number; answer: { allowed: boolean; reason: string } };

/**
 * For entry it asks each time. For a grant that stands it asks every 5 min and answers from memory between; lost is what
 * was refused twice running. A refusal by an authorizer that could not judge (evaluationError) counts for nothing then:
 * one that is sick must not end every grant. At entry it does refuse. Nor does a review count that fails, say because the
 * controller lost its right to ask: it is made again at the next look, and the other gates are judged meanwhile.
 */
export function rememberingUse(
  review: (request: ElevationRequest) => Promise<Verdict>,
  { elapsedMs, tell }: { readonly elapsedMs: () => number; readonly tell: Tell },
): Facts["mayUse"] {
  const memories = new Map<string, Memory>();
  let forgotAtMs = elapsedMs();
  const forgetUnused = (): void => {
    if (elapsedMs() - forgotAtMs < askEveryMs) return; // with thousands of grants, a walk at each review is most of the work
    forgotAtMs = elapsedMs();
    for (const [uid, { usedAtMs }] of memories) if (elapsedMs() - usedAtMs > forgetAfterMs) memories.delete(uid);
  };
  return async (request, scope) => {
    const { uid } = request.metadata;
    const known = memories.get(uid);
    if (scope === "standing" && known !== undefined && elapsedMs() - known.askedAtMs < askEveryMs) {
      known.usedAtMs = elapsedMs();
      return known.answer;
    }
    const verdict = await review(request).catch((error: unknown) => {
      if (scope === "entry") throw error;
      const { namespace, name } = request.metadata;
      tell("whether a policy may still be used could not be asked, and is asked again", {
        namespace,
        name,
        err: error,
      });
    });
    if (verdict === undefined) return known?.answer ?? { allowed: true, reason: "" };
    const { allowed, reason = "", evaluationError } = verdict;
    const before = scope === "standing" ? (known?.refusals ?? 0) : 0;
    const refusals = allowed ? 0 : before + (evaluationError === undefined ? 1 : 0);
    const answer = { allowed: refusals < refusalsUntilLost, reason };
    forgetUnused();
    memories.set(uid, { askedAtMs: elapsedMs(), usedAtMs: elapsedMs(), refusals, answer });
    return scope === "entry" ? { allowed, reason } : answer;
  };
}

const askEveryMs = 5 * 60_000;
const refusalsUntilLost = 2;
const forgetAfterMs = 3 * askEveryMs;
