import { codeOf } from "../../hack/demo/totp.ts";
import type { Authenticator } from "../../src/api/v1alpha1/authenticator.ts";
import type { Method } from "../../src/api/v1alpha1/meta.ts";
import { enrollmentOptions, register } from "../../src/flows/enroll.ts";
import { totpOfAlice } from "../fakes/objects.ts";
import { securityKey } from "../fakes/security-key.ts";
import { tampered } from "./leaves.ts";
import { keyOfAlice, type Life, origin, type Snapshot, ticket } from "./lives.ts";

// One authenticator of alice's in memory, at each of its moments, and what it is good for: to its owner, to who holds its
// ticket, and to a grant that it proved.

/** shown: its seed is. further: added by alice herself, so that it needs a factor of hers to confirm it. lapsed: too late. */
export const stages = ["invited", "shown", "further", "lapsed", "in use", "disabled"] as const;
export type Stage = (typeof stages)[number];

export const mallorys = "mallory's ticket";
const nameOf = (method: Method): string => (method === "TOTP" ? totpOfAlice.metadata.name : keyOfAlice);

/** An authenticator as it is then; undefined: this method has no such moment. */
export function factorAt(life: Life, stage: Stage): Authenticator | undefined {
  const { method } = life;
  const inUse = life.at("offered").factors.find(({ metadata }) => metadata.name === nameOf(method));
  if (inUse === undefined) throw new Error(`alice has no ${method}`);
  const { metadata, spec } = inUse;
  switch (stage) {
    case "invited":
      return { metadata, spec };
    case "shown":
      return method === "TOTP" ? { metadata, spec, status: { phase: "Pending", keyID: "k1" } } : undefined;
    case "further":
      return tampered({ metadata, spec }, "spec.invitedBy", undefined);
    case "lapsed":
      return { metadata, spec: { ...spec, expirationTime: "2026-11-24T09:59:59Z" } };
    case "in use":
      return inUse;
    case "disabled":
      return { ...inUse, spec: { ...spec, disabled: true } };
  }
}

/** What this authenticator is good for: to alice, to who holds its ticket, to mallory by hers, to a grant that it proved. */
export async function worthOf(life: Life, stage: Stage, factor: Authenticator): Promise<string> {
  const others = life.at("offered").factors.filter(({ metadata }) => metadata.name !== factor.metadata.name);
  const from = (moment: "offered" | "active"): Snapshot => ({ ...life.at(moment), factors: [...others, factor] });
  await life.restore(from("offered"));
  life.pass(60_000);
  const proof = await life.proveIt().catch(() => "an error");
  await life.restore(from("offered"));
  const first = await enroll(life, factor, ticket).catch(() => "an error");
  await life.restore(from("offered"));
  const second = await enroll(life, factor, mallorys).catch(() => "an error");
  const words = [`proof: ${proof ?? "taken"}`, `ticket: ${first ?? "enrolls"}`];
  if (second === undefined) words.push("hers: enrolls");
  if (stage === "in use" || stage === "disabled") {
    await life.restore(from("active"));
    await life.settle({});
    const { status } = (await life.look()).request;
    words.push(`grant: ${status?.phase === "Active" ? "stays" : String(status?.reason)}`);
  }
  return words.join(", ");
}

async function enroll(
  { verifier, clock }: Life,
  { metadata: { name } }: Authenticator,
  codeVerifier: string,
): Promise<string | undefined> {
  const asked = await enrollmentOptions(verifier, name, { codeVerifier });
  if ("reason" in asked) return asked.reason;
  const proof = asked.webauthn
    ? { webauthn: securityKey({ origin }).create(asked.webauthn) }
    : { totp: { code: codeOf(asked.totp?.secret ?? "", clock()) } };
  const made = await register(verifier, name, { codeVerifier, ...proof });
  return "reason" in made ? made.reason : undefined;
}
