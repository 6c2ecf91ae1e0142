import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Assertion, RequestOptions } from "../api/v1alpha1/webauthn.ts";
import { authenticatorName } from "../domain/authenticator-name.ts";
import { attemptKey } from "../domain/proof.ts";
import type { Denial } from "../domain/reasons.ts";
import { formatInstant } from "../domain/time.ts";
import { isSealed } from "./is-sealed.ts";
import type { Credential, Evidence, VerifierPorts } from "./ports.ts";

// Keys (WebAuthn) of one user: which there are, what a browser is asked, and one answer taken.

export type Key = { readonly authenticator: Authenticator; readonly credential: Credential };
export type UsedKey = { readonly webauthn: Evidence; readonly by: Authenticator["metadata"] };

const slots = ["key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7", "key-8", "key-9"] as const;

const namesOf = (username: string): readonly string[] => slots.map((slot) => authenticatorName(username, slot));

/** This user's keys that are in use: Active by the verifier's own seal, not disabled, and of the page that is set up now. */
export async function activeKeys(ports: VerifierPorts, username: string): Promise<readonly Key[]> {
  const found = await Promise.all(namesOf(username).map(async (name) => ports.authenticators.get(name)));
  return inUse(ports, username, found);
}

function inUse(ports: VerifierPorts, username: string, found: readonly (Authenticator | undefined)[]): readonly Key[] {
  return found.flatMap((authenticator) => {
    const credential = authenticator?.status?.webauthn;
    if (authenticator === undefined || credential === undefined) return [];
    const { relyingParty } = ports; // a page that was given up may be somebody else's by now
    if (credential.rpId !== relyingParty?.rpId || credential.origin !== relyingParty.origin) return [];
    return isSealed(ports, authenticator, username, "WebAuthn") ? [{ authenticator, credential }] : [];
  });
}

/** What a browser is asked; undefined: there is no such key. */
export function requestOptions(
  { relyingParty, webauthn }: VerifierPorts,
  keys: readonly Key[],
  challenge: Uint8Array,
): RequestOptions | undefined {
  if (relyingParty === undefined || keys.length === 0) return undefined;
  const credentials = keys.map(({ credential }) => credential);
  return webauthn.request({ challenge, rpId: relyingParty.rpId }, credentials);
}

type Judging = {
  /** What the policy has against a key. */
  readonly refuses?: (credential: Credential) => Denial | undefined;
  /** Told when a right answer counts as if there were two of the key. */
  readonly onCopy?: (denial: Denial) => void;
};

/**
 * Takes one answer of one of this user's keys to this challenge. Its counter is swapped in before anybody is told, so a
 * copy of the key is seen, and one answer that comes twice counts once.
 */
export async function useKey(
  ports: VerifierPorts,
  username: string,
  challenge: Uint8Array,
  answer: Assertion,
  { refuses, onCopy }: Judging = {},
): Promise<UsedKey | Denial> {
  const { authenticators, webauthn } = ports;
  // The challenge has just read them. So they are judged as they were then; that it is still so, the swap says, or a look.
  for (let isLive = false; ; isLive = true) {
    const keys = isLive
      ? await activeKeys(ports, username)
      : inUse(
          ports,
          username,
          namesOf(username).map((name) => authenticators.lastSeen(name)),
        );
    const key = keys.find(({ credential }) => credential.credentialId === answer.id);
    if (key === undefined) {
      if (isLive) return noneOf(keys);
      continue;
    }
    const { authenticator, credential } = key;
    const refused = refuses?.(credential);
    if (refused !== undefined) return refused; // by the policy, of what never changes in a key
    const userId = webauthn.userIdOf(authenticator);
    const shown = await webauthn.assert({ challenge, credential, userId }, answer);
    if ("reason" in shown) {
      if (isLive) return shown;
      continue;
    }
    const denial = attemptKey(credential.signCount ?? 0, shown.signCount);
    if (denial !== undefined) {
      if (!isLive) continue;
      if (denial.reason === "ProofRejected") onCopy?.(denial);
      return denial;
    }
    const patch = { webauthn: { signCount: shown.signCount }, lastUsedTime: formatInstant(ports.clock()) };
    if ((await authenticators.swapStatus(authenticator, patch)) === "lost") continue;
    return { webauthn: shown.evidence, by: authenticator.metadata };
  }
}

const noneOf = (keys: readonly Key[]): Denial =>
  keys.length === 0
    ? {
        reason: "AuthenticatorUnknown",
        message: "you have no active key of this cluster's page: kubectl elevate enroll webauthn",
      }
    : { reason: "ProofRejected", message: "this key is none of yours" };
