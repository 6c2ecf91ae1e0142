import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import { authenticatorName } from "../domain/authenticator-name.ts";
import { denied, exitCodes, Failure } from "./errors.ts";
import { clusterCommand, inviteCommand, type Scene, type World } from "./world.ts";

type Wanted = {
  readonly policyName: string;
  readonly methods: readonly Method[];
  /** What the person said to prove with; undefined: the best there is. */
  readonly method: Method | undefined;
};

const keySlots = ["key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7", "key-8", "key-9"];

/** All authenticators that this user may have, by their names. */
export const authenticatorNames = (username: string): readonly string[] =>
  [...keySlots, "totp"].map((slot) => authenticatorName(username, slot));

/** A name for another key of this user's, beside these; undefined: there are nine. */
export function freeKeyName(username: string, found: readonly Authenticator[]): string | undefined {
  const taken = new Set(found.map(({ metadata }) => metadata.name));
  return keySlots.map((slot) => authenticatorName(username, slot)).find((name) => !taken.has(name));
}

/**
 * What this person can prove with under the policy, a key before a code; a Failure that says what to do, where nothing
 * that they have, and this cluster can use, would satisfy it.
 */
export async function factorOf(world: World, scene: Scene, wanted: Wanted): Promise<Method | Failure> {
  const { policyName, methods } = wanted;
  const mayBe = methods.filter((method) => method === (wanted.method ?? method));
  if (mayBe.length === 0)
    return denied("MethodNotAllowed", `${policyName} takes ${methods.join(" or ")}, not ${wanted.method ?? ""}`);
  const found = await world.cluster.authenticators(authenticatorNames(scene.me.username));
  const hasPage = (scene.trust["pageURL"] ?? "") !== "";
  const states = (method: Method) => found.filter(({ spec }) => spec.method === method).map(stateOf);
  for (const method of ["WebAuthn", "TOTP"] as const)
    if (mayBe.includes(method) && states(method).includes("usable") && (method === "TOTP" || hasPage)) return method;
  const invited = mayBe.find((method) =>
    found.some((one) => one.spec.method === method && one.spec.invitedBy !== undefined && stateOf(one) === "invited"),
  );
  if (invited !== undefined)
    return new Failure(
      `you are invited on ${scene.clusterName}, but have not set up your second factor yet.\n  With the ticket that you were handed, then ask again:\n    ${clusterCommand(world, `enroll ${invited.toLowerCase()}`)}`,
      { exitCode: exitCodes.denied },
    );
  if (!hasPage && !mayBe.includes("TOTP"))
    return denied(
      "MethodNotAllowed",
      `${policyName} takes ${mayBe.join(" or ")}, and no page is set up on ${scene.clusterName} where keys can be used. Tell ${scene.contact}`,
    );
  return new Failure(
    [
      `you have no second factor on ${scene.clusterName} yet; ${policyName} needs one (${mayBe.join(" or ")}).`,
      ...howToGetOne(world, scene, hasPage && mayBe.includes("WebAuthn") ? "WebAuthn" : "TOTP"),
    ].join("\n"),
    { exitCode: exitCodes.denied },
  );
}

export function howToGetOne(world: World, { contact, me }: Scene, method: Method): readonly string[] {
  return [
    `  Ask ${contact} to run this and to hand you the ticket it prints (you cannot do it yourself):`,
    `    ${inviteCommand(me.username)}`,
    "  then set one up, and ask again:",
    `    ${clusterCommand(world, `enroll ${method.toLowerCase()}`)}`,
  ];
}

/** The ticket of one that is Pending may have run out; the endpoint tells, not the clock of this machine. */
export function stateOf(found: Authenticator | undefined): "none" | "invited" | "usable" | "disabled" {
  if (found === undefined) return "none";
  if (found.spec.disabled === true) return "disabled";
  return found.status?.phase === "Active" ? "usable" : "invited";
}
