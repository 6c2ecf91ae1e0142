import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import { authenticatorPreimage } from "../domain/challenge.ts";
import type { VerifierPorts } from "./ports.ts";

/**
 * Whether this is an authenticator of this user's that is in use: Active by the verifier's own seal, and not disabled.
 * Whoever can write a status cannot make an authenticator.
 */
export function isSealed(
  { sealer, cluster }: Pick<VerifierPorts, "sealer" | "cluster">,
  authenticator: Authenticator,
  username: string,
  method: Method,
): boolean {
  const { spec, status } = authenticator;
  const { phase, keyID = "", seal = "" } = status ?? {};
  if (phase !== "Active" || spec.disabled === true) return false;
  if (spec.method !== method || spec.owner.username !== username) return false;
  return sealer.holds(keyID, seal, authenticatorPreimage(cluster.uid, keyID, authenticator));
}
