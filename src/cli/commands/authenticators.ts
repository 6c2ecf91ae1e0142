import type { Authenticator } from "../../api/v1alpha1/authenticator.ts";
import { parseInstant } from "../../domain/time.ts";
import { type ExitCode, exitCodes, Failure } from "../errors.ts";
import { authenticatorNames, howToGetOne, stateOf } from "../factor.ts";
import { sceneOf } from "../scene.ts";
import { roughly, table } from "../words.ts";
import { clusterCommand, type World } from "../world.ts";

/** One's own second factors. They are read by their names, which a user name makes: no right to list is needed. */
export async function authenticators(world: World): Promise<ExitCode> {
  const scene = await sceneOf(world);
  const found = await world.cluster.authenticators(authenticatorNames(scene.me.username));
  if (found.length === 0) {
    const method = (scene.trust["pageURL"] ?? "") === "" ? "TOTP" : "WebAuthn";
    throw new Failure(
      [`you have no second factor on ${scene.clusterName} yet.`, ...howToGetOne(world, scene, method)].join("\n"),
      { exitCode: exitCodes.denied },
    );
  }
  const rows = found.map((one) => [one.metadata.name, one.spec.method, stateWord(world, one), lastUse(world, one)]);
  world.talk.result(table([["NAME", "METHOD", "STATE", "LAST USED"], ...rows]));
  world.talk.say(`Another one: ${clusterCommand(world, "enroll webauthn")}`);
  return exitCodes.done;
}

function stateWord({ clock }: World, one: Authenticator): string {
  switch (stateOf(one)) {
    case "usable":
      return parseInstant(one.status?.totp?.failures.lockedUntilTime) > clock() ? "Locked" : "Active";
    case "disabled":
      return "Disabled";
    case "invited":
    case "none":
      return clock() > parseInstant(one.spec.expirationTime) ? "Ran out" : "Invited";
  }
}

function lastUse({ clock }: World, { status }: Authenticator): string {
  return status?.lastUsedTime === undefined ? "" : `${roughly(clock() - parseInstant(status.lastUsedTime))} ago`;
}
