import { Command, CommanderError } from "commander";
import { exitCodes, Failure, told } from "./errors.ts";
import { type Flags, type Given, givenFlags } from "./flags.ts";
import * as help from "./help.ts";
import { methodOf, proofOf, withAsking, withOutput, withProof } from "./options.ts";
import { addEndings } from "./program-endings.ts";
import { outputOf } from "./results.ts";
import type { World } from "./world.ts";
import { wrapped } from "./wrap.ts";

// The command table: it feeds parsing and help. Each command is loaded when it is run: none waits for another's libraries.

type Surroundings = {
  readonly worldOf: (given: Given) => World;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
};

/** Runs the command that these arguments name; its exit code. */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { out, err } = surroundings;
  let exitCode: number = exitCodes.done;
  const does =
    <T extends readonly unknown[]>(work: (world: World, ...args: T) => Promise<number>) =>
    async (command: Command, ...args: T): Promise<void> => {
      exitCode = await work(surroundings.worldOf(givenFlags(command.optsWithGlobals<Flags>())), ...args);
    };
  const program = commands(does, out, err);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const { text, exitCode: code } = told(error);
    err(`${wrapped(text)}\n`);
    return code;
  }
}

/** The work of a command: it gets its world when it is run, and tells its exit code. */
export type Does = <T extends readonly unknown[]>(
  work: (world: World, ...args: T) => Promise<number>,
) => (command: Command, ...args: T) => Promise<void>;

type Options = {
  readonly duration?: string;
  readonly justification?: string;
  readonly codeStdin?: boolean;
  readonly paste?: boolean;
  readonly ticketStdin?: boolean;
  readonly new?: boolean;
  readonly dryRun?: boolean;
  readonly output?: string;
  readonly method?: string;
  readonly validFor?: string;
  readonly watch?: boolean;
  readonly filename?: string;
  readonly trust?: string;
};

function commands(does: Does, out: Surroundings["out"], err: Surroundings["err"]): Command {
  const program = new Command("kubectl elevate")
    .exitOverride() // what is set before a command is added goes for it as well
    .configureOutput({ writeOut: out, writeErr: err })
    .description(help.about)
    .option("-n, --namespace <name>", "where: the namespace that the access is for")
    .option("--context <name>", "the context of the kubeconfig to use")
    .option("--kubeconfig <path>", "the kubeconfig file to use")
    .option("--cluster <name>", "the cluster of the kubeconfig to use")
    .option("--user <name>", "the user of the kubeconfig to use")
    .option("--as <name>", "the user to impersonate")
    .option("--request-timeout <duration>", "how long one request to the API server may take")
    .option("--endpoint <url>", "where the verifier is, instead of what the cluster says ($KUBE_ELEVATE_ENDPOINT)")
    .configureHelp({ showGlobalOptions: true, commandUsage: usage })
    .showHelpAfterError("See: kubectl elevate --help")
    .helpCommand(false)
    .allowExcessArguments()
    .addHelpText("after", help.examples);
  const overview = does(async (world) => (await import("./commands/status.ts")).overview(world));
  program.action(async (_: unknown, command: Command) => {
    const [unknown] = command.args;
    if (unknown !== undefined)
      throw new Failure(`there is no command ${unknown}. See: kubectl elevate --help`, { exitCode: exitCodes.usage });
    await overview(command);
  });

  withOutput(withAsking(program.command("request <policy>").description("ask for access, prove it is you, get it")))
    .option("--new", "ask even where you have this access already")
    .option("--dry-run", "have the cluster judge the request, and create nothing")
    .addHelpText("after", help.request)
    .action(async (policy: string, options: Options, command: Command) => {
      const { duration, justification, new: fresh = false, dryRun = false, output } = options;
      const proof = proofOf(options);
      const asked = { duration, justification, proof, new: fresh, dryRun, output: outputOf(output) };
      await does(async (world) => (await import("./commands/request.ts")).request(world, policy, asked))(command);
    });

  withOutput(withProof(program.command("prove <name>").description("prove a request that was made by kubectl apply")))
    .addHelpText("after", help.prove)
    .action(async (name: string, options: Options, command: Command) => {
      const how = { proof: proofOf(options), output: outputOf(options.output) };
      await does(async (world) => (await import("./commands/prove.ts")).prove(world, name, how))(command);
    });

  withOutput(program.command("status [name]").description("what you hold now, or what became of one request"))
    .option("--watch", "warn 5 minutes and 60 seconds before the end, and return when it is over")
    .addHelpText("after", help.status)
    .action(async (name: string | undefined, { output, watch = false }: Options, command: Command) => {
      const form = outputOf(output);
      if (name === undefined && form !== undefined)
        throw new Failure("-o goes with a name. All of them: kubectl get elev -A", { exitCode: exitCodes.usage });
      await does(async (world) => {
        const { overview: all, statusOf, watchAll, watchOne } = await import("./commands/status.ts");
        if (watch) return name === undefined ? watchAll(world) : watchOne(world, name, form);
        return name === undefined ? all(world) : statusOf(world, name, form);
      })(command);
    });

  addEndings(program, does);

  withOutput(program.command("policies").description("what you may ask for in this namespace"))
    .addHelpText("after", help.policies)
    .action(async ({ output }: Options, command: Command) => {
      const form = outputOf(output);
      await does(async (world) => (await import("./commands/policies.ts")).policies(world, form))(command);
    });

  program
    .command("enroll <method>")
    .description("set up a second factor: webauthn (a security key or passkey) or totp (codes from an app)")
    .option("--ticket-stdin", "read the ticket that you were handed from the first line of stdin")
    .option("--paste", "show the address where your key is used, and paste what it answers: no browser here")
    .addHelpText("after", help.enroll)
    .action(async (typed: string, { ticketStdin = false, paste = false }: Options, command: Command) => {
      const method = methodOf(typed);
      const how = { ticketStdin, paste };
      await does(async (world) => (await import("./commands/enroll.ts")).enroll(world, method, how))(command);
    });

  program
    .command("invite <user>")
    .description("let somebody set up a second factor: prints a ticket for them (inviters)")
    .option(
      "--method <method>",
      "what they set up: webauthn or totp; left out: webauthn where the cluster has a page for it",
    )
    .option("--valid-for <duration>", "how long the ticket is good, at most 168h", "24h")
    .addHelpText("after", help.invite)
    .action(async (user: string, { method, validFor = "24h" }: Options, command: Command) => {
      const how = { validFor, method: method === undefined ? undefined : methodOf(method) };
      await does(async (world) => (await import("./commands/invite.ts")).invite(world, user, how))(command);
    });

  program
    .command("authenticators")
    .description("your own second factors")
    .addHelpText("after", help.authenticators)
    .action(async (_: Options, command: Command) => {
      await does(async (world) => (await import("./commands/authenticators.ts")).authenticators(world))(command);
    });

  program
    .command("disable <name>")
    .description("end an authenticator for good, as one that is lost (inviters)")
    .addHelpText("after", help.disable)
    .action(async (name: string, _: Options, command: Command) => {
      await does(async (world) => (await import("./commands/disable.ts")).disable(world, name))(command);
    });

  program
    .command("verify [name]")
    .description("check the evidence in a record, by the object alone: who proved what, with which key")
    .option("-f, --filename <file>", "of this file (JSON or YAML, as kubectl get -o writes it); no cluster is asked")
    .option("--trust <file>", "ConfigMap kube-elevate-trust in a file, for the verifier's seal")
    .addHelpText("after", help.verify)
    .action(async (name: string | undefined, { filename, trust }: Options, command: Command) => {
      const how = { file: filename, trust };
      await does(async (world) => (await import("./commands/verify.ts")).verifyEvidence(world, name, how))(command);
    });

  program
    .command("doctor")
    .description("find out why it does not work: who you are, second factor, policies, endpoint, clocks")
    .addHelpText("after", help.doctor)
    .action(async (_: Options, command: Command) => {
      await does(async (world) => (await import("./commands/doctor.ts")).doctor(world))(command);
    });
  return program;
}

function usage(command: Command): string {
  const flags = command.parent === null ? "[command] [flags]" : command.usage().replace("[options]", "[flags]");
  return command.parent === null ? `kubectl elevate ${flags}` : `kubectl elevate ${command.name()} ${flags}`;
}
