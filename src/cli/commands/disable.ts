import { denied, type ExitCode, exitCodes, Failure, KubectlFailure } from "../errors.ts";
import { wordOf } from "../refusals.ts";
import { sceneOf } from "../scene.ts";
import { inQuotes } from "../words.ts";
import { clusterCommand, type World } from "../world.ts";

/** Ends an authenticator for good, by an inviter: it proves nothing any more, and what it proved ends. */
export async function disable(world: World, name: string): Promise<ExitCode> {
  const scene = await sceneOf(world);
  const found = await world.cluster.authenticator(name);
  if (found === undefined)
    throw new Failure(`no authenticator ${name}. All of them, for who may list: kubectl get authenticators`);
  const { username } = found.spec.owner;
  if (found.spec.disabled === true) world.talk.say(`It is disabled already.`);
  else
    await world.cluster.disable(found).catch((error: unknown) => {
      const refused = error instanceof KubectlFailure ? wordOf(error.message) : undefined;
      throw refused === undefined ? error : denied(refused.reason, `${refused.message}.\n  Ask ${scene.contact}`);
    });
  world.talk.say(`${found.spec.method} of ${username} is good for nothing now; what it proved ends within 30s.`);
  world.talk.say(`Take it away: kubectl delete authenticator ${name}`);
  world.talk.say(`Then let them set up another one: ${clusterCommand(world, `invite ${inQuotes(username)}`)}`);
  world.talk.result(`authenticator.kube-elevate.dev/${name} disabled`);
  return exitCodes.done;
}
