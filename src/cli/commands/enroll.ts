import {
  authenticatorPath,
  enrollmentAnswer,
  registerAnswer,
  type Failure as Status,
} from "../../api/v1alpha1/wire.ts";
import { authenticatorName } from "../../domain/authenticator-name.ts";
import type { Endpoint } from "../endpoint.ts";
import { denied, type ExitCode, exitCodes, Failure, Interrupted } from "../errors.ts";
import { howToGetOne, stateOf } from "../factor.ts";
import { qrCode } from "../qr.ts";
import { sceneOf } from "../scene.ts";
import { patiently, read } from "../verifier.ts";
import { clusterCommand, endpointOf, inviteCommand, type Scene, type World } from "../world.ts";

export type EnrollOptions = { readonly ticketStdin: boolean };

/** Sets up TOTP with a ticket: shows the seed once, and takes one code that proves the app has it. */
export async function enrollTotp(world: World, { ticketStdin }: EnrollOptions): Promise<ExitCode> {
  const { talk } = world;
  const scene = await sceneOf(world);
  const name = authenticatorName(scene.me.username, "totp");
  await checkInvited(world, scene, name);
  const endpoint = endpointOf(world, scene.trust);
  const ticket = await ticketOf(world, ticketStdin);

  const answer = await patiently(world, endpoint, authenticatorPath(name, "challenge"), { codeVerifier: ticket });
  if (!answer.ok) throw refused(scene, answer.status);
  const { totp } = read(endpoint, enrollmentAnswer.required({ totp: true }).safeParse(answer.body));
  talk.say(`Setting up TOTP for ${scene.me.username} on ${scene.clusterName}.`);
  talk.say("Scan this with an authenticator app on your phone:");
  talk.say(await qrCode(totp.uri, talk.coloured));
  talk.say(`or type this secret into it:  ${totp.secret}`);
  talk.say(`or open this address there:   ${totp.uri}`);
  talk.say("It is not shown again once a code of it is confirmed. Keep it nowhere else.");
  try {
    await confirm(world, scene, endpoint, { name, ticket });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new Interrupted(`Given up: nothing is set up yet. With the same ticket: ${enroll(world)}`);
  }
  talk.say(`TOTP is set up. What you may ask for: ${clusterCommand(world, "policies")}`);
  talk.result(`authenticator.kube-elevate.dev/${name} enrolled`);
  return exitCodes.done;
}

/** Where it can be seen beforehand, the ticket is not asked for in vain. */
async function checkInvited(world: World, scene: Scene, name: string): Promise<void> {
  const found = await world.cluster.authenticator(name);
  switch (stateOf(found)) {
    case "invited":
      return;
    case "usable":
      throw new Failure(
        `you have TOTP on ${scene.clusterName} already. Where it is lost, ask ${scene.contact} to end it and invite you anew`,
      );
    case "disabled":
      throw new Failure(
        `your authenticator on ${scene.clusterName} is disabled. Ask ${scene.contact} to delete it and invite you anew`,
        { exitCode: exitCodes.denied },
      );
    case "none":
      throw new Failure([`nobody has invited you on ${scene.clusterName}.`, ...howToGetOne(world, scene)].join("\n"), {
        exitCode: exitCodes.denied,
      });
  }
}

async function ticketOf({ talk }: World, fromStdin: boolean): Promise<string> {
  const typed = fromStdin ? await talk.line() : await talk.secret("Ticket that you were handed:");
  const ticket = (typed ?? "").trim();
  if (/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(ticket)) return ticket;
  throw new Failure(
    ticket === ""
      ? "no ticket was given. It is what kubectl elevate invite printed for you"
      : "that is no ticket: one has 43 letters, digits, - or _, as kubectl elevate invite printed it",
  );
}

type Opened = { readonly name: string; readonly ticket: string };
const triesMax = 3;

async function confirm(world: World, scene: Scene, endpoint: Endpoint, { name, ticket }: Opened): Promise<void> {
  const { talk } = world;
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const typed = await talk.secret("Code from your authenticator app:");
    if (typed === undefined) break;
    const code = typed.replaceAll(/\s/g, "");
    if (!/^[0-9]{6}$/.test(code)) {
      talk.say("A code has six digits.");
      continue;
    }
    const proof = { totp: { code } };
    const answer = await patiently(
      world,
      endpoint,
      authenticatorPath(name, "register"),
      { codeVerifier: ticket },
      proof,
    );
    if (answer.ok) {
      read(endpoint, registerAnswer.safeParse(answer.body));
      return;
    }
    if (answer.status.reason !== "ProofRejected") throw refused(scene, answer.status);
    talk.say("That code is not right. Wait for the next one, and try that");
  }
  throw denied(
    "ProofRejected",
    `no right code was given. Is the clock of your phone right?\n  With the same ticket: ${enroll(world)}`,
  );
}

const enroll = (world: World): string => clusterCommand(world, "enroll totp");

function refused({ me, contact }: Scene, { reason = "no", message }: Status): Failure {
  const anew = `\n  Ask ${contact} for another one: ${inviteCommand(me.username)}`;
  if (reason === "CallerUnknown")
    return denied(reason, `that ticket is not for ${me.username}, or it is used up.${anew}`);
  if (reason === "TicketExpired") return denied(reason, `that ticket has run out.${anew}`);
  if (reason === "AuthenticatorLocked") return denied(reason, `${message}. Try again later`);
  return new Failure(`the endpoint says: ${reason}, ${message}`);
}
