import type { Method } from "../../api/v1alpha1/meta.ts";
import {
  authenticatorPath,
  type EnrollmentAnswer,
  enrollmentAnswer,
  type RegisterBody,
  registerAnswer,
} from "../../api/v1alpha1/wire.ts";
import { later } from "../../domain/time.ts";
import type { Endpoint } from "../endpoint.ts";
import { enrollByApp } from "../enrolling/by-app.ts";
import { confirmByKey, enrollByKey } from "../enrolling/by-key.ts";
import { type Opened, opened } from "../enrolling/opened.ts";
import { refusedEnrollment } from "../enrolling/refused.ts";
import { type ExitCode, exitCodes, Interrupted } from "../errors.ts";
import { sceneOf } from "../scene.ts";
import { patiently, read } from "../verifier.ts";
import { clusterCommand, endpointOf, type Scene, type World } from "../world.ts";

export type EnrollOptions = { readonly ticketStdin: boolean; readonly paste: boolean };

/**
 * Sets up a second factor: a first one with the ticket of an inviter, a further one with a key that is there already. The
 * seed of an app is shown once, and one code of it proves that the app has it; a key answers at the page.
 */
export async function enroll(world: World, method: Method, options: EnrollOptions): Promise<ExitCode> {
  const scene = await sceneOf(world);
  const endpoint = endpointOf(world, scene.trust);
  const one = await opened(world, scene, method, options.ticketStdin);
  try {
    await enrolled(world, scene, method, { one, endpoint, options });
  } catch (error) {
    // one that this terminal made is open to nobody else: its name is free again
    if (one.invitedBy === undefined)
      await world
        .shielded()
        .cluster.removeAuthenticator(one.name)
        .catch(() => undefined);
    if (!(error instanceof Interrupted)) throw error;
    throw new Interrupted(given(world, method, one));
  }
  world.talk.say(`${method} is set up. What you may ask for: ${clusterCommand(world, "policies")}`);
  world.talk.result(`authenticator.kube-elevate.dev/${one.name} enrolled`);
  return exitCodes.done;
}

type Beginning = { readonly one: Opened; readonly endpoint: Endpoint; readonly options: EnrollOptions };

async function enrolled(
  world: World,
  scene: Scene,
  method: Method,
  { one, endpoint, options }: Beginning,
): Promise<void> {
  const { name, codeVerifier } = one;
  const answer = await patiently(world, endpoint, authenticatorPath(name, "challenge"), { codeVerifier });
  if (!answer.ok) throw refusedEnrollment(scene, answer.status);
  const offered = read(endpoint, enrollmentAnswer.safeParse(answer.body));
  const register = async (proof: Omit<RegisterBody, "codeVerifier">) => {
    const registered = await patiently(world, endpoint, authenticatorPath(name, "register"), one, proof);
    if (registered.ok) read(endpoint, registerAnswer.safeParse(registered.body));
    return registered;
  };
  const how = {
    pageURL: scene.trust["pageURL"] ?? "",
    paste: options.paste,
    endpoint,
    until: later(world.clock(), 300_000),
  };
  if (method === "WebAuthn") {
    await enrollByKey(world, scene, one, { offered, how, register });
    return;
  }
  const existing = async () => confirmByKey(world, scene, one, { offered, how });
  await enrollByApp(world, scene, one, { offered, existing, register });
}

const given = (world: World, method: Method, { invitedBy }: Opened): string => {
  const again = clusterCommand(world, `enroll ${method.toLowerCase()}`);
  return `Given up: nothing is set up yet. ${invitedBy === undefined ? "Again" : "With the same ticket"}: ${again}`;
};

/** What the two ways of enrolling are given. */
export type Enrolling = {
  readonly offered: EnrollmentAnswer;
  readonly register: (proof: Omit<RegisterBody, "codeVerifier">) => ReturnType<typeof patiently>;
};
