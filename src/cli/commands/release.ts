import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import { denied, type ExitCode, exitCodes, Failure } from "../errors.ts";
import { isActive, isOver, mayNotList, mineOf, requestNamed } from "../grants.ts";
import { printRequest } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { goneLine, terminate } from "../terminate.ts";
import { alreadyOver, severalActive } from "../which.ts";
import { inQuotes } from "../words.ts";
import { command, type Scene, type World } from "../world.ts";

export type ReleaseOptions = { readonly all: boolean; readonly justification: string | undefined };

/** Gives access back before its time; returns when it is gone. */
export async function release(
  world: World,
  name: string | undefined,
  { all, justification }: ReleaseOptions,
): Promise<ExitCode> {
  if (all && name !== undefined) throw new Failure("a name, or --all: not both", { exitCode: exitCodes.usage });
  const scene = await sceneOf(world);
  const chosen = name === undefined ? await mineToRelease(world, scene, all) : [await named(world, scene, name)];
  const outcomes = await Promise.allSettled(
    chosen.map(async (one) => {
      if (isOver(one)) {
        world.talk.say(`Nothing to release: ${alreadyOver(world, one)}`);
        return;
      }
      const ended = await terminate(world, scene, one, justification);
      world.talk.say(goneLine(ended));
      await printRequest(world, ended.metadata, (ended.status?.phase ?? "").toLowerCase(), undefined);
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return exitCodes.done;
}

async function named(world: World, scene: Scene, name: string): Promise<ElevationRequest> {
  const found = await requestNamed(world, scene, name);
  const { username } = found.spec.requester;
  if (username === scene.me.username) return found;
  throw denied(
    "RequesterMismatch",
    `${name} was asked for by ${inQuotes(username)}, who alone can release it.\n  Who may revoke: ${command(world, `revoke ${name} -j TEXT`)}`,
  );
}

/** The active one; of several a person must say which. With --all also those that are not granted yet. */
async function mineToRelease(world: World, scene: Scene, all: boolean): Promise<readonly ElevationRequest[]> {
  const { requests, listed } = await mineOf(world, scene);
  const open = requests.filter((one) => (all ? !isOver(one) : isActive(one)));
  if (open.length === 0) {
    if (!listed) world.talk.say(mayNotList);
    world.talk.say("Nothing to release.");
  }
  if (open.length > 1 && !all) throw severalActive(open, "say which one, or --all");
  return open;
}
