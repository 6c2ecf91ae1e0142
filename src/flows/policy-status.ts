import type { ElevationPolicy, PolicyStatus } from "../api/v1alpha1/elevation-policy.ts";
import { formatInstant, type Instant } from "../domain/time.ts";

type Condition = NonNullable<PolicyStatus["conditions"]>[number];
type Said = Pick<Condition, "reason" | "message"> & { readonly holds: boolean | undefined };
export type AllSaid = { readonly [type in Condition["type"]]: Said };

export const messageMax = 4_096; // of the CRD

/** The status to write, or undefined where it says so already. */
export function statusWith(
  { metadata, status }: ElevationPolicy,
  said: AllSaid,
  now: Instant,
): PolicyStatus | undefined {
  const { generation } = metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const conditionOf = (type: Condition["type"]): Condition => {
    const { holds, reason, message } = said[type];
    const is = holds === undefined ? "Unknown" : holds ? "True" : "False";
    const was = status?.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = was?.status === is ? was.lastTransitionTime : formatInstant(now);
    if (was?.status === is && was.reason === reason && was.message === message && was.observedGeneration === generation)
      return was;
    return { type, status: is, reason, message, lastTransitionTime, ...observed };
  };
  const conditions = (["Ready", "PersistenceSafe"] as const).map(conditionOf);
  const isSaid = conditions.every((condition) => status?.conditions?.includes(condition) === true);
  return isSaid ? undefined : { conditions };
}
