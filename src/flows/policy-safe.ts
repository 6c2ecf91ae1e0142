import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { PersistenceReason } from "../api/v1alpha1/reasons.ts";
import { lastingAccess } from "../domain/persistence.ts";
import { messageMax } from "./policy-status.ts";
import type { Places } from "./ports.ts";

export type Safe = {
  readonly holds: boolean | undefined; // undefined: there is no role to judge
  readonly reason: PersistenceReason | "RoleNotFound";
  readonly message: string;
};

/** Whether an elevated user can keep access, by any of the roles of this name wherever the policy is for. */
export function safeOf({ spec: { roleRef } }: ElevationPolicy, found: Places): Safe {
  const role = `${roleRef.kind} ${roleRef.name}`;
  if (found.size === 0)
    return { holds: undefined, reason: "RoleNotFound", message: `there is no ${role} to be judged` };
  const lines = lastingAccess([...found.values()].flatMap(({ rules }) => rules));
  if (lines.length > 0) return { holds: false, reason: "LastingAccess", message: fitting(lines) };
  return { holds: true, reason: "NoLastingAccess", message: `no rule of ${role} is known to outlive a grant` };
}

function fitting(lines: readonly string[]): string {
  const told: string[] = [];
  for (const [done, line] of lines.entries()) {
    const rest = `and ${String(lines.length - done)} more`;
    if ([...told, line, rest].join("\n").length > messageMax) return [...told, rest].join("\n");
    told.push(line);
  }
  return told.join("\n");
}
