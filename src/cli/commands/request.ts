import type { ElevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import type { Method } from "../../api/v1alpha1/meta.ts";
import { apiVersion } from "../../api/v1alpha1/meta.ts";
import { parseDurationMs } from "../../domain/time.ts";
import { ended, refusedBy, type Told } from "../endings.ts";
import type { Endpoint } from "../endpoint.ts";
import { denied, type ExitCode, exitCodes, Failure } from "../errors.ts";
import { factorOf } from "../factor.ts";
import { untilOf } from "../grants.ts";
import { proveByKey } from "../key/prove-by-key.ts";
import type { Named } from "../mine.ts";
import type { ProofOptions } from "../options.ts";
import { type Asked, checkSame, interruptible, proveByCode, summary, tellGrant } from "../proving.ts";
import { refusalIn, type Wish } from "../refusals.ts";
import { type Output, printRequest } from "../results.ts";
import { sceneOf } from "../scene.ts";
import { challenge, newSecret, type Secret } from "../verifier.ts";
import { commandAbout, nextLine } from "../warning.ts";
import { clockTime, quoted, roughly } from "../words.ts";
import { command, endpointOf, type Scene, type World } from "../world.ts";

export type RequestOptions = {
  readonly duration?: string | undefined;
  readonly justification?: string | undefined;
  readonly proof: ProofOptions;
  readonly new: boolean;
  readonly dryRun: boolean;
  readonly output: Output | undefined;
};

/** Asks for a policy, proves with a code, and returns when the access is there. */
export async function request(world: World, policyName: string, options: RequestOptions): Promise<ExitCode> {
  checkDuration(options);
  const scene = await sceneOf(world);
  const granted = await grantOf(world, scene, policyName, options, {
    granted: async (named) => {
      world.talk.say(await nextLine(world, scene, named));
    },
  });
  if (granted !== undefined) await printRequest(world, granted, "active", options.output);
  return exitCodes.done;
}

export function checkDuration(options: Pick<RequestOptions, "duration">): void {
  if (options.duration !== undefined && parseDurationMs(options.duration) === undefined)
    throw new Failure("--duration takes a duration as in 30m or 1h30m", { exitCode: exitCodes.usage });
}

/** What other commands, which ask as well, want to know or say. */
export type Watched = {
  /** The request is in the cluster, and nothing is proven yet. */
  readonly made?: (named: Named) => void;
  readonly granted?: (named: Named) => Promise<void>;
  /** The command that asks anew, where it is another than `request`. */
  readonly again?: string;
};

/** The request under which the access is there now, made or found; undefined for a dry run. */
export async function grantOf(
  world: World,
  scene: Scene,
  policyName: string,
  options: RequestOptions,
  { made, granted, again = againOf(world, policyName, options) }: Watched = {},
): Promise<Named | undefined> {
  const policy = await world.cluster.policy(policyName);
  const policies = command(world, "policies");
  if (policy === undefined)
    throw denied("PolicyNotFound", `policy ${policyName} does not exist.\n  What you may use: ${policies}`);
  const wish: Wish = { policy, namespace: scene.here.namespace, duration: options.duration, policies };
  const secret = newSecret(world);
  const create = async (dryRun: boolean): Promise<string> => created(world, wish, options, secret, dryRun);

  if (options.dryRun) {
    await rehearse(world, wish, options, create);
    return undefined;
  }
  const standing = options.new ? undefined : await standingGrant(world, scene, wish);
  if (standing !== undefined) {
    await tellStanding(world, scene, standing);
    return standing.metadata;
  }
  const { methods } = policy.spec.authentication;
  const factor = await factorOf(world, scene, { policyName, methods, method: options.proof.method });
  if (factor instanceof Failure) {
    await create(true); // a refusal of the request itself comes first: a factor would not help
    throw factor;
  }
  const endpoint = endpointOf(world, scene.trust);
  await endpoint.reach(); // a request that could not be proven would only wait for its end
  const name = await create(false);
  const named = { namespace: wish.namespace, name };
  await world.mine.add({ server: scene.here.server, username: scene.me.username }, named);
  const told: Told = { zone: world.zone, contact: scene.contact, again };
  made?.(named);
  await interruptible(name, told, async () => {
    const { method, ...asked } = await offered(world, scene, wish, { endpoint, told, name, secret, factor });
    world.talk.say(summary(asked.request, asked.offer, method));
    const answer =
      method === "WebAuthn"
        ? await proveByKey(world, scene, asked, options.proof.paste, secret)
        : await proveByCode(world, asked, options.proof.codeStdin, async () => Promise.resolve(secret));
    await tellGrant(world, scene, asked, answer);
  });
  await granted?.(named);
  return named;
}

async function created(
  world: World,
  wish: Wish,
  options: RequestOptions,
  secret: Secret,
  dryRun: boolean,
): Promise<string> {
  const { duration, justification } = options;
  const policyName = wish.policy.metadata.name;
  const object = {
    apiVersion,
    kind: "ElevationRequest",
    metadata: { generateName: `${policyName}-` },
    spec: {
      policyName,
      ...(duration === undefined ? {} : { duration }),
      ...(justification === undefined ? {} : { justification }),
      codeChallenge: secret.codeChallenge,
    },
  };
  const output = dryRun && options.dryRun ? options.output : undefined;
  return world.cluster.create(object, { namespace: wish.namespace, dryRun, output }).catch((error: unknown) => {
    throw refusalIn(error, wish) ?? error;
  });
}

/** Server-side: admission judges, nothing is stored, nothing is proven. */
async function rehearse(
  { talk }: World,
  { policy }: Wish,
  { output }: RequestOptions,
  create: (dryRun: boolean) => Promise<string>,
): Promise<void> {
  const answer = await create(true);
  if (output === "json" || output === "yaml") talk.result(answer);
  else {
    talk.say(`Dry run: ${policy.metadata.name} may be asked for like this. Nothing was created.`);
    const full = `elevationrequest.kube-elevate.dev/${answer}`;
    talk.result(output === "name" ? full : `${full} created (server dry run)`);
  }
}

const lookedAtMax = 10;

/** One of mine under the same policy, in the same namespace, that lasts as long as is asked for, or 5m, whichever is less. */
async function standingGrant(
  world: World,
  { here, me }: Scene,
  { policy, duration }: Wish,
): Promise<ElevationRequest | undefined> {
  const names = await world.mine.names({ server: here.server, username: me.username });
  const near = names.filter(({ namespace }) => namespace === here.namespace).slice(-lookedAtMax);
  const requests = await world.cluster.requests(
    here.namespace,
    near.map(({ name }) => name),
  );
  const askedMs = parseDurationMs(duration ?? policy.spec.duration.default) ?? Number.POSITIVE_INFINITY;
  return requests
    .filter(({ spec, status }) => spec.policyName === policy.metadata.name && status?.phase === "Active")
    .filter(({ spec }) => spec.requester.username === me.username)
    .filter((one) => untilOf(one) - world.clock() >= Math.min(askedMs, 5 * 60_000))
    .toSorted((a, b) => untilOf(b) - untilOf(a))[0];
}

async function tellStanding(world: World, scene: Scene, standing: ElevationRequest): Promise<void> {
  const { talk, clock, zone } = world;
  const end = untilOf(standing);
  const left = roughly(end - clock());
  talk.say(`Already active until ${clockTime(end, zone)} (${left} left): nothing to prove, nothing changed.`);
  const longer = await commandAbout(world, scene, "extend", standing.metadata);
  talk.say(`Longer: ${longer}    A second grant all the same: add --new`);
}

type Made = {
  readonly endpoint: Endpoint;
  readonly told: Told;
  readonly name: string;
  readonly secret: Secret;
  readonly factor: Method;
};

/** The offer, as the endpoint and the object say it alike; the object is read back: it is what is agreed to. */
async function offered(
  world: World,
  { me }: Scene,
  wish: Wish,
  { endpoint, told, name, secret, factor }: Made,
): Promise<Asked & { readonly method: Method }> {
  const named = { namespace: wish.namespace, name };
  const answer = await challenge(world, endpoint, named, secret);
  const object = await world.cluster.request(named);
  if (object?.status?.endTime !== undefined) throw ended(object, told);
  if ("refused" in answer) throw refusedBy(answer.refused, name, told);
  if (object === undefined) throw denied("RequestEnded", `${name} is gone. Ask again: ${told.again}`);
  checkAsked(object, wish, me.username, secret);
  checkSame(object, object.status?.offer, answer.offer);
  if (!answer.methods.includes(factor))
    throw denied(
      "AuthenticatorUnknown",
      `the verifier takes no ${factor} authenticator of yours for this${answer.methods.length === 0 ? ". See: kubectl elevate doctor" : `, but ${answer.methods.join(" or ")}: --method ${answer.methods[0]?.toLowerCase() ?? ""}`}`,
    );
  return { request: object, offer: answer.offer, endpoint, told, method: factor };
}

/** What was stored must be what was typed: whatever changes requests on their way must not speak for a person. */
function checkAsked(
  { metadata, spec }: ElevationRequest,
  { policy, duration }: Wish,
  username: string,
  secret: Secret,
): void {
  const same =
    spec.policyName === policy.metadata.name &&
    spec.requester.username === username &&
    spec.codeChallenge === secret.codeChallenge &&
    spec.duration === duration;
  if (!same)
    throw new Failure(
      `${metadata.name} was changed on its way into the cluster: it does not say what you asked for. Prove nothing`,
    );
}

/** The justification is not repeated: it may be long, and the next one should be true again. */
function againOf(world: World, policyName: string, { duration, justification }: RequestOptions): string {
  const lasts = duration === undefined ? "" : `--duration ${quoted(duration)}`;
  const why = justification === undefined ? "" : `-j "..."`;
  return command(world, `request ${policyName}`, [lasts, why].filter((part) => part !== "").join(" "));
}
