#!/usr/bin/env node
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { instant } from "../domain/time.ts";
import { browserOf } from "./browser.ts";
import { execute } from "./child.ts";
import { clusterThrough } from "./cluster.ts";
import { endpointAt } from "./endpoint.ts";
import { Failure } from "./errors.ts";
import type { Given } from "./flags.ts";
import { listenOnce } from "./key/listener.ts";
import { kubectlAt } from "./kubectl.ts";
import { mineIn } from "./mine.ts";
import { run } from "./program.ts";
import { talkOver } from "./talk.ts";
import type { World } from "./world.ts";

// kubectl elevate: what a person types. It talks to the cluster by running kubectl, and to the verifier over HTTPS.
// Here alone are arguments, environment, signals, clock and exit touched.

const { env, stdin, stdout, stderr } = process;
const interruption = new AbortController();
const interrupt = (): void => {
  interruption.abort();
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
for (const stream of [stdout, stderr]) stream.on("error", () => undefined); // whoever read it is gone: the work goes on
process.once("beforeExit", interrupt); // the terminal was closed under a prompt: nobody would ever answer
const coloured = stderr.isTTY && (env["NO_COLOR"] ?? "") === "";
const talk = talkOver({ stdin, stdout, stderr, coloured }, interruption.signal);

function worldOf(given: Given, signal = interruption.signal): World {
  const { namespace, context, endpoint, kubectl, repeated } = given;
  const throughKubectl = kubectlAt({
    command: env["KUBECTL"] ?? "kubectl",
    flags: kubectl,
    interactive: stdin.isTTY,
    say: talk.say,
    signal,
  });
  return {
    cluster: clusterThrough(throughKubectl, namespace, context),
    endpointAt: (place) => endpointAt(place, signal),
    endpointGiven: endpoint ?? env["KUBE_ELEVATE_ENDPOINT"],
    talk,
    mine: mineIn(join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kube-elevate")),
    clock: () => instant(Date.now()),
    pause: async (ms) => {
      await after(ms, undefined, { signal }).catch(() => undefined);
    },
    execute: async (argv) => {
      stdin.pause(); // what is left of it is the command's
      const on = process.on.bind(process);
      return execute(argv, { on, off: process.off.bind(process), interactive: stdin.isTTY, say: talk.say });
    },
    shielded: () => worldOf(given, new AbortController().signal),
    zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    browser: browserOf(env, process.platform),
    listen: async (state, forMs) => listenOnce(state, forMs, signal),
    randomBytes,
    given: repeated,
  };
}

// Ours is checked all the same; but what a shell says to turn checks off, it says of everything that is started there.
const unchecked = `NODE_TLS_REJECT_UNAUTHORIZED=0 is refused: certificates are always checked, nothing was sent.
  Unset it, and try again: unset NODE_TLS_REJECT_UNAUTHORIZED`;
const exitCode = await run(process.argv.slice(2), {
  worldOf: (given) => {
    if (env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") throw new Failure(unchecked);
    return worldOf(given);
  },
  out: (text) => stdout.write(text),
  err: (text) => stderr.write(text),
});
// A handle that is left, of stdin or of a socket, must not keep a command that is done.
process.exit(exitCode);
