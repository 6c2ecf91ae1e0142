import type { AssertCeremony, Ceremony, ConfirmCeremony, EnrollCeremony } from "../api/v1alpha1/ceremony.ts";
import { challengePreimage, enrollmentPreimage } from "../domain/challenge.ts";

// What the plugin asks of the page, read out of the fragment of its address. Whoever can make somebody open a link can
// write there what they like: so all of it is checked, nothing in it is an address, and what a key is asked to sign is
// computed from what is shown.

/** What is wrong, in a sentence for the person at the page. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

const lettersMax = 16_384; // real ones have 1,000; and what deflates best grows a thousandfold

/** Throws Unreadable where the fragment holds nothing that is as the plugin writes it. */
export async function readCeremony(fragment: string): Promise<Ceremony> {
  const text = await inflated(fragment.replace(/^#/, ""));
  const read = ceremonyOf(parsed(text));
  if (read === undefined) throw new Unreadable(broken);
  await checkChallenges(read);
  return read;
}

const broken =
  "This address is incomplete or was changed. Copy it whole, or start again in your terminal: nothing was asked of your key.";
const altered =
  "What this address shows is not what your key would sign. Somebody may have changed it: start again in your terminal, and tell whoever runs kube-elevate.";

async function inflated(base64url: string): Promise<string> {
  if (base64url.length > lettersMax) throw new Unreadable(broken);
  try {
    const stream = new Blob([bytesOf(base64url)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new TextDecoder("utf-8", { fatal: true }).decode(await new Response(stream).arrayBuffer());
  } catch {
    throw new Unreadable(broken);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Unreadable(broken);
  }
}

/** The challenges that come along must be those of what is shown. */
async function checkChallenges(ceremony: Ceremony): Promise<void> {
  const preimage =
    ceremony.kind === "assert"
      ? challengePreimage(ceremony.request, ceremony.offer)
      : enrollmentPreimage(ceremony.cluster.uid, ceremony.authenticator);
  const computed = base64urlOf(await crypto.subtle.digest("SHA-256", Uint8Array.from(preimage)));
  const given = ceremony.kind === "assert" ? [ceremony.options] : asked(ceremony);
  if (!given.every(({ challenge }) => challenge === computed)) throw new Unreadable(altered);
}

const asked = (ceremony: EnrollCeremony | ConfirmCeremony): readonly { readonly challenge: string }[] =>
  ceremony.kind === "confirm"
    ? [ceremony.existing]
    : [ceremony.options, ...(ceremony.existing === undefined ? [] : [ceremony.existing])];

export function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(base64url) || base64url.length % 4 === 1) throw new Unreadable(broken);
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

export function base64urlOf(bytes: ArrayBuffer): string {
  const letters = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte));
  return btoa(letters.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// By hand, so that the page is small: a shape is a function that says whether a value has it. Members that a shape does
// not name are refused.

type Shape = (value: unknown) => boolean;
const text: Shape = (value) => typeof value === "string";
const number: Shape = (value) => Number.isInteger(value);
const is =
  (...words: readonly string[]): Shape =>
  (value) =>
    words.some((word) => word === value);
const list =
  (of: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(of);
const maybe =
  (of: Shape): Shape =>
  (value) =>
    value === undefined || of(value);
const object =
  (members: { readonly [name: string]: Shape }): Shape =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.keys(value).every((name) => Object.hasOwn(members, name)) &&
    Object.entries(members).every(([name, of]) => of(memberOf(value, name)));
const memberOf = (value: object, name: string): unknown => Object.entries(value).find(([key]) => key === name)?.[1];

const port: Shape = (value) => number(value) && Number(value) >= 1024 && Number(value) <= 65_535;
const state: Shape = (value) => typeof value === "string" && /^[A-Za-z0-9_-]{22}$/.test(value);
const back = { port: maybe(port), state };
const cluster = object({ name: text, uid: text });
const descriptors = list(object({ id: text, type: is("public-key"), transports: maybe(list(text)) }));
const requestOptions = object({
  challenge: text,
  rpId: text,
  allowCredentials: descriptors,
  userVerification: is("required"),
});
const creationOptions = object({
  challenge: text,
  rp: object({ id: text, name: text }),
  user: object({ id: text, name: text, displayName: text }),
  pubKeyCredParams: list(object({ type: is("public-key"), alg: number })),
  excludeCredentials: descriptors,
  authenticatorSelection: object({ residentKey: is("discouraged"), userVerification: is("required") }),
  attestation: is("none"),
});
const authenticator = (method: string): Shape =>
  object({
    metadata: object({ uid: text, name: text }),
    spec: object({ owner: object({ username: text }), method: is(method) }),
  });
const assert = object({
  ...back,
  kind: is("assert"),
  request: object({
    metadata: object({ uid: text, namespace: text, name: text }),
    spec: object({
      policyName: text,
      duration: maybe(text),
      justification: maybe(text),
      requester: object({ username: text, uid: maybe(text), groups: maybe(list(text)) }),
    }),
  }),
  offer: object({
    cluster,
    roleRef: object({ kind: is("Role", "ClusterRole"), name: text }),
    rulesHash: text,
    methods: list(object({ method: is("WebAuthn", "TOTP"), duration: text })),
    deadlineTime: text,
    authorizedBy: text,
  }),
  options: requestOptions,
});
const enroll = object({
  ...back,
  kind: is("enroll"),
  cluster,
  authenticator: authenticator("WebAuthn"),
  options: creationOptions,
  existing: maybe(requestOptions),
});
const confirm = object({
  ...back,
  kind: is("confirm"),
  cluster,
  authenticator: authenticator("TOTP"),
  existing: requestOptions,
});

function ceremonyOf(value: unknown): Ceremony | undefined {
  return isAssert(value) || isEnroll(value) || isConfirm(value) ? value : undefined;
}
const isAssert = (value: unknown): value is AssertCeremony => assert(value);
const isEnroll = (value: unknown): value is EnrollCeremony => enroll(value);
const isConfirm = (value: unknown): value is ConfirmCeremony => confirm(value);
