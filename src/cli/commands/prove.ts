import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import type { Method } from "../../api/v1alpha1/meta.ts";
import { parseInstant } from "../../domain/time.ts";
import { ended, type Told } from "../endings.ts";
import { denied, type ExitCode, exitCodes, Failure } from "../errors.ts";
import { factorOf } from "../factor.ts";
import { proveByKey } from "../key/prove-by-key.ts";
import type { ProofOptions } from "../options.ts";
import { type Asked, interruptible, proveByCode, summary, tellGrant } from "../proving.ts";
import { type Output, printRequest } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { newSecret, type Secret } from "../verifier.ts";
import { nextLine } from "../warning.ts";
import { clockTime, roughly } from "../words.ts";
import { command, endpointOf, type Scene, type World } from "../world.ts";

export type ProveOptions = { readonly proof: ProofOptions; readonly output: Output | undefined };

/**
 * Proves a request that no terminal has claimed, as one made by kubectl apply. Whoever wrote it may be somebody else with
 * the same credentials: so it is shown whole, and claimed only when a code has been typed under what was shown.
 */
export async function prove(world: World, name: string, { proof, output }: ProveOptions): Promise<ExitCode> {
  const scene = await sceneOf(world);
  const named = { namespace: scene.here.namespace, name };
  const seen = await world.cluster.request(named);
  if (seen === undefined)
    throw new Failure(`no request ${name} in namespace ${named.namespace}. Another one: -n NAMESPACE`);
  const again = command(world, `request ${seen.spec.policyName}`);
  const told: Told = { zone: world.zone, contact: scene.contact, again };
  if (checkMine(world, scene, seen, told) === "active") {
    await printRequest(world, named, "active", output);
    return exitCodes.done;
  }
  const asked = await offeredTo(world, scene, seen, told);
  const method = await factorFor(world, scene, asked, proof);
  if (method instanceof Failure) throw method;
  await asked.endpoint.reach(); // claiming it and then not reaching the verifier would waste it
  show(world, asked, method);
  await interruptible(name, told, async () => {
    const answer =
      method === "WebAuthn"
        ? await proveByKey(world, scene, asked, proof.paste, await claimed(world, asked))
        : await proveByCode(world, asked, proof.codeStdin, async () => claimed(world, asked));
    await world.mine.add({ server: scene.here.server, username: scene.me.username }, named);
    await tellGrant(world, scene, asked, answer);
    world.talk.say(await nextLine(world, scene, named));
  });
  await printRequest(world, named, "active", output);
  return exitCodes.done;
}

function checkMine({ talk, zone }: World, { me }: Scene, seen: ElevationRequest, told: Told): "active" | "open" {
  const { metadata, spec, status } = seen;
  if (spec.requester.username !== me.username)
    throw denied(
      "RequesterMismatch",
      `${metadata.name} was asked for by ${spec.requester.username}, who alone can prove it`,
    );
  if (status?.phase === "Active") {
    talk.say(`Active already, until ${clockTime(parseInstant(status.grant?.expirationTime), zone)}: nothing to prove.`);
    return "active";
  }
  if (status?.endTime !== undefined) throw ended(seen, told);
  if (spec.codeChallenge !== undefined)
    throw denied(
      "CallerUnknown",
      `${metadata.name} is claimed already: the terminal that did so can prove it, no other.\n  Ask again: ${told.again}`,
    );
  return "open";
}

const roundsMax = 20;

/** The controller offers within a moment; a request that was just applied is looked at until then. */
async function offeredTo(world: World, scene: Scene, seen: ElevationRequest, told: Told): Promise<Asked> {
  const { metadata } = seen;
  let request = seen;
  for (let round = 0; request.status?.offer === undefined; round += 1) {
    if (request.status?.endTime !== undefined) throw ended(request, told);
    if (round === roundsMax)
      throw new Failure(`nothing is offered for ${metadata.name} yet: does the controller run? Tell ${told.contact}`, {
        reason: "NotReady",
        exitCode: exitCodes.pending,
      });
    await world.pause(500);
    const next = await world.cluster.request({ namespace: metadata.namespace, name: metadata.name });
    if (next?.metadata.uid !== metadata.uid) throw denied("RequestEnded", `${metadata.name} is gone`);
    request = next;
  }
  const { offer } = request.status;
  return { request, offer, endpoint: endpointOf(world, scene.trust), told };
}

async function factorFor(
  world: World,
  scene: Scene,
  { request, offer }: Asked,
  { method }: ProofOptions,
): Promise<Method | Failure> {
  const methods = offer.methods.map((offered) => offered.method);
  return factorOf(world, scene, { policyName: request.spec.policyName, methods, method });
}

function show({ talk, clock }: World, { request, offer }: Asked, method: Method): void {
  const { metadata, spec } = request;
  const age = roughly(clock() - parseInstant(metadata.creationTimestamp));
  talk.say(`${metadata.name} was not made by this terminal, but ${age} ago by somebody with your credentials.`);
  talk.say(method === "TOTP" ? "Type a code only if it was you." : "Use your key only if it was you.");
  talk.say(summary(request, offer, method, "It asks for"));
  if (spec.justification !== undefined) talk.say(`Why          ${spec.justification}`);
}

async function claimed(world: World, { request, told }: Asked): Promise<Secret> {
  const secret = newSecret(world);
  await world.cluster.claim(request, secret.codeChallenge).catch(async (error: unknown) => {
    const { metadata } = request;
    const now = await world.cluster.request({ namespace: metadata.namespace, name: metadata.name });
    if (now?.spec.codeChallenge === undefined) throw error;
    throw denied(
      "CallerUnknown",
      `${metadata.name} was claimed by another terminal meanwhile.\n  Ask again: ${told.again}`,
    );
  });
  return secret;
}
