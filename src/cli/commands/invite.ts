import { createHash } from "node:crypto";
import type { Authenticator } from "../../api/v1alpha1/authenticator.ts";
import { apiVersion, type Method } from "../../api/v1alpha1/meta.ts";
import { authenticatorName } from "../../domain/authenticator-name.ts";
import { formatInstant, instant, later, parseDurationMs, parseInstant } from "../../domain/time.ts";
import { denied, type ExitCode, exitCodes, Failure, KubectlFailure } from "../errors.ts";
import { authenticatorNames, freeKeyName, stateOf } from "../factor.ts";
import { wordOf } from "../refusals.ts";
import { sceneOf } from "../scene.ts";
import { dayTime, inQuotes } from "../words.ts";
import { clusterCommand, inviteCommand, type Scene, type World } from "../world.ts";

export type InviteOptions = { readonly validFor: string; readonly method: Method | undefined };

/**
 * Opens a first enrollment for somebody else. The ticket is all that it takes to enroll as them: it goes to stdout, once,
 * alone, and is in no object; what is stored is its hash.
 */
export async function invite(world: World, username: string, options: InviteOptions): Promise<ExitCode> {
  const { cluster, talk, clock, randomBytes, zone } = world;
  const { validFor } = options;
  const validMs = parseDurationMs(validFor);
  if (validMs === undefined || validMs === 0)
    throw new Failure("--valid-for takes a duration as in 24h or 30m", { exitCode: exitCodes.usage });
  const scene = await sceneOf(world);
  const ticket = Buffer.from(randomBytes(32)).toString("base64url");
  const method = options.method ?? ((scene.trust["pageURL"] ?? "") === "" ? "TOTP" : "WebAuthn");
  const found = await cluster.authenticators(authenticatorNames(username));
  const name = nameFor(username, method, found);
  const until = later(instant(Math.floor(clock() / 1000) * 1000), validMs);
  const spec = {
    owner: { username },
    method,
    codeChallenge: createHash("sha256").update(ticket).digest("base64url"),
    invitedBy: scene.me.username,
    expirationTime: formatInstant(until),
  };
  try {
    await cluster.create({ apiVersion, kind: "Authenticator", metadata: { name }, spec });
  } catch (error) {
    throw await whyNot(world, scene, { username, name }, error);
  }
  talk.say(
    `Invited ${username} to set up ${method} on ${scene.clusterName}, until ${dayTime(until, zone)} (${validFor}).`,
  );
  for (const { metadata, spec: had } of found.filter((one) => one.spec.method !== "TOTP" && stateOf(one) === "usable"))
    talk.say(`They have ${had.method} already. Where it is lost, end it: kubectl elevate disable ${metadata.name}`);
  talk.say("Hand over the ticket below, to nobody else and not by way of this cluster: it is all that it takes, once.");
  talk.say(`They run: kubectl elevate enroll ${method.toLowerCase()}`);
  talk.say(`authenticator.kube-elevate.dev/${name} created`);
  talk.result(ticket);
  return exitCodes.done;
}

/** Of keys one may have nine: the first name that is free, or that of an invitation which is open. */
function nameFor(username: string, method: Method, found: readonly Authenticator[]): string {
  if (method === "TOTP") return authenticatorName(username, "totp");
  const open = found.find((one) => one.spec.method === "WebAuthn" && stateOf(one) === "invited");
  const name = open?.metadata.name ?? freeKeyName(username, found);
  if (name === undefined)
    throw new Failure(`${username} has nine keys already. Disable and delete one that is not used`);
  return name;
}

type Invited = { readonly username: string; readonly name: string };
async function whyNot(world: World, scene: Scene, { username, name }: Invited, error: unknown): Promise<unknown> {
  if (!(error instanceof KubectlFailure)) return error;
  const { clusterName } = scene;
  const refused = wordOf(error.message);
  if (refused?.reason === "InviteNotPermitted") return denied(refused.reason, notAnInviter(scene, username));
  if (refused !== undefined) return denied(refused.reason, refused.message);
  if (error.status !== "AlreadyExists") return error;
  const found = await world.cluster.authenticator(name);
  const remove = `    kubectl delete authenticator ${name}`;
  const anew = `    ${clusterCommand(world, `invite ${inQuotes(username)}`)}`;
  const disable = `    kubectl patch authenticator ${name} --type=merge -p '{"spec":{"disabled":true}}'`;
  switch (stateOf(found)) {
    case "none":
      return new Failure(`${username} had an authenticator a moment ago. Try again:\n${anew}`);
    case "invited": {
      const until = dayTime(parseInstant(found?.spec.expirationTime), world.zone);
      return new Failure(
        `${username} is invited on ${clusterName} already, until ${until}. A ticket is shown once; for another one:\n${remove}\n${anew}`,
      );
    }
    case "usable":
      return new Failure(
        `${username} has TOTP on ${clusterName} already. Where it is lost, end it and invite anew:\n${disable}\n${remove}\n${anew}`,
      );
    case "disabled":
      return new Failure(
        `${username} has a disabled authenticator on ${clusterName}. Invite anew:\n${remove}\n${anew}`,
      );
  }
}

/** Admission speaks of fields; whoever typed a command wants to know who can run it. */
function notAnInviter({ me, contact }: Scene, username: string): string {
  const oneself = username === me.username;
  const why = oneself ? "nobody invites themselves" : "you are no inviter: that takes verb invite on authenticators";
  return `${why}.\n  Ask ${oneself ? "another inviter" : contact} to run: ${inviteCommand(username)}`;
}
