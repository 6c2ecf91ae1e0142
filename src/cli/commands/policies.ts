import type { ElevationPolicy } from "../../api/v1alpha1/elevation-policy.ts";
import { type ExitCode, exitCodes } from "../errors.ts";
import type { Output } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { table } from "../words.ts";
import { command, type World } from "../world.ts";

/** What I may ask for, here. */
export async function policies(world: World, output: Output | undefined): Promise<ExitCode> {
  const { cluster, talk } = world;
  const { here, contact } = await sceneOf(world);
  const all = await cluster.policies();
  const usable = await cluster.usable(
    all.map(({ metadata }) => metadata.name),
    here.namespace,
  );
  const mine = all.filter(({ metadata }) => usable.includes(metadata.name));
  if (mine.length === 0) {
    talk.say(`You may ask for nothing in namespace ${here.namespace}. Another one: -n NAMESPACE. Or ask ${contact}`);
    return exitCodes.done;
  }
  if (output !== undefined) {
    talk.result(await cluster.print("elevationpolicies", usable, undefined, output));
    return exitCodes.done;
  }
  talk.result(table([["NAME", "ROLE", "MAX", "METHODS", "JUSTIFICATION"], ...mine.map(row)]));
  for (const { metadata, status } of mine) {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status === "False")
      talk.say(`${metadata.name} cannot be granted now (${ready.reason}). Tell ${contact}`);
  }
  const [first] = mine;
  if (first !== undefined) talk.say(`Ask: ${command(world, `request ${first.metadata.name}`, because(first))}`);
  return exitCodes.done;
}

function row({ metadata, spec }: ElevationPolicy): readonly string[] {
  const { hint = "", pattern = "", required = false } = spec.justification ?? {};
  const why = hint !== "" ? hint : pattern !== "" ? pattern : required ? "required" : "";
  return [metadata.name, spec.roleRef.name, spec.duration.max, spec.authentication.methods.join(","), why];
}

function because({ spec }: ElevationPolicy): string {
  const { hint = "", pattern = "", required = false } = spec.justification ?? {};
  if (hint !== "") return `-j "${hint}"`;
  return required || pattern !== "" ? '-j "..."' : "";
}
