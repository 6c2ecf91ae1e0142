import { createHash, randomBytes } from "node:crypto";
import { type Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf } from "../../../hack/demo/totp.ts";
import { apiVersion } from "../../../src/api/v1alpha1/meta.ts";
import { authenticatorPath, enrollmentAnswer, requestPath } from "../../../src/api/v1alpha1/wire.ts";
import type { Cluster } from "./control-plane.ts";

// The endpoint as a client sees it, and what a person's authenticator app does; nothing here is shared with the verifier
// but the paths.

export type Said = {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
};
export type Endpoint = { readonly endpoint: string };

/** One POST over HTTPS whose certificate is checked by the published one; a connection of its own, unless `agent` keeps one. */
export async function post(
  { endpoint }: Endpoint,
  ca: string,
  path: string,
  body: unknown,
  agent: Agent | false = false,
  more: { readonly [name: string]: string } = {},
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json", ...more };
    const sent = request(new URL(path, endpoint), { method: "POST", ca, agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: objectOf(text) }),
      );
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}

export const newSecret = (): string => randomBytes(32).toString("base64url");
export const challengeOf = (secret: string): string => createHash("sha256").update(secret).digest("base64url");
export const totpOf = (username: string): string => `${Buffer.from(username).toString("hex")}.totp`;

export type Person = { readonly username: string; readonly ticket: string; readonly seed: string };

/** ivy's invitation of this user, with a ticket that is handed over. */
export async function invite(
  { apply }: Pick<Cluster, "apply">,
  username: string,
  expirationTime = new Date(Date.now() + 3_600_000).toISOString(),
): Promise<string> {
  const ticket = newSecret();
  const spec = { method: "TOTP", codeChallenge: challengeOf(ticket), invitedBy: "ivy", expirationTime };
  await apply("ivy", {
    apiVersion,
    kind: "Authenticator",
    metadata: { name: totpOf(username) },
    spec: { owner: { username }, ...spec },
  });
  return ticket;
}

/** The seed that the endpoint shows to the holder of the ticket. */
export async function seedOf(...given: Parameters<typeof shownOf>): Promise<string> {
  return (await shownOf(...given)).secret;
}

/** The same, and whether somebody was shown it before. */
export async function shownOf(at: Endpoint, ca: string, username: string, ticket: string) {
  const shown = await post(at, ca, authenticatorPath(totpOf(username), "challenge"), { codeVerifier: ticket });
  const { totp } = shown.status === 200 ? enrollmentAnswer.parse(shown.body) : {};
  if (totp === undefined) throw new Error(`no seed is shown: ${shown.text}`);
  return totp;
}

/** Invited and enrolled with the code of the step before this one, so that the code of this one is unused. */
export async function enroll(
  cluster: Pick<Cluster, "apply">,
  at: Endpoint,
  ca: string,
  username: string,
): Promise<Person> {
  const ticket = await invite(cluster, username);
  const seed = await seedOf(at, ca, username, ticket);
  const path = authenticatorPath(totpOf(username), "register");
  const done = await post(at, ca, path, {
    codeVerifier: ticket,
    totp: { code: codeAt(seed, (await stepNow(3_000)) - 1) },
  });
  if (done.status !== 201) throw new Error(`not enrolled: ${done.text}`);
  return { username, ticket, seed };
}

/** This user's request for shop-debug, claimed by the codeVerifier that comes back. */
export async function ask(
  { apply }: Pick<Cluster, "apply">,
  user: string,
  name: string,
  spec: object = {},
): Promise<{ readonly name: string; readonly codeVerifier: string }> {
  const codeVerifier = newSecret();
  const asked = { policyName: "shop-debug", duration: "10m", justification: "INC-1 test" };
  await apply(user, {
    apiVersion,
    kind: "ElevationRequest",
    metadata: { name, namespace: "shop" },
    spec: { ...asked, codeChallenge: challengeOf(codeVerifier), ...spec },
  });
  return { name, codeVerifier };
}

export const verifyPath = (name: string): string => requestPath("shop", name, "verify");
export const challengePath = (name: string): string => requestPath("shop", name, "challenge");

/** The code of a step, by an authenticator app that shares nothing with the verifier. */
export const codeAt = (seed: string, step: number): string => codeOf(seed, step * stepMs);

/**
 * The step that it is; its code is right until the end of the next one. Where less than `roomMs` are left of it, the next
 * one is waited for: for who needs the code of the step before.
 */
export async function stepNow(roomMs = 0): Promise<number> {
  const leftMs = stepMs - (Date.now() % stepMs);
  if (leftMs < roomMs) await sleep(leftMs);
  return Math.floor(Date.now() / stepMs);
}

/** Codes that are right at no step near this one. */
export function wrongCodes(seed: string, step: number, count: number): readonly string[] {
  const right = new Set([-3, -2, -1, 0, 1, 2, 3].map((off) => codeAt(seed, step + off)));
  const codes = Array.from({ length: count + right.size }, (_code, index) => String(100_000 + index));
  return codes.filter((code) => !right.has(code)).slice(0, count);
}

const stepMs = 30_000;
function objectOf(text: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
}
