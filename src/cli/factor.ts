import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import { authenticatorName } from "../domain/authenticator-name.ts";
import { denied, exitCodes, Failure } from "./errors.ts";
import { clusterCommand, inviteCommand, type Scene, type World } from "./world.ts";

type Wanted = { readonly policyName: string; readonly methods: readonly Method[] };

/** What stands in the way, where nothing that this person has, and this plugin can use, would satisfy the policy. */
export async function needsFactor(
  world: World,
  scene: Scene,
  { policyName, methods }: Wanted,
): Promise<Failure | undefined> {
  if (!methods.includes("TOTP"))
    return denied(
      "MethodNotAllowed",
      `${policyName} takes ${methods.join(" or ")}; this version of the plugin proves by TOTP alone`,
    );
  const found = await world.cluster.authenticator(authenticatorName(scene.me.username, "totp"));
  const state = stateOf(found);
  if (state === "usable") return undefined;
  const enroll = clusterCommand(world, "enroll totp");
  if (state === "invited")
    return new Failure(
      `you are invited on ${scene.clusterName}, but have not set up your second factor yet.\n  With the ticket that you were handed, then ask again:\n    ${enroll}`,
      { exitCode: exitCodes.denied },
    );
  return new Failure(
    [
      `you have no second factor on ${scene.clusterName} yet; ${policyName} needs one (${methods.join(" or ")}).`,
      ...howToGetOne(world, scene),
    ].join("\n"),
    { exitCode: exitCodes.denied },
  );
}

export function howToGetOne(world: World, { contact, me }: Scene): readonly string[] {
  return [
    `  Ask ${contact} to run this and to hand you the ticket it prints (you cannot do it yourself):`,
    `    ${inviteCommand(me.username)}`,
    "  then set one up, and ask again:",
    `    ${clusterCommand(world, "enroll totp")}`,
  ];
}

/** The ticket of one that is Pending may have run out; the endpoint tells, not the clock of this machine. */
export function stateOf(found: Authenticator | undefined): "none" | "invited" | "usable" | "disabled" {
  if (found === undefined) return "none";
  if (found.spec.disabled === true) return "disabled";
  return found.status?.phase === "Active" ? "usable" : "invited";
}
