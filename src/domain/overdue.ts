import type { RoleBinding } from "./binding.ts";
import { type Instant, later, parseInstant } from "./time.ts";

/** Whatever a policy allows; and 10 s, as admission gives them, since creationTimestamp is cut to the second and clocks differ. */
const ageMaxMs = 24 * 3_600_000 + 10_000;

/**
 * Whether a binding is to end, by itself alone: for the day when nobody can read its record. By name, since a label can be
 * taken off. A time that cannot be read is past; a time far ahead does not keep a binding for longer than any grant lasts.
 */
export function isOverdue({ metadata }: RoleBinding, now: Instant): boolean {
  if (!/^elevate:[^:]+:[^:]+$/.test(metadata.name)) return false;
  const expiration = parseInstant(metadata.annotations?.["kube-elevate.dev/expiration-time"]);
  const oldest = later(parseInstant(metadata.creationTimestamp), ageMaxMs);
  return expiration <= now || oldest <= now;
}
