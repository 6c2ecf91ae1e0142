import { exitCodes, Failure } from "./errors.ts";
import type { Named } from "./mine.ts";
import type { World } from "./world.ts";

const outputs = ["json", "yaml", "name"] as const;
export type Output = (typeof outputs)[number];

/** The one thing on stdout: kubectl's own form of a success, its name alone, or the object. */
export async function printRequest(
  { cluster, talk }: World,
  { namespace, name }: Named,
  verb: string,
  output: Output | undefined,
): Promise<void> {
  const full = `elevationrequest.kube-elevate.dev/${name}`;
  switch (output) {
    case undefined:
      talk.result(`${full} ${verb}`);
      return;
    case "name":
      talk.result(full);
      return;
    case "json":
    case "yaml":
      talk.result(await cluster.print("elevationrequests", [name], namespace, output));
  }
}

export function outputOf(text: string | undefined): Output | undefined {
  const output = outputs.find((known) => known === text);
  if (text !== undefined && output === undefined)
    throw new Failure(`-o takes ${outputs.join(", ")}, not ${text}`, { exitCode: exitCodes.usage });
  return output;
}
