import { createHash } from "node:crypto";
import type { Assertion, Registration } from "../../api/v1alpha1/webauthn.ts";
import type { RegisterBody } from "../../api/v1alpha1/wire.ts";
import { enrollmentPreimage } from "../../domain/challenge.ts";
import type { Instant } from "../../domain/time.ts";
import type { Enrolling } from "../commands/enroll.ts";
import type { Endpoint } from "../endpoint.ts";
import { Failure } from "../errors.ts";
import { askKey } from "../key/ask-key.ts";
import type { Scene, World } from "../world.ts";
import type { Opened } from "./opened.ts";
import { refusedEnrollment } from "./refused.ts";

type How = { readonly pageURL: string; readonly paste: boolean; readonly endpoint: Endpoint; readonly until: Instant };
type ByKey = Enrolling & { readonly how: How };

/** A new key, made at the page; where nobody invited its owner, a key that she has is used there before. */
export async function enrollByKey(world: World, scene: Scene, one: Opened, given: ByKey): Promise<void> {
  const { offered, how, register } = given;
  const options = offered.webauthn;
  if (options === undefined) throw noOptions;
  const about = subject(scene, one, "WebAuthn");
  for (const { challenge } of [options, ...(offered.existing === undefined ? [] : [offered.existing])])
    check(challenge, about);
  const asked = { kind: "enroll" as const, ...about, options, existing: offered.existing };
  const { webauthn, existing } = await askKey(world, asked, { ...how, shows: one.name });
  if (webauthn === undefined || !("attestationObject" in webauthn.response)) throw noAnswer;
  const made: Registration = { ...webauthn, response: webauthn.response };
  const answer = await register({
    webauthn: made,
    ...(existing !== undefined && { existing: { webauthn: existing } }),
  });
  if (!answer.ok) throw refusedEnrollment(scene, answer.status);
}

/** The answer of a key to the enrollment of an app; undefined: an inviter's ticket is enough. */
export async function confirmByKey(
  world: World,
  scene: Scene,
  one: Opened,
  { offered: { existing: options }, how }: Pick<ByKey, "offered" | "how">,
): Promise<RegisterBody["existing"]> {
  if (options === undefined) return undefined;
  const about = subject(scene, one, "TOTP");
  check(options.challenge, about);
  world.talk.say("A key that you have confirms it.");
  const asked = { kind: "confirm" as const, ...about, existing: options };
  const outcome = await askKey(world, asked, { ...how, shows: one.name });
  const confirmed: Assertion | undefined = outcome.existing;
  if (confirmed === undefined) throw noAnswer;
  return { webauthn: confirmed };
}

function subject<M extends "WebAuthn" | "TOTP">({ trust, clusterName, me }: Scene, { name, uid }: Opened, method: M) {
  return {
    cluster: { name: clusterName, uid: trust["clusterUID"] ?? "" },
    authenticator: { metadata: { name, uid }, spec: { owner: { username: me.username }, method } },
  };
}

/** Computed here, of what was read in the cluster: nobody is led to enroll for something else. */
function check(challenge: string, { cluster, authenticator }: ReturnType<typeof subject>): void {
  const preimage = enrollmentPreimage(cluster.uid, authenticator);
  if (createHash("sha256").update(preimage).digest("base64url") === challenge) return;
  throw new Failure(
    "the endpoint asks for a key for something else than this authenticator. Enroll nothing, and tell whoever runs kube-elevate",
  );
}

const noOptions = new Failure("the endpoint asks for no key. See: kubectl elevate doctor");
const noAnswer = new Failure("the page answered without a key. Try again");
