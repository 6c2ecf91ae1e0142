import { createHash } from "node:crypto";
import type { ElevationRequest, Offer } from "../api/v1alpha1/elevation-request.ts";
import type { Method } from "../api/v1alpha1/meta.ts";
import type { VerifyAnswer } from "../api/v1alpha1/wire.ts";
import { authenticatorName } from "../domain/authenticator-name.ts";
import { challengePreimage } from "../domain/challenge.ts";
import { parseInstant } from "../domain/time.ts";
import { ended, refusedBy, type Told } from "./endings.ts";
import type { Endpoint } from "./endpoint.ts";
import { denied, exitCodes, Failure, Interrupted } from "./errors.ts";
import type { Named } from "./mine.ts";
import { type ProofBody, type Refused, type Secret, verify } from "./verifier.ts";
import { clockTime, durationWith, exactly } from "./words.ts";
import { command, inviteCommand, type Scene, type World } from "./world.ts";

// From an offer to a grant: says what is asked for, takes the code (key/prove-by-key.ts: the key), and says what came of it.

export type Asked = {
  readonly request: ElevationRequest;
  readonly offer: Offer;
  readonly endpoint: Endpoint;
  readonly told: Told;
};
/** The two lines that a person must have read before the code is typed. They come from the object, not from what was typed. */
export function summary(
  { spec, metadata }: ElevationRequest,
  offer: Offer,
  method: Method,
  verb = "You ask for",
): string {
  const { kind, name } = offer.roleRef;
  const lasts = durationWith(offer.methods, method);
  const shortened = spec.duration !== undefined && !lasts.startsWith(spec.duration) && !lasts.includes("(");
  const why = shortened ? `${lasts} (not ${spec.duration}: ${method} gives no more)` : lasts;
  return [
    `${verb.padEnd(11)}  ${kind}/${name} in namespace ${metadata.namespace}, for ${why}`,
    `As           ${spec.requester.username} on ${offer.cluster.name}`,
  ].join("\n");
}

/** What the endpoint says must be what the object says: nobody is led to agree to something else. */
export function checkSame(request: ElevationRequest, stored: Offer | undefined, offered: Offer): void {
  const hash = (offer: Offer): string => createHash("sha256").update(challengePreimage(request, offer)).digest("hex");
  if (stored === undefined || hash(stored) !== hash(offered))
    throw new Failure(
      `the endpoint offers something else than ${request.metadata.name} says. Prove nothing, and tell whoever runs kube-elevate`,
    );
}

/** Asks for codes until one is taken, and for the answer until the grant is Active or ended. */
export async function proveByCode(
  world: World,
  asked: Asked,
  fromStdin: boolean, // one line and one try; a person has three
  claim: () => Promise<Secret>,
): Promise<VerifyAnswer> {
  const { talk } = world;
  const named = nameOf(asked.request);
  const triesMax = fromStdin ? 1 : 3;
  let secret: Secret | undefined;
  const refusals: Refused[] = [];
  for (let tries = 0; tries < triesMax; tries += 1) {
    const typed = fromStdin ? await talk.line() : await talk.secret("Code from your authenticator app:");
    if (typed === undefined) break;
    const code = typed.replaceAll(/\s/g, ""); // apps show 123 456
    if (!/^[0-9]{6}$/.test(code)) {
      if (tries + 1 < triesMax) talk.say(`A code has six digits. Try again (${left(world, asked)} left)`);
      continue;
    }
    secret ??= await claim();
    const answer = await settled(world, asked.endpoint, named, secret, { totp: { code } });
    if (!("refused" in answer)) return answer;
    refusals.push(answer);
    const again = await nextTry(world, asked, answer);
    if (tries + 1 < triesMax) talk.say(again);
  }
  throw outOfTries(world, asked, refusals);
}

export const nameOf = ({ metadata }: ElevationRequest): Named => ({
  namespace: metadata.namespace,
  name: metadata.name,
});
const left = ({ clock }: World, { offer }: Asked): string => exactly(parseInstant(offer.deadlineTime) - clock());
const nextCode = ({ clock }: World): string => exactly(30_000 - (clock() % 30_000));

const roundsMax = 4; // each waits up to 10 s at the endpoint

/** Sends the proof, and asks on until the grant is Active or ended. */
export async function settled(
  world: World,
  at: Endpoint,
  of: Named,
  secret: Secret,
  proof: ProofBody,
): Promise<VerifyAnswer | Refused> {
  try {
    return await settledOrStopped(world, at, of, secret, proof);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new Interrupted(
      `Given up, but the proof was sent. What became of it: ${command(world, `status ${of.name}`)}`,
    );
  }
}

async function settledOrStopped(
  world: World,
  at: Endpoint,
  of: Named,
  secret: Secret,
  proof: ProofBody,
): Promise<VerifyAnswer | Refused> {
  for (let round = 1; ; round += 1) {
    const send = async (): Promise<VerifyAnswer | Refused> => verify(world, at, of, secret, proof);
    const answer = await send().catch(async (error: unknown) => {
      if (error instanceof Interrupted) throw error;
      await world.pause(1000); // the answer may be lost, not the proof: the same proof asks for the same answer
      return send();
    });
    const open = "phase" in answer && (answer.phase === "Pending" || answer.phase === "Granting");
    if (!open || round === roundsMax) return answer;
    world.talk.say("Your proof is accepted. Waiting for the access");
  }
}

/** What to say before the next try; throws where none can help. */
async function nextTry(world: World, asked: Asked, { refused }: Refused): Promise<string> {
  const { name } = asked.request.metadata;
  const { reason, details } = refused;
  if (reason === "ProofRejected") return `That code is not right. Try again (${left(world, asked)} left)`;
  if (reason === "ProofAlreadyUsed") return `That code was used already. Wait for the next one, in ${nextCode(world)}`;
  if (reason === "NotReady") return `${name} changed meanwhile. Try again with your next code, in ${nextCode(world)}`;
  if (reason === "AuthenticatorLocked") throw await locked(world, asked, details?.retryAfterSeconds);
  const over = reason === "RequestEnded" ? await endedNow(world, asked) : undefined;
  throw over ?? refusedBy(refused, name, asked.told);
}

async function endedNow({ cluster }: World, { request, told }: Asked): Promise<Failure | undefined> {
  const now = await cluster.request(nameOf(request));
  return now?.status?.endTime === undefined ? undefined : ended(now, told);
}

/** Until when, by the authenticator itself where it can be read, else by the endpoint's Retry-After. */
async function locked({ cluster, clock, zone }: World, asked: Asked, retryAfter: number | undefined): Promise<Failure> {
  const { told, request } = asked;
  const name = authenticatorName(request.spec.requester.username, "totp");
  const found = await cluster.authenticator(name).catch(() => undefined);
  const now = clock();
  const stored = parseInstant(found?.status?.totp?.failures.lockedUntilTime);
  const until = stored > now ? stored : now + (retryAfter ?? 0) * 1000;
  if (until <= now)
    return denied(
      "AuthenticatorLocked",
      `too many wrong codes; your TOTP authenticator is locked for good.\n  Ask ${told.contact} for another one: ${inviteCommand(request.spec.requester.username)}`,
    );
  const when = `${clockTime(parseInstant(new Date(until).toISOString()), zone)} (${exactly(until - now)})`;
  return denied("AuthenticatorLocked", `too many wrong codes; your TOTP authenticator is locked until\n  ${when}`);
}

function outOfTries(world: World, { request, told }: Asked, refusals: readonly Refused[]): Failure {
  const timesOut = `\n  ${request.metadata.name} will time out; ask again: ${told.again}`;
  const last = refusals.at(-1)?.refused.reason;
  if (last === undefined) return new Failure(`no code of six digits was given.${timesOut}`);
  const count = ["the code was", "two codes were", "three codes were"][refusals.length - 1] ?? "all codes were";
  return last === "ProofAlreadyUsed"
    ? denied(
        last,
        `${count} refused, ${refusals.length === 1 ? "it" : "the last"} was used already. Wait for the next one, in ${nextCode(world)}.${timesOut}`,
      )
    : denied("ProofRejected", `${count} refused. Is the clock of your phone right?${timesOut}`);
}

/** Says what the grant is, and remembers its end; a Failure where it is none. */
export async function tellGrant(world: World, { here, me }: Scene, asked: Asked, answer: VerifyAnswer): Promise<void> {
  const { talk, zone } = world;
  const { request, offer, told } = asked;
  const { name, namespace } = request.metadata;
  if (answer.phase === "Active" && answer.expirationTime !== undefined) {
    const lasts = offer.methods.find(({ method }) => method === answer.method)?.duration ?? "";
    const until = clockTime(parseInstant(answer.expirationTime), zone);
    const kept = { namespace, name, until: answer.expirationTime };
    await world.mine.add({ server: here.server, username: me.username }, kept);
    talk.say(`Active until ${until} (${lasts}), in every shell that uses your credentials.`);
    return;
  }
  const now = await world.cluster.request({ namespace, name });
  if (now?.status?.endTime !== undefined) throw ended(now, told);
  throw new Failure(
    `${name} is still ${answer.phase}; the proof is accepted. See what becomes of it: ${command(world, `status ${name}`)}`,
    { exitCode: exitCodes.pending },
  );
}

/** Ctrl-C: what is left behind, and what to do. */
export async function interruptible<T>(name: string, { again }: Told, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Interrupted) || error.message !== "") throw error;
    throw new Interrupted(`Given up: nothing was proven. ${name} will time out; ask again: ${again}`);
  }
}
