import type { Command } from "commander";
import type { Method } from "../api/v1alpha1/meta.ts";
import { exitCodes, Failure } from "./errors.ts";

// Options that several commands take.

export const withOutput = (command: Command): Command =>
  command.option("-o, --output <form>", "print json, yaml or name");

/** What goes with asking, wherever one asks. */
export const withAsking = (command: Command): Command =>
  withProof(
    command
      .option("--duration <duration>", "how long, as in 30m or 1h30m; left out: what the policy says")
      .option("-j, --justification <text>", "why, in your own words"),
  );

/** What goes with a proof. */
export const withProof = (command: Command): Command =>
  command
    .option("--method <method>", "webauthn (a security key or passkey) or totp (a code from an app)")
    .option("--paste", "show the address where your key is used, and paste what it answers: no browser here")
    .option("--code-stdin", "read the code from stdin: one line, one try");

/** `method`: undefined, the best that the person has. */
export type ProofOptions = {
  readonly method: Method | undefined;
  readonly paste: boolean;
  readonly codeStdin: boolean;
};

type Typed = { readonly method?: string; readonly paste?: boolean; readonly codeStdin?: boolean };

export function proofOf({ method: typed, paste = false, codeStdin = false }: Typed): ProofOptions {
  const method = typed === undefined ? undefined : methodOf(typed);
  if (codeStdin && (paste || method === "WebAuthn"))
    throw new Failure("--code-stdin is for codes: it goes with --method totp", { exitCode: exitCodes.usage });
  if (paste && method === "TOTP")
    throw new Failure("--paste is for keys: it goes with --method webauthn", { exitCode: exitCodes.usage });
  return { method: codeStdin ? "TOTP" : paste ? "WebAuthn" : method, paste, codeStdin };
}

export function methodOf(typed: string): Method {
  if (typed.toLowerCase() === "webauthn") return "WebAuthn";
  if (typed.toLowerCase() === "totp") return "TOTP";
  throw new Failure(`the methods are webauthn and totp, not ${typed}`, { exitCode: exitCodes.usage });
}
