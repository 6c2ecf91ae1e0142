import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { exitCodes, Failure } from "./errors.ts";
import { endedHow, endOf } from "./grants.ts";
import { dayTime } from "./words.ts";
import type { World } from "./world.ts";

// Which request is meant, where that is not plain.

export function severalActive(active: readonly ElevationRequest[], what: string): Failure {
  const names = active.map(({ metadata }) => metadata.name).join("  ");
  return new Failure(`you have ${String(active.length)} active grants; ${what}\n  ${names}`, {
    exitCode: exitCodes.usage,
  });
}

export function alreadyOver({ zone }: World, one: ElevationRequest): string {
  return `${one.metadata.name} ${endedHow(one)} at ${dayTime(endOf(one), zone)}.`;
}
