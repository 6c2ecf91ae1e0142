import type { Authenticator } from "../../api/v1alpha1/authenticator.ts";
import { apiVersion, type Method } from "../../api/v1alpha1/meta.ts";
import { authenticatorName } from "../../domain/authenticator-name.ts";
import { formatInstant, instant, later } from "../../domain/time.ts";
import { denied, exitCodes, Failure } from "../errors.ts";
import { authenticatorNames, freeKeyName, howToGetOne, stateOf } from "../factor.ts";
import { newSecret } from "../verifier.ts";
import { clusterCommand, type Scene, type World } from "../world.ts";

/** The authenticator that is enrolled, and what opens its enrollment: the ticket, or a codeVerifier of this terminal. */
export type Opened = {
  readonly name: string;
  readonly uid: string;
  readonly codeVerifier: string;
  /** Who opened it for its owner; undefined: this terminal made it. */
  readonly invitedBy: string | undefined;
};

const openForMs = 15 * 60_000; // of a further one, from its making to its enrollment at this terminal

/** The one that an inviter opened, by its ticket; else another one, where a key is there that can confirm it. */
export async function opened(world: World, scene: Scene, method: Method, ticketStdin: boolean): Promise<Opened> {
  if (method === "WebAuthn") checkPage(world, scene);
  const found = await world.cluster.authenticators(authenticatorNames(scene.me.username));
  const invited = found.find(
    (one) => one.spec.method === method && one.spec.invitedBy !== undefined && stateOf(one) === "invited",
  );
  if (invited !== undefined) {
    const { name, uid } = invited.metadata;
    return { name, uid, codeVerifier: await ticketOf(world, ticketStdin), invitedBy: invited.spec.invitedBy };
  }
  checkRoom(world, scene, method, found);
  const hasKey = found.some((one) => one.spec.method === "WebAuthn" && stateOf(one) === "usable");
  if (!hasKey || (scene.trust["pageURL"] ?? "") === "")
    throw new Failure(
      [`nobody has invited you on ${scene.clusterName}.`, ...howToGetOne(world, scene, method)].join("\n"),
      { exitCode: exitCodes.denied },
    );
  return further(world, scene, method, found);
}

/** Which page and relying party is for good: keys are bound to both. */
function checkPage(world: World, { trust, clusterName, contact }: Scene): void {
  if ((trust["pageURL"] ?? "") !== "" && (trust["rpId"] ?? "") !== "") return;
  throw denied(
    "MethodNotAllowed",
    [
      `keys cannot be enrolled on ${clusterName} yet: no page is set up for them.`,
      `  ${contact} decides on one, for good, since keys are bound to it: an https`,
      "  address that your browsers trust (--page-url of the verifier), and its domain or one above it",
      "  (--rp-id). Until then, with a ticket for it:",
      `    ${clusterCommand(world, "enroll totp")}`,
    ].join("\n"),
  );
}

function checkRoom(
  world: World,
  { clusterName, contact }: Scene,
  method: Method,
  found: readonly Authenticator[],
): void {
  if (method === "WebAuthn") return;
  const totp = found.find(({ spec }) => spec.method === "TOTP");
  switch (stateOf(totp)) {
    case "none":
      return;
    case "usable":
      throw new Failure(
        `you have TOTP on ${clusterName} already. Where it is lost, ask ${contact} to end it and invite you anew`,
      );
    case "disabled":
      throw new Failure(
        `your authenticator on ${clusterName} is disabled. Ask ${contact} to delete it and invite you anew`,
        { exitCode: exitCodes.denied },
      );
    case "invited":
      throw new Failure(
        `another try of yours to set up TOTP is open. Take it away, and try again:\n  kubectl delete authenticator ${totp?.metadata.name ?? ""}\n  ${clusterCommand(world, "enroll totp")}`,
      );
  }
}

async function further(world: World, { me }: Scene, method: Method, found: readonly Authenticator[]): Promise<Opened> {
  const name = method === "TOTP" ? authenticatorName(me.username, "totp") : freeKeyName(me.username, found);
  if (name === undefined)
    throw new Failure("you have nine keys already. Ask an inviter to disable and delete one that you do not use");
  const { codeVerifier, codeChallenge } = newSecret(world);
  const until = later(instant(Math.floor(world.clock() / 1000) * 1000), openForMs);
  const spec = { owner: { username: me.username }, method, codeChallenge, expirationTime: formatInstant(until) };
  await world.cluster.create({ apiVersion, kind: "Authenticator", metadata: { name }, spec });
  const made = await world.cluster.authenticator(name);
  if (made === undefined) throw new Failure(`${name} is gone. Try again`);
  world.talk.say("You have a key on this cluster: it confirms the new one, so nobody needs to invite you.");
  return { name, uid: made.metadata.uid, codeVerifier, invitedBy: undefined };
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
