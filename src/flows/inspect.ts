import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { RoleRef } from "../api/v1alpha1/meta.ts";
import { bindingFor } from "../domain/binding.ts";
import { type EntryFacts, type GateFacts, type Gates, judge } from "../domain/policy.ts";
import { later } from "../domain/time.ts";
import type { ControllerPorts, Moment } from "./ports.ts";

/**
 * `rehearsed`: the binding is made by dry run, to be told whether and why it is refused. What is bound needs none.
 * `lookAfter`: when the look at admission is to have begun.
 */
export type Asking = {
  readonly scope: "entry" | "standing";
  readonly rehearsed: boolean;
  readonly lookAfter: Moment | undefined;
};

/**
 * Reads what the gates need, live, and judges. Only when decide asks: an API error here delays no ending. All is asked
 * at once: the role that was offered beside the policy, and another one only where the policy has changed its mind.
 */
export async function inspect(
  ports: ControllerPorts,
  request: ElevationRequest | undefined,
  { scope, rehearsed, lookAfter }: Asking,
): Promise<Gates> {
  const { facts, authenticators, protection } = ports;
  if (request === undefined)
    return { open: false, denial: { reason: "RequestDeleted", message: "the request is gone" } };
  const { metadata, spec, status } = request;
  const offered = status?.offer?.roleRef;
  const [policy, namespaceLabels, use, authenticator, ofEntry, ofOffered] = await Promise.all([
    facts.policy(spec.policyName),
    facts.namespaceLabels(metadata.namespace),
    facts.mayUse(request, scope),
    status?.verification && authenticators.get(status.verification.authenticator),
    scope === "entry" ? Promise.all([facts.clockOffMs(), protection.refuses(request, lookAfter)]) : undefined,
    offered && roleFacts(ports, request, offered, rehearsed),
  ]);
  const role = policy?.spec.roleRef;
  const same = role !== undefined && role.kind === offered?.kind && role.name === offered.name;
  const ofRole = same ? ofOffered : role && (await roleFacts(ports, request, role, rehearsed));
  const entry = ofEntry && { clockOffMs: ofEntry[0], admission: ofEntry[1], rehearsal: ofRole?.rehearsal };
  return judge(request, { policy, namespaceLabels, use, rulesHash: ofRole?.rulesHash, authenticator, entry });
}

type RoleFacts = Pick<GateFacts, "rulesHash"> & Pick<EntryFacts, "rehearsal">;

async function roleFacts(
  { facts, bindings, clock }: ControllerPorts,
  request: ElevationRequest,
  role: RoleRef,
  rehearsed: boolean,
): Promise<RoleFacts> {
  const [rulesHash, rehearsal] = await Promise.all([
    facts.rulesHash(role, request.metadata.namespace),
    rehearsed ? bindings.rehearse(bindingFor(request, role, later(clock(), 60_000))) : undefined,
  ]);
  return { rulesHash, rehearsal };
}
