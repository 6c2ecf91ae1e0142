import type { Command } from "commander";
import { exitCodes, Failure } from "./errors.ts";
import * as help from "./help.ts";
import { proofOf, withAsking, withOutput } from "./options.ts";
import type { Does } from "./program.ts";
import { outputOf } from "./results.ts";

type Options = {
  readonly all?: boolean;
  readonly duration?: string;
  readonly justification?: string;
  readonly method?: string;
  readonly codeStdin?: boolean;
  readonly paste?: boolean;
  readonly output?: string;
  readonly requester?: string;
  readonly phase?: string;
  readonly since?: string;
};

/** The commands about the end of access: sooner, later, by itself, and afterwards. */
export function addEndings(program: Command, does: Does): void {
  program
    .command("release [name]")
    .description("give access back before its time; returns when it is gone")
    .option("--all", "all that you hold or have asked for")
    .option("-j, --justification <text>", "why, in your own words")
    .addHelpText("after", help.release)
    .action(async (name: string | undefined, { all = false, justification }: Options, command: Command) => {
      const how = { all, justification };
      await does(async (world) => (await import("./commands/release.ts")).release(world, name, how))(command);
    });

  withOutput(withAsking(program.command("extend [name]").description("ask anew for what you hold, or held")))
    .addHelpText("after", help.extend)
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const { duration, justification, output } = options;
      const asked = { duration, justification, proof: proofOf(options), output: outputOf(output) };
      await does(async (world) => (await import("./commands/extend.ts")).extend(world, name, asked))(command);
    });

  withAsking(program.command("run <policy> [command...]").description("run a command with access that ends with it"))
    .addHelpText("after", help.run)
    .action(async (policy: string, argv: readonly string[], options: Options, command: Command) => {
      const { duration, justification } = options;
      const proof = proofOf(options);
      if (argv.length === 0)
        throw new Failure(`which command? As in: kubectl elevate run ${policy} -- bash`, { exitCode: exitCodes.usage });
      const asked = { duration, justification, proof };
      await does(async (world) => (await import("./commands/run.ts")).runElevated(world, policy, argv, asked))(command);
    });

  program
    .command("revoke <name>")
    .description("end the access of somebody else (verb revoke on the policy); returns when it is gone")
    .requiredOption("-j, --justification <text>", "why, in your own words: it stays in the record")
    .addHelpText("after", help.revoke)
    .action(async (name: string, { justification = "" }: Options, command: Command) => {
      await does(async (world) => (await import("./commands/revoke.ts")).revoke(world, name, justification))(command);
    });

  program
    .command("history")
    .description("who held what, and when: of everybody, where you may list requests, else your own")
    .option("--requester <user>", "of this user alone")
    .option("--phase <phase>", "Pending, Active, Expired, Released, Revoked, Denied or TimedOut")
    .option("--since <duration>", "not what ended before, as in 24h or 7d")
    .addHelpText("after", help.history)
    .action(async ({ requester, phase, since }: Options, command: Command) => {
      const wanted = { requester, phase, since };
      await does(async (world) => (await import("./commands/history.ts")).history(world, wanted))(command);
    });
}
