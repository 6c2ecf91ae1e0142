import { type ExitCode, exitCodes, Failure } from "../errors.ts";
import { isOver, requestNamed } from "../grants.ts";
import { printRequest } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { goneLine, terminate } from "../terminate.ts";
import { alreadyOver } from "../which.ts";
import { command, type World } from "../world.ts";

/** Ends the access of somebody else, for a reason that stays in the record; returns when it is gone. */
export async function revoke(world: World, name: string, justification: string): Promise<ExitCode> {
  const scene = await sceneOf(world);
  const found = await requestNamed(world, scene, name);
  const { username } = found.spec.requester;
  if (username === scene.me.username)
    throw new Failure(`${name} is your own. Give it back: ${command(world, `release ${name}`)}`, {
      exitCode: exitCodes.usage,
    });
  if (isOver(found)) {
    world.talk.say(`Nothing to revoke: ${alreadyOver(world, found)}`);
    return exitCodes.done;
  }
  const ended = await terminate(world, scene, found, justification);
  world.talk.say(goneLine(ended, ` for ${username}`));
  await printRequest(world, ended.metadata, (ended.status?.phase ?? "").toLowerCase(), undefined);
  return exitCodes.done;
}
