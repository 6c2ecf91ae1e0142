import { told } from "../errors.ts";
import { isOver } from "../grants.ts";
import type { Named } from "../mine.ts";
import type { ProofOptions } from "../options.ts";
import { sceneOf } from "../scene.ts";
import { goneLine, terminate } from "../terminate.ts";
import { warnUntilOver } from "../warning.ts";
import { command, type Scene, type World } from "../world.ts";
import { wrapped } from "../wrap.ts";
import { checkDuration, grantOf } from "./request.ts";

export type RunOptions = {
  readonly duration: string | undefined;
  readonly justification: string | undefined;
  readonly proof: ProofOptions;
};

/** There was no grant to run the command under. */
export const notElevated = 125;

/**
 * Runs a command while elevated, by a request of its own, which is released however the command ends. The exit code is the
 * command's.
 */
export async function runElevated(
  world: World,
  policyName: string,
  argv: readonly string[],
  options: RunOptions,
): Promise<number> {
  checkDuration(options);
  const made: { readonly scene: Scene; readonly named: Named }[] = [];
  const shielded = world.shielded();
  try {
    const scene = await sceneOf(world);
    const asked = { ...options, new: true, dryRun: false, output: undefined };
    await grantOf(world, scene, policyName, asked, {
      made: (named) => {
        made.push({ scene, named });
      },
      again: command(world, `run ${policyName}`, `${options.justification === undefined ? "" : '-j "..." '}-- ...`),
    });
    const [own] = made;
    if (own === undefined) return notElevated;
    const granted = await world.cluster.request(own.named); // throws when a signal came meanwhile
    let over = false;
    if (granted !== undefined) warnUntilOver(shielded, scene, granted, () => over).catch(() => undefined);
    const code = await world.execute(argv);
    over = true;
    await giveBack(shielded, own.scene, own.named);
    return code;
  } catch (error) {
    world.talk.say(wrapped(told(error).text));
    for (const { scene, named } of made) await giveBack(shielded, scene, named);
    return notElevated;
  }
}

const triesMax = 3;

/** Whatever ended the command may hit the kubectl that ends the request as well: it is tried again. */
async function giveBack(world: World, scene: Scene, named: Named): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      const now = await world.cluster.request(named);
      if (now === undefined || isOver(now)) return;
      world.talk.say(goneLine(await terminate(world, scene, now, undefined)));
      return;
    } catch (error) {
      if (tries < triesMax) {
        await world.pause(1000);
        continue;
      }
      const retry = command(world, `release ${named.name}`);
      world.talk.say(wrapped(`${told(error).text}\n  ${named.name} is not released. Give it back: ${retry}`));
      return;
    }
  }
}
