import { expect, test } from "vitest";
import { asked, totpOfAlice } from "../../test/fakes/objects.ts";
import { challengeOf, provingGround } from "../../test/fakes/proving.ts";
import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import { authenticatorPreimage } from "../domain/challenge.ts";
import { later, parseInstant } from "../domain/time.ts";
import { enrollmentOptions, register } from "./enroll.ts";
import { prove } from "./prove.ts";
import { spendCode } from "./spend.ts";

const { name } = totpOfAlice.metadata;
const ticket = "ticket";
const invited: Authenticator = {
  ...totpOfAlice,
  spec: { ...totpOfAlice.spec, codeChallenge: challengeOf(ticket), invitedBy: "ivy" },
};
type Shown = Awaited<ReturnType<typeof enrollmentOptions>>;
const shownBefore = (answer: Shown): unknown => ("reason" in answer ? answer.reason : answer.totp?.shownBefore);
const secretOf = (answer: Shown): unknown => ("reason" in answer ? answer.reason : answer.totp?.secret);
const reasonOf = (answer: object): unknown => ("reason" in answer ? answer.reason : "yes");

function ground(authenticator: Authenticator = invited) {
  const made = provingGround();
  made.authenticators.put(authenticator);
  const options = async (codeVerifier = ticket) => enrollmentOptions(made.verifier(), name, { codeVerifier });
  const enrol = async (code = made.codeNow(), codeVerifier = ticket) =>
    register(made.verifier(), name, { codeVerifier, totp: { code } });
  return { ...made, options, enrol };
}

test("a ticket opens its enrollment: the seed is shown, one code of it makes the authenticator Active under our seal", async () => {
  const { options, enrol, totpStatus, authenticators, verifier, world } = ground();
  expect(await options()).toEqual({
    totp: { secret: invited.metadata.uid, uri: `otpauth://totp/${name}`, shownBefore: false },
  });
  expect(await totpStatus()).toEqual({ phase: "Pending", keyID: "k1" });
  expect(await enrol()).toEqual({ name, method: "TOTP" });
  const active = await authenticators.get(name);
  expect(active?.status).toMatchObject({
    phase: "Active",
    keyID: "k1",
    totp: { lastTimeStep: Math.floor(world.now / 30_000), failures: { consecutive: 0, total: 0 } },
  });
  const { sealer, cluster } = verifier();
  const { keyID = "", seal = "" } = active?.status ?? {};
  expect(active && sealer.holds(keyID, seal, authenticatorPreimage(cluster.uid, keyID, active))).toBe(true);
});

test("the code that enrolled is used thereby; the next one proves", async () => {
  const { options, enrol, codeNow, verifier, pass } = ground();
  await options();
  await enrol();
  expect(reasonOf(await spendCode(verifier(), "alice", codeNow()))).toBe("ProofAlreadyUsed");
  pass(30_000);
  expect(reasonOf(await spendCode(verifier(), "alice", codeNow()))).toBe("yes");
});

test("EN06: the key of the seed is written down with its first showing: a key that is added later changes no seed", async () => {
  const { options, verifier, totpStatus, codeNow } = ground();
  await options();
  const ports = verifier();
  const restarted = { ...ports, sealer: { ...ports.sealer, newestKeyID: "k2" } };
  expect(reasonOf(await enrollmentOptions(restarted, name, { codeVerifier: ticket }))).toBe("yes");
  expect((await totpStatus())?.keyID).toBe("k1");
  expect(reasonOf(await register(restarted, name, { codeVerifier: ticket, totp: { code: codeNow() } }))).toBe("yes");
  expect((await totpStatus())?.keyID).toBe("k1");
});

test("EN03: two parallel registers of one ticket: one enrolls, the other is refused, one seal", async () => {
  const { options, enrol, totpStatus } = ground();
  await options();
  const answers = await Promise.all([enrol(), enrol()]);
  expect(new Set(answers.map(reasonOf))).toEqual(new Set(["CallerUnknown", "yes"]));
  expect((await totpStatus())?.phase).toBe("Active");
});

test("EN06: whoever is shown the seed after somebody else is told so, by any verifier and however often", async () => {
  const { options, enrol } = ground();
  const answers = [await options(), await options(), await options()];
  expect(answers.map(shownBefore)).toEqual([false, true, true]);
  expect(new Set(answers.map(secretOf)).size).toBe(1);
  expect(reasonOf(await enrol("000000"))).toBe("ProofRejected");
  expect(shownBefore(await options())).toBe(true);
});

test("EN06: a ticket that opens nothing, and a code before any showing, are no showings", async () => {
  const { options, enrol } = ground();
  expect(reasonOf(await options("another ticket"))).toBe("CallerUnknown");
  expect(reasonOf(await enrol())).toBe("NotReady");
  expect(shownBefore(await options())).toBe(false);
});

test.each([2, 3])(
  "EN06: %i parallel showings of one ticket show one seed, and one alone is the first",
  async (count) => {
    const { options, authenticators } = ground();
    const answers = await Promise.all(Array.from({ length: count }, async () => options()));
    expect(new Set(answers.map(secretOf))).toEqual(new Set([invited.metadata.uid]));
    expect(answers.map(shownBefore).filter((before) => before === false)).toHaveLength(1);
    expect(answers.map(shownBefore).filter((before) => before === true)).toHaveLength(count - 1);
    expect((await authenticators.get(name))?.status?.keyID).toBe("k1");
  },
);

test("EN13: a spent ticket shows no seed any more and registers nothing", async () => {
  const { options, enrol, pass, totpStatus } = ground();
  await options();
  await enrol();
  pass(30_000);
  const before = await totpStatus();
  expect(reasonOf(await options())).toBe("CallerUnknown");
  expect(reasonOf(await enrol())).toBe("CallerUnknown");
  expect(await totpStatus()).toEqual(before);
});

test("EN12: after its time the right ticket is TicketExpired, and nothing becomes Active", async () => {
  const { options, enrol, world, totpStatus } = ground();
  await options();
  world.now = parseInstant(invited.spec.expirationTime);
  expect(reasonOf(await options())).toBe("yes");
  world.now = later(world.now, 1);
  expect(reasonOf(await options())).toBe("TicketExpired");
  expect(reasonOf(await enrol())).toBe("TicketExpired");
  expect((await totpStatus())?.phase).toBe("Pending");
});

test("EN01: what the owner's kubeconfig alone can make is never Active: nobody invited", async () => {
  const { invitedBy: _, ...uninvited } = invited.spec;
  const { options, enrol, totpStatus } = ground({ ...invited, spec: uninvited });
  expect(reasonOf(await options())).toBe("InvalidAuthenticator");
  expect(reasonOf(await enrol())).toBe("InvalidAuthenticator");
  expect(await totpStatus()).toBeUndefined();
});

test("wrong ticket, no ticket's, disabled or no such authenticator: one answer, nothing written", async () => {
  const { options, enrol, totpStatus, verifier, authenticators } = ground();
  const answers = [
    await options("another ticket"),
    await enrol(undefined, "another ticket"),
    await enrollmentOptions(verifier(), "626f62.totp", { codeVerifier: ticket }),
  ];
  authenticators.put({ ...invited, spec: { ...invited.spec, disabled: true } });
  answers.push(await options());
  expect(answers.map(reasonOf)).toEqual(answers.map(() => "CallerUnknown"));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(await totpStatus()).toBeUndefined();
});

test("a wrong code enrolls nothing and is not counted; the right one does afterwards", async () => {
  const { options, enrol, totpStatus } = ground();
  expect(reasonOf(await enrol())).toBe("NotReady"); // no seed was shown
  await options();
  for (let count = 0; count < 20; count++) expect(reasonOf(await enrol("000000"))).toBe("ProofRejected");
  expect(await totpStatus()).toEqual({ phase: "Pending", keyID: "k1" });
  expect(reasonOf(await enrol())).toBe("yes");
});

test("an authenticator of another method is not enrolled by a code", async () => {
  const { enrol } = ground({ ...invited, spec: { ...invited.spec, method: "WebAuthn" } });
  expect(reasonOf(await enrol())).toBe("MethodNotAllowed");
});

test("each attempt to enroll is told with its word, without code or ticket", async () => {
  const { options, enrol, attempts } = ground();
  await options();
  await enrol("424242");
  await enrol();
  expect(attempts).toEqual([
    { attempt: "enroll", about: name, result: "ProofRejected" },
    { attempt: "enroll", about: name, result: "Active" },
  ]);
});

test("whoever was enrolled by a ticket proves with it", async () => {
  const { options, enrol, offered, verifier, pass, codeNow } = ground();
  await options();
  await enrol();
  pass(30_000);
  const key = await offered("fix", { codeChallenge: asked.codeChallenge });
  const answer = await prove(verifier(), key, { codeVerifier: "v", totp: { code: codeNow() } }, 0);
  expect(answer).toMatchObject({ method: "TOTP", phase: "Pending" });
});
