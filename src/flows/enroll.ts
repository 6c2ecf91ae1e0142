import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ChallengeBody, EnrollmentAnswer, RegisterAnswer, RegisterBody } from "../api/v1alpha1/wire.ts";
import { authenticatorPreimage, enrollmentPreimage } from "../domain/challenge.ts";
import { enrollable } from "../domain/proof.ts";
import type { Denial } from "../domain/reasons.ts";
import { activeKeys, type Key, requestOptions, useKey } from "./credentials.ts";
import type { VerifierPorts } from "./ports.ts";
import { type Refusal, spendCode } from "./spend.ts";

// An authenticator becomes Active in two ways: a first one by the ticket that an inviter handed over; a further one, made
// by its owner, when an Active one of hers, at least as strong, confirms it. A seed is derived from a key of ours, and
// more keys may come; so its first showing writes the key's id down, and from then on, until Active and for life,
// `status.keyID` says it: of the seed key and of the seal key alike. Until Active the ticket shows the seed again, so each
// later showing says that it is one: whoever had the ticket on its way may have the seed.

/** POST .../challenge of an authenticator: what makes it, the seed in clear; and by which keys it may be confirmed. */
export async function enrollmentOptions(
  ports: VerifierPorts,
  name: string,
  { codeVerifier }: ChallengeBody,
): Promise<EnrollmentAnswer | Denial> {
  for (;;) {
    const seen = await opened(ports, name, codeVerifier);
    if ("reason" in seen) return seen;
    const { method, invitedBy, owner } = seen.spec;
    const needsKeys = method === "WebAuthn" || invitedBy === undefined;
    const keys = needsKeys ? await activeKeys(ports, owner.username) : [];
    const existing = confirming(ports, seen, keys);
    if (existing !== undefined && "reason" in existing) return existing;
    const confirmed = existing && { existing };
    if (method === "WebAuthn") return webauthnOptions(ports, seen, keys, confirmed);
    if (seen.status?.keyID !== undefined)
      return { totp: { ...ports.totp.enrollment(seen), shownBefore: true }, ...confirmed };
    const first = { phase: "Pending" as const, keyID: ports.sealer.newestKeyID };
    // lost: look again, another call may have shown it first
    if ((await ports.authenticators.swapStatus(seen, first)) === "lost") continue;
    const shown = { ...seen, status: { ...seen.status, ...first } };
    return { totp: { ...ports.totp.enrollment(shown), shownBefore: false }, ...confirmed };
  }
}

/** POST .../register: Active by one swap, so one ticket enrolls once. A code that enrolls is thereby used. */
export async function register(
  ports: VerifierPorts,
  name: string,
  body: RegisterBody,
): Promise<RegisterAnswer | Refusal> {
  const answer = await registerOnce(ports, name, body);
  const result = "reason" in answer ? answer.reason : "Active";
  ports.attempts.tell({ attempt: "enroll", about: name, result });
  return answer;
}

async function registerOnce(
  ports: VerifierPorts,
  name: string,
  { codeVerifier, existing, ...proof }: RegisterBody,
): Promise<RegisterAnswer | Refusal> {
  let isConfirmed = false;
  for (;;) {
    const seen = await opened(ports, name, codeVerifier);
    if ("reason" in seen) return seen;
    const unconfirmed = mistakeOfExisting(seen, existing);
    if (unconfirmed !== undefined) return unconfirmed;
    const made = await madeBy(ports, seen, proof); // before anything is used up
    if ("reason" in made) return made;
    const denial = isConfirmed ? undefined : await confirm(ports, seen, existing);
    if (denial !== undefined) return denial;
    isConfirmed = true;
    const { keyID, ...factor } = made;
    const enrolled = { ...seen, status: { ...seen.status, phase: "Active" as const, keyID, ...factor } };
    const seal = ports.sealer.seal(keyID, authenticatorPreimage(ports.cluster.uid, keyID, enrolled));
    if ((await ports.authenticators.swapStatus(seen, { phase: "Active", keyID, seal, ...factor })) === "won")
      return { name, method: seen.spec.method };
  }
}

/** The authenticator that this ticket, or its owner's codeVerifier, opens. Wrong, spent, no such one: one answer. */
async function opened(
  { authenticators, secrets, clock }: VerifierPorts,
  name: string,
  codeVerifier: string,
): Promise<Authenticator | Denial> {
  const seen = await authenticators.get(name);
  const isOpen = secrets.opens(seen?.spec.codeChallenge, codeVerifier);
  if (!isOpen || seen === undefined)
    return { reason: "CallerUnknown", message: "no such authenticator, or the ticket does not open it" };
  return enrollable(seen, clock()) ?? seen;
}

type Made = Pick<NonNullable<Authenticator["status"]>, "totp" | "webauthn"> & { readonly keyID: string };

/** What the status of this authenticator says once it is Active, by a code of its seed or by the answer of a new key. */
async function madeBy(
  ports: VerifierPorts,
  seen: Authenticator,
  { totp, webauthn: answer }: Pick<RegisterBody, "totp" | "webauthn">,
): Promise<Made | Denial> {
  if (seen.spec.method === "WebAuthn") {
    if (ports.relyingParty === undefined) return noPage;
    if (answer === undefined) return otherProof(seen);
    const { rpId, origin } = ports.relyingParty;
    const expected = { challenge: challengeOf(ports, seen), rpId, origins: [origin] };
    const webauthn = await ports.webauthn.register(expected, answer);
    if ("reason" in webauthn) return webauthn;
    const keys = await activeKeys(ports, seen.spec.owner.username);
    if (keys.some(({ credential }) => credential.credentialId === webauthn.credentialId)) return enrolledAlready;
    return { keyID: ports.sealer.newestKeyID, webauthn };
  }
  if (totp === undefined) return otherProof(seen);
  const keyID = seen.status?.keyID;
  if (keyID === undefined) return { reason: "NotReady", message: "no seed was shown yet: begin again" };
  const lastTimeStep = ports.totp.matches(seen, totp.code, ports.clock());
  // not counted: whoever may enroll is shown the seed anyway, there is nothing to guess
  if (lastTimeStep === undefined) return { reason: "ProofRejected", message: "the code is not right" };
  return { keyID, totp: { lastTimeStep, failures: { consecutive: 0, total: 0 } } };
}

function webauthnOptions(
  ports: VerifierPorts,
  authenticator: Authenticator,
  keys: readonly Key[],
  confirmed: Pick<EnrollmentAnswer, "existing"> | undefined,
): EnrollmentAnswer | Denial {
  if (ports.relyingParty === undefined) return noPage;
  const { rpId } = ports.relyingParty;
  const about = { challenge: challengeOf(ports, authenticator), rpId, rpName: `kube-elevate ${ports.cluster.name}` };
  const excluded = keys.map(({ credential }) => credential);
  return { webauthn: ports.webauthn.creation(about, { authenticator, excluded }), ...confirmed };
}

/** What a browser is asked for the confirmation; undefined: an inviter's word is enough. */
function confirming(
  ports: VerifierPorts,
  authenticator: Authenticator,
  keys: readonly Key[],
): EnrollmentAnswer["existing"] | Denial {
  if (authenticator.spec.invitedBy !== undefined) return undefined;
  return requestOptions(ports, keys, challengeOf(ports, authenticator)) ?? nobodyConfirms;
}

/**
 * Whoever steals a kubeconfig can make an authenticator of its owner's; nothing of that kind becomes Active. A key is
 * confirmed by a key: a code, which can be phished, would make the stronger out of the weaker.
 */
function mistakeOfExisting(
  { spec: { invitedBy, method } }: Authenticator,
  existing: RegisterBody["existing"],
): Denial | undefined {
  if (invitedBy !== undefined) return undefined;
  if (existing === undefined) return nobodyConfirms;
  if (existing.webauthn !== undefined || method === "TOTP") return undefined;
  return { reason: "MethodNotAllowed", message: "a key is confirmed by a key, not by a code: ask for a new ticket" };
}

/** Uses the proof by an existing authenticator up; a wrong code counts as any other. */
async function confirm(
  ports: VerifierPorts,
  authenticator: Authenticator,
  existing: RegisterBody["existing"],
): Promise<Refusal | undefined> {
  const { invitedBy, owner } = authenticator.spec;
  if (invitedBy !== undefined || existing === undefined) return undefined;
  const { webauthn, totp } = existing;
  const used =
    webauthn === undefined
      ? await spendCode(ports, owner.username, totp?.code ?? "")
      : await useKey(ports, owner.username, challengeOf(ports, authenticator), webauthn);
  return "reason" in used ? used : undefined;
}

const challengeOf = ({ digest, cluster }: VerifierPorts, authenticator: Authenticator): Uint8Array =>
  digest(enrollmentPreimage(cluster.uid, authenticator));
const otherProof = ({ spec: { method } }: Authenticator): Denial => ({
  reason: "MethodNotAllowed",
  message: `this authenticator is for ${method}`,
});
const enrolledAlready: Denial = {
  reason: "InvalidAuthenticator",
  message: "this key is one of its owner's already: enroll another one",
};
const noPage: Denial = {
  reason: "MethodNotAllowed",
  message:
    "no page is set up where keys can be used (--page-url and --rp-id of the verifier): ask for a ticket for TOTP",
};
const nobodyConfirms: Denial = {
  reason: "InvalidAuthenticator",
  message: "nobody invited its owner, and no key of hers confirms it: ask an inviter for a ticket",
};
