import { apiVersion } from "../../../src/api/v1alpha1/meta.ts";
import type { RequestOptions } from "../../../src/api/v1alpha1/webauthn.ts";
import { authenticatorPath, challengeAnswer, enrollmentAnswer } from "../../../src/api/v1alpha1/wire.ts";
import { type Said as KeySaid, type SecurityKey, securityKey } from "../../fakes/security-key.ts";
import type { Cluster } from "./control-plane.ts";
import { challengeOf, challengePath, type Endpoint, newSecret, post } from "./endpoint.ts";

// A key in software that answers as a browser at the page would; the page itself and a real browser: test/browser.

/** Settings of a verifier for a page that nobody opens. */
const page = { url: "https://elevate.example.com", rpId: "elevate.example.com" } as const;
export const pageEnv = { KUBE_ELEVATE_PAGE_URL: page.url, KUBE_ELEVATE_RP_ID: page.rpId };

export const keyOf = (username: string, slot = "key-1"): string => `${Buffer.from(username).toString("hex")}.${slot}`;

export type Enrolled = { readonly key: SecurityKey; readonly userHandle: string };

/** Invited by ivy and enrolled with a key of her own. */
export async function enrollKey(
  { apply }: Pick<Cluster, "apply">,
  at: Endpoint,
  ca: string,
  username: string,
  said: KeySaid = {},
): Promise<Enrolled> {
  const codeVerifier = newSecret();
  await apply("ivy", {
    apiVersion,
    kind: "Authenticator",
    metadata: { name: keyOf(username) },
    spec: {
      owner: { username },
      method: "WebAuthn",
      codeChallenge: challengeOf(codeVerifier),
      invitedBy: "ivy",
      expirationTime: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  const path = (action: "challenge" | "register") => authenticatorPath(keyOf(username), action);
  const asked = await post(at, ca, path("challenge"), { codeVerifier });
  const { webauthn: options } = asked.status === 200 ? enrollmentAnswer.parse(asked.body) : {};
  if (options === undefined) throw new Error(`no key is asked for: ${asked.text}`);
  const key = securityKey({ origin: page.url });
  const done = await post(at, ca, path("register"), { codeVerifier, webauthn: key.create(options, said) });
  if (done.status !== 201) throw new Error(`not enrolled: ${done.text}`);
  return { key, userHandle: options.user.id };
}

/** What a browser is asked for this request. */
export async function optionsFor(
  at: Endpoint,
  ca: string,
  { name, codeVerifier }: { readonly name: string; readonly codeVerifier: string },
): Promise<RequestOptions> {
  const said = await post(at, ca, challengePath(name), { codeVerifier });
  const { webauthn } = said.status === 200 ? challengeAnswer.parse(said.body) : {};
  if (webauthn === undefined) throw new Error(`no key is asked: ${said.text}`);
  return webauthn;
}
