import { warnFirst } from "./warning.ts";
import type { Scene, World } from "./world.ts";

/** Who asks, where; what is about to end is said before anything else. */
export async function sceneOf(world: World): Promise<Scene> {
  const { cluster } = world;
  // One run of kubectl talks to the server first: where a credential plugin must log in, it does so once.
  const [here, me] = await Promise.all([cluster.here(), cluster.me()]);
  const [found] = await Promise.all([cluster.trust(), warnFirst(world, { here, me })]);
  const trust = found ?? {};
  const { clusterName = "", contact = "" } = trust;
  return {
    here,
    me,
    trust,
    clusterName: clusterName === "" ? here.context : clusterName,
    contact: contact === "" ? "an administrator" : contact,
  };
}
