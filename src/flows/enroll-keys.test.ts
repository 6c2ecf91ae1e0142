import { expect, onTestFinished, test, vi } from "vitest";
import { meta, totpOfAlice } from "../../test/fakes/objects.ts";
import { challengeOf, provingGround, verifierOf } from "../../test/fakes/proving.ts";
import { type SecurityKey, securityKey } from "../../test/fakes/security-key.ts";
import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { RegisterBody } from "../api/v1alpha1/wire.ts";
import { challenge } from "./challenge.ts";
import { useKey } from "./credentials.ts";
import { enrollmentOptions, register } from "./enroll.ts";
import { prove } from "./prove.ts";

// Keys of alice's and bob's, in software, enrolled and used as the page does it.

const origin = "https://elevate.example.com";
const ticket = "ticket";
const hex = (text: string): string => Buffer.from(text).toString("hex");
const wordOf = (answer: object): unknown => ("reason" in answer ? answer.reason : "yes");

type Made = { readonly slot: string; readonly owner?: string; readonly invited?: boolean };

function ground() {
  const made = provingGround({ authentication: { methods: ["WebAuthn", "TOTP"], totp: { maxDuration: "15m" } } });
  const ports = made.verifier();
  const open = ({ slot, owner = "alice", invited = false }: Made): string => {
    const name = `${hex(owner)}.${slot}`;
    const authenticator: Authenticator = {
      metadata: { ...meta, uid: `uid of ${owner}'s ${slot}`, name },
      spec: {
        owner: { username: owner },
        method: slot === "totp" ? "TOTP" : "WebAuthn",
        codeChallenge: challengeOf(ticket),
        expirationTime: totpOfAlice.spec.expirationTime,
        ...(invited && { invitedBy: "ivy" }),
      },
    };
    made.authenticators.put(authenticator);
    return name;
  };
  const options = async (name: string) => {
    const answer = await enrollmentOptions(ports, name, { codeVerifier: ticket });
    if ("reason" in answer) throw new Error(answer.message);
    return answer;
  };
  const enroll = async (name: string, proof: Omit<RegisterBody, "codeVerifier">) =>
    wordOf(await register(ports, name, { codeVerifier: ticket, ...proof }));
  const statusOf = async (name: string) => (await made.authenticators.get(name))?.status;
  /** Enrolled by an inviter's ticket. */
  const withKey = async (owner: string, slot = "key-1"): Promise<SecurityKey> => {
    const [key, name] = [securityKey({ origin }), open({ slot, owner, invited: true })];
    const { webauthn } = await options(name);
    if (webauthn === undefined) throw new Error("no key is asked for");
    expect(await enroll(name, { webauthn: key.create(webauthn) })).toBe("yes");
    return key;
  };
  /** A further one of alice's, and what a browser would be asked for it. */
  const further = async (slot: string) => {
    const name = open({ slot });
    const { webauthn, existing } = await options(name);
    if (existing === undefined) throw new Error("no key is asked to confirm it");
    return { name, creation: webauthn, existing };
  };
  const asked = async (name: string) => {
    const request = await made.offered(name);
    const answer = await challenge(ports, request, { codeVerifier: verifierOf(name) }, 0);
    if ("reason" in answer || answer.webauthn === undefined) throw new Error("no key is asked");
    return { request, webauthn: answer.webauthn };
  };
  return { ...made, ports, open, options, enroll, statusOf, withKey, further, asked };
}

test("EN02: a further key of alice's is confirmed by one that she has, and is Active; its answer alone, it is not", async () => {
  const { withKey, further, enroll, statusOf } = ground();
  const first = await withKey("alice");
  const { name, creation, existing } = await further("key-2");
  if (creation === undefined) throw new Error("no key is asked for");
  const webauthn = securityKey({ origin }).create(creation);
  expect(creation.excludeCredentials.map(({ id }) => id)).toEqual([text(first.credentialId)]);
  expect(existing.allowCredentials.map(({ id }) => id)).toEqual([text(first.credentialId)]);
  expect(await enroll(name, { webauthn })).toBe("InvalidAuthenticator");
  expect((await statusOf(name))?.phase).toBeUndefined();
  expect(await enroll(name, { webauthn, existing: { webauthn: first.get(existing) } })).toBe("yes");
  expect(await statusOf(name)).toMatchObject({ phase: "Active", webauthn: { rpId: "elevate.example.com", origin } });
});

test.each([
  ["moved below the same relying party", { rpId: "elevate.example.com", origin: "https://new.elevate.example.com" }],
  ["given up for another one", { rpId: "other.org", origin: "https://other.org" }],
  ["taken away", undefined],
])("a key of a page that was %s is asked no more, and good for nothing", async (_how, relyingParty) => {
  const { ports, withKey, asked } = ground();
  const key = await withKey("alice");
  const { request, webauthn } = await asked("fix");
  const now = { ...ports, relyingParty };
  const body = { codeVerifier: verifierOf("fix"), webauthn: key.get(webauthn) };
  const challenged = await challenge(now, request, { codeVerifier: body.codeVerifier }, 0);
  expect("webauthn" in challenged).toBe(false);
  expect(wordOf(await prove(now, request, body, 0))).toBe("AuthenticatorUnknown");
  expect(wordOf(await prove(ports, request, body, 0))).toBe("yes");
});

test("EN02: confirmed by bob's key, by itself, by an old answer, by one to a request or for another slot: refused, never Active", async () => {
  const { withKey, further, enroll, statusOf, asked } = ground();
  const [alice, bob] = [await withKey("alice"), await withKey("bob")];
  const done = await further("key-2");
  const old = alice.get(done.existing);
  if (done.creation === undefined) throw new Error("no key is asked for");
  const second = securityKey({ origin });
  expect(await enroll(done.name, { webauthn: second.create(done.creation), existing: { webauthn: old } })).toBe("yes");

  const { name, creation, existing } = await further("key-3");
  if (creation === undefined) throw new Error("no key is asked for");
  const key = securityKey({ origin });
  const webauthn = key.create(creation);
  const { webauthn: request } = await asked("fix");
  const count = (await statusOf(`${hex("alice")}.key-1`))?.webauthn?.signCount;
  for (const wrong of [
    bob.get(existing),
    bob.get(existing, { credentialId: alice.credentialId }),
    key.get(existing),
    old,
    alice.get(request),
    alice.get(done.existing),
    alice.get(existing, { type: "webauthn.create" }),
    alice.get(existing, { origin: "https://evil.example" }),
  ])
    expect(await enroll(name, { webauthn, existing: { webauthn: wrong } })).toBe("ProofRejected");
  expect((await statusOf(name))?.phase).toBeUndefined();
  expect((await statusOf(`${hex("alice")}.key-1`))?.webauthn?.signCount).toBe(count);
  expect(await enroll(name, { webauthn, existing: { webauthn: alice.get(existing) } })).toBe("yes");
});

test("EN02: a key that is alice's already is no further one; bob may enroll it, as another person's", async () => {
  const { withKey, further, enroll, statusOf, open, options } = ground();
  const alice = await withKey("alice");
  const { name, creation, existing } = await further("key-2");
  if (creation === undefined) throw new Error("no key is asked for");
  const proof = { webauthn: alice.create(creation), existing: { webauthn: alice.get(existing) } };
  expect(await enroll(name, proof)).toBe("InvalidAuthenticator");
  expect((await statusOf(name))?.phase).toBeUndefined();
  const ofBob = open({ slot: "key-1", owner: "bob", invited: true });
  const { webauthn } = await options(ofBob);
  if (webauthn === undefined) throw new Error("no key is asked for");
  expect(await enroll(ofBob, { webauthn: alice.create(webauthn) })).toBe("yes");
});

test("WA10: the answer for one cluster is refused at another that shares the relying party, and counts nothing", async () => {
  const { withKey, asked, ports, requests, statusOf } = ground();
  const alice = await withKey("alice");
  const { request, webauthn } = await asked("fix");
  const here = await requests.get("fix");
  const offer = here?.status?.offer;
  if (here === undefined || offer === undefined) throw new Error("nothing is offered");
  const there = { ...offer, cluster: { ...offer.cluster, uid: "another cluster" } };
  requests.put({ ...here, status: { ...here.status, offer: there } });
  const before = await statusOf(`${hex("alice")}.key-1`);
  const proof = { codeVerifier: verifierOf("fix"), webauthn: alice.get(webauthn) };
  expect(wordOf(await prove(ports, request, proof, 0))).toBe("ProofRejected");
  expect(await statusOf(`${hex("alice")}.key-1`)).toEqual(before);
  requests.put(here);
  expect(wordOf(await prove(ports, request, proof, 0))).toBe("yes");
});

test("WA13: a count that went back is told as an Event, and so is one that stood still; what does not hold is not", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }).setTimerTickMode("nextTimerAsync"); // waits cost no time
  onTestFinished(() => void vi.useRealTimers());
  const { withKey, asked, ports, alarms } = ground();
  const alice = await withKey("alice");
  const words: unknown[] = [];
  for (const [name, said] of [
    ["first", { signCount: 7 }],
    ["back", { signCount: 6 }],
    ["still", { signCount: 7 }],
    ["wrong", { signCount: 6, origin: "https://evil.example" }],
  ] as const) {
    const { request, webauthn } = await asked(name);
    const proof = { codeVerifier: verifierOf(name), webauthn: alice.get(webauthn, said) };
    words.push(wordOf(await prove(ports, request, proof, 0)));
  }
  expect(words).toEqual(["yes", "ProofRejected", "ProofAlreadyUsed", "ProofRejected"]);
  expect(alarms).toMatchObject([
    { about: { name: "back" }, denial: { reason: "ProofRejected" } },
    { about: { name: "still" }, denial: { reason: "ProofAlreadyUsed" } },
  ]);
});

test("EN02: two registers of a further key at once, with one confirmation: one Active, under one seal", async () => {
  const { withKey, further, enroll } = ground();
  const alice = await withKey("alice");
  const { name, creation, existing } = await further("key-2");
  if (creation === undefined) throw new Error("no key is asked for");
  const proof = {
    webauthn: securityKey({ origin }).create(creation),
    existing: { webauthn: alice.get(existing) },
  };
  const words = await Promise.all([enroll(name, proof), enroll(name, proof)]);
  expect(words.filter((word) => word === "yes")).toHaveLength(1);
});

test("EN17: a code confirms no key, and is not spent on it; a key confirms an app", async () => {
  const { withKey, further, enroll, codeNow, totpStatus, ports, open, options } = ground();
  const alice = await withKey("alice");
  const { name, creation } = await further("key-2");
  if (creation === undefined) throw new Error("no key is asked for");
  const webauthn = securityKey({ origin }).create(creation);
  const before = await totpStatus();
  for (const code of [codeNow(), "999999"])
    expect(await enroll(name, { webauthn, existing: { totp: { code } } })).toBe("MethodNotAllowed");
  expect(await totpStatus()).toEqual(before);

  const app = open({ slot: "totp" }); // in place of the one that she had
  const { totp, existing } = await options(app);
  expect([totp?.secret, existing?.allowCredentials.length]).toEqual(["uid of alice's totp", 1]);
  if (existing === undefined) throw new Error("no key is asked to confirm it");
  expect(await enroll(app, { totp: { code: codeNow() } })).toBe("InvalidAuthenticator");
  expect(await enroll(app, { totp: { code: codeNow() }, existing: { webauthn: alice.get(existing) } })).toBe("yes");
  expect((await ports.authenticators.get(app))?.status?.phase).toBe("Active");
});

test("EN17: a code of an app that is wrong uses no key's answer up; who has an app alone gets a key by a ticket", async () => {
  const { withKey, enroll, codeNow, open, options } = ground();
  const alice = await withKey("alice");
  const app = open({ slot: "totp" });
  const { existing } = await options(app);
  if (existing === undefined) throw new Error("no key is asked to confirm it");
  const confirmed = { existing: { webauthn: alice.get(existing) } };
  expect(await enroll(app, { totp: { code: "999999" }, ...confirmed })).toBe("ProofRejected");
  expect(await enroll(app, { totp: { code: codeNow() }, ...confirmed })).toBe("yes");

  const appAlone = ground();
  const name = appAlone.open({ slot: "key-1" });
  expect(wordOf(await enrollmentOptions(appAlone.ports, name, { codeVerifier: ticket }))).toBe("InvalidAuthenticator");
});

test("TO08: TOTP is locked: the key proves all the same; ten answers of a key refused: TOTP is not locked", async () => {
  const { withKey, asked, ports, offered, codeNow, totpStatus } = ground();
  const alice = await withKey("alice");
  const { request, webauthn } = await asked("by-key");
  const wrong = async () =>
    prove(
      ports,
      request,
      { codeVerifier: verifierOf("by-key"), webauthn: alice.get(webauthn, { origin: "https://evil.example" }) },
      0,
    );
  for (let tries = 0; tries < 10; tries += 1) expect(wordOf(await wrong())).toBe("ProofRejected");
  expect((await totpStatus())?.totp?.failures).toEqual({ consecutive: 0, total: 0 });
  const byCode = await offered("by-code");
  const code = async (typed: string, name = byCode) =>
    wordOf(await prove(ports, name, { codeVerifier: verifierOf(name.name), totp: { code: typed } }, 0));
  expect(await code(codeNow())).toBe("yes");

  const locked = await offered("locked");
  for (let tries = 0; tries < 10; tries += 1) await code("999999", locked);
  expect(await code(codeNow(), locked)).toBe("AuthenticatorLocked");
  const proof = { codeVerifier: verifierOf("by-key"), webauthn: alice.get(webauthn) };
  expect(await prove(ports, request, proof, 0)).toMatchObject({ method: "WebAuthn", phase: "Pending" });
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

test("EN01: a new key is enrolled by its answer to this very enrollment, at this page, and by no other", async () => {
  const { open, options, enroll, statusOf } = ground();
  const name = open({ slot: "key-1", invited: true });
  const { webauthn } = await options(name);
  const { webauthn: ofAnother } = await options(open({ slot: "key-2", invited: true }));
  if (webauthn === undefined || ofAnother === undefined) throw new Error("no key is asked for");
  const key = securityKey({ origin });
  for (const wrong of [
    key.create(ofAnother),
    key.create(webauthn, { origin: "https://evil.example" }),
    key.create(webauthn, { type: "webauthn.get" }),
  ])
    expect(await enroll(name, { webauthn: wrong })).toBe("ProofRejected");
  expect(await statusOf(name)).toBeUndefined();
  expect(await enroll(name, { webauthn: key.create(webauthn) })).toBe("yes");
});

test("TA01: a key that was written into a status is none: it is not asked, and proves nothing", async () => {
  const { withKey, asked, ports, authenticators } = ground();
  const [alice, mallory] = [await withKey("alice"), await withKey("mallory")];
  const sealed = await authenticators.get(`${hex("mallory")}.key-1`);
  if (sealed === undefined) throw new Error("mallory has a key");
  const metadata = { ...sealed.metadata, name: `${hex("alice")}.key-2` };
  authenticators.put({ ...sealed, metadata, spec: { ...sealed.spec, owner: { username: "alice" } } });
  const { request, webauthn } = await asked("fix");
  expect(webauthn.allowCredentials.map(({ id }) => id)).toEqual([text(alice.credentialId)]);
  const body = { codeVerifier: verifierOf("fix"), webauthn: mallory.get(webauthn) };
  expect(wordOf(await prove(ports, request, body, 0))).toBe("ProofRejected");
});

test("a key that the policy does not take proves nothing, and its answer is not used up", async () => {
  const { withKey, asked, ports, statusOf } = ground();
  const alice = await withKey("alice");
  const { request, webauthn } = await asked("fix");
  const body = { codeVerifier: verifierOf("fix"), webauthn: alice.get(webauthn) };
  const before = await statusOf(`${hex("alice")}.key-1`);
  const choosy: typeof ports = {
    ...ports,
    async policy(name) {
      const found = await ports.policy(name);
      const aaguids = ["ee882879-721c-4913-9775-3dfcce97072a"];
      return (
        found && { ...found, spec: { ...found.spec, authentication: { methods: ["WebAuthn"], webauthn: { aaguids } } } }
      );
    },
  };
  expect(wordOf(await prove(choosy, request, body, 0))).toBe("MethodNotAllowed");
  expect(await statusOf(`${hex("alice")}.key-1`)).toEqual(before);
  expect(wordOf(await prove(ports, request, body, 0))).toBe("yes");
});

test("WA13: one answer of a key that comes at once to two replicas is used once", async () => {
  const { withKey, asked, verifier } = ground();
  const alice = await withKey("alice");
  const { webauthn } = await asked("fix");
  const answer = alice.get(webauthn);
  const use = async () =>
    wordOf(await useKey(verifier(), "alice", Buffer.from(webauthn.challenge, "base64url"), answer));
  expect(new Set(await Promise.all([use(), use()]))).toEqual(new Set(["ProofAlreadyUsed", "yes"]));
});
