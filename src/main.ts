#!/usr/bin/env node
import { url as openInspector } from "node:inspector";
import type { Log } from "./ops/log.ts";
import { createLog } from "./ops/log.ts";
import { helpText, readSettings, type Settings, versionText } from "./settings.ts";

// Starts one process of the product and ends with its exit code: 0 it stopped when asked to, 1 it failed, 2 wrong usage.
// Here and in settings.ts alone is the world of this machine touched: arguments, environment, signals, exit.

const processes: { readonly [command: string]: () => Promise<Run> } = {
  controller: async () => (await import("./processes/controller.ts")).run,
  verifier: async () => (await import("./processes/verifier.ts")).run,
  sweep: async () => (await import("./processes/sweep.ts")).run,
};

/** Runs until its work is done or `signal` aborts, then stops in order and resolves. Rejects when it cannot start or go on. */
type Run = (settings: Settings, context: { readonly log: Log; readonly signal: AbortSignal }) => Promise<void>;

async function main([command = "", ...flags]: readonly string[]): Promise<number> {
  if (command === "--help" || (processes[command] !== undefined && flags.includes("--help"))) return print(helpText());
  if (command === "--version") return print(`${versionText()}\n`);
  const load = Object.hasOwn(processes, command) ? processes[command] : undefined;
  if (load === undefined) return misused(`name a process: ${Object.keys(processes).join(", ")}`);
  const settings = readSettings(flags, process.env);
  if ("mistake" in settings) return misused(settings.mistake);
  if (openInspector() !== undefined) return misused(inspected);

  const log = createLog({ logger: command, level: settings.logLevel, clock: () => new Date() });
  const lastResort = (error: unknown): void => {
    log.fatal({ err: error }, "an error that nobody caught ends the process");
    process.exit(1);
  };
  process.on("uncaughtException", lastResort);
  process.on("unhandledRejection", lastResort);
  log.info({ version: versionText(), node: process.version, pid: process.pid, settings }, "starting");
  try {
    const run = await load();
    await run(settings, { log, signal: stopSignal(log) });
    log.info("stopped");
    return 0;
  } catch (error) {
    log.fatal({ err: error }, "the process failed");
    return 1;
  }
}

const inspected = `an open inspector is refused: whoever reaches it reads keys and tokens, and acts as this process.
Start it without --inspect and the like, in NODE_OPTIONS too`;

/** Aborts at the first SIGTERM or SIGINT; the second kills, as signals do by default. */
function stopSignal(log: Log): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.once(name, () => {
      log.info({ signal: name }, "stopping");
      controller.abort();
    });
  return controller.signal;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function misused(mistake: string): number {
  process.stderr.write(`error: ${mistake}\nSee kube-elevate --help\n`);
  return 2;
}

// A handle that somebody forgot must not keep a process that has stopped.
process.exit(await main(process.argv.slice(2)));
