import type { Command } from "commander";
import { exitCodes, Failure } from "./errors.ts";

// Options that several commands take.

export const withOutput = (command: Command): Command =>
  command.option("-o, --output <form>", "print json, yaml or name");

/** What goes with a proof, wherever one is asked for. */
export const withProof = (command: Command): Command =>
  command
    .option("--duration <duration>", "how long, as in 30m or 1h30m; left out: what the policy says")
    .option("-j, --justification <text>", "why, in your own words")
    .option("--method <method>", "what to prove with: totp (a code from an app)", "totp")
    .option("--code-stdin", "read the code from stdin: one line, one try");

export function onlyTotp(method: string | undefined): void {
  if (method !== undefined && method.toLowerCase() !== "totp")
    throw new Failure(`this version knows the method totp, not ${method}`, { exitCode: exitCodes.usage });
}
