import { beforeAll, expect, test } from "vitest";
import { later, parseInstant } from "../../src/domain/time.ts";
import { isSealed } from "../../src/flows/is-sealed.ts";
import { ensureKeys, KeysUnusable } from "../../src/flows/keys.ts";
import { prove } from "../../src/flows/prove.ts";
import { keyMaker } from "../../src/mfa/keys.ts";
import { provingGround } from "../fakes/proving.ts";
import { fakeTrust } from "../fakes/trust.ts";
import { factorAt } from "./factors.ts";
import { leavesOf, pathsOf, tampered } from "./leaves.ts";
import { keyOfAlice, type Life, liveOnce, moments } from "./lives.ts";
import { bindingRows, policyRows, trustRows } from "./others.ts";

let life: Life;
let byCode: Life;
beforeAll(async () => {
  life = await liveOnce("WebAuthn");
  byCode = await liveOnce("TOTP");
});

test("TA22: guards off, whatever of ours in a binding is altered: it goes, and the grant with it; what is not ours changes nothing", async () => {
  const { binding } = life.at("active");
  if (binding === undefined) throw new Error("nothing is bound");
  const { metadata, subjects, roleRef } = binding;
  const { labels, annotations, ownerReferences } = metadata;
  const leaves = pathsOf({ metadata: { labels, annotations, ownerReferences }, subjects, roleRef });
  expect(leaves.length).toBeGreaterThan(12);
  for (const moment of ["bound", "active"] as const) {
    const from = life.at(moment);
    const left = await life.liveOn(moment, from);
    const written = async (leaf: readonly string[] | string, value: unknown) =>
      life.liveOn(moment, { ...from, binding: tampered(from.binding, leaf, value) });
    for (const leaf of leaves)
      for (const value of ["other", undefined]) {
        const { soon, bound } = await written(leaf, value);
        // what is not Active yet has its binding made anew, as it must be
        const expected =
          moment === "bound"
            ? [left.soon, left.bound]
            : ["Revoked/BindingDrifted", [undefined, undefined, undefined, undefined]];
        expect([leaf, value, soon, bound]).toEqual([leaf, value, ...expected]);
      }
    for (const { leaf, value } of bindingRows) expect([leaf, await written(leaf, value)]).toEqual([leaf, left]);
    const bobAsWell = [...(subjects ?? []), { kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "bob" }];
    const { bound } = await life.liveOn(moment, { ...from, binding: { ...binding, subjects: bobAsWell } });
    expect(JSON.stringify(bound)).not.toContain("bob");
  }
});

test("TA22: guards off, every field of a policy's status: what is asked, proven and granted is the same", async () => {
  expect(policyRows.map(({ leaf }) => leaf).toSorted()).toEqual(leavesOf("elevationpolicies", "status").toSorted());
  const told = {
    type: "Ready",
    status: "True",
    reason: "BindPermitted",
    message: "",
    lastTransitionTime: "2026-11-24T09:00:00.000Z",
  } as const;
  for (const { leaf, value } of policyRows) {
    const status = tampered({ status: { conditions: [told] } }, leaf, value).status;
    expect([leaf, ...(await wordsOf(await liveOnce("WebAuthn", status)))]).toEqual([leaf, ...(await wordsOf(life))]);
  }
});

test("TA21: guards off, the verification of one request copied to another: Denied/RecordTampered, never bound", async () => {
  const { offered, verifier, settle, body, requests, bindings } = provingGround();
  const [one, two] = [await offered("one"), await offered("two")];
  await prove(verifier(), one, body("one"), 0);
  const verification = (await requests.get("one"))?.status?.verification;
  const other = await requests.get("two");
  if (other === undefined || verification === undefined) throw new Error("one is not proven");
  requests.put({ ...other, status: { ...other.status, verification } });
  await settle(two.name);
  expect((await requests.get("two"))?.status).toMatchObject({ phase: "Denied", reason: "RecordTampered" });
  expect(await bindings.list()).toEqual([]);
});

test("TA09: guards off, a sealed status copied to another object, owner, method, UID or cluster is no factor", async () => {
  const inUse = factorAt(life, "in use");
  if (inUse?.status?.webauthn === undefined) throw new Error("alice has no key");
  const { metadata, spec, status } = inUse;
  const elsewhere = { ...life.verifier, cluster: { name: "other", uid: "c2" } };
  const inBobsName = `${Buffer.from("bob").toString("hex")}.key-1`;
  const isFactor = (changed: object, owner = "alice", ports = life.verifier): boolean =>
    isSealed(ports, { ...inUse, ...changed }, owner, "WebAuthn");
  expect(isFactor({})).toBe(true);
  expect(isFactor({ metadata: { ...metadata, name: keyOfAlice.replace("key-1", "key-2") } })).toBe(false);
  expect(isFactor({ metadata: { ...metadata, uid: "of the next one" } })).toBe(false);
  expect(isFactor({ spec: { ...spec, owner: { username: "bob" } } }, "bob")).toBe(false);
  expect(
    isFactor({ metadata: { ...metadata, name: inBobsName }, spec: { ...spec, owner: { username: "bob" } } }, "bob"),
  ).toBe(false);
  expect(isFactor({ status: { ...status, webauthn: { ...status.webauthn, publicKey: "AAAA" } } })).toBe(false);
  expect(isFactor({}, "alice", elsewhere)).toBe(false);
  await life.restore(life.at("offered"));
  expect(await life.proveIt(undefined, elsewhere)).toBe("AuthenticatorUnknown");
});

test("TA11: restored into another cluster, with its keys: what waits is Denied, what is granted is Revoked, as RecordTampered", async () => {
  const there = { ...life.controller, cluster: { name: "other", uid: "c2" } };
  for (const moment of moments.filter((at) => at !== "new" && at !== "offered" && at !== "cut")) {
    await life.restore(life.at(moment));
    await life.settle({}, there);
    const { request, binding } = await life.look();
    const phase = moment === "active" ? "Revoked" : "Denied";
    expect([moment, request.status?.phase, request.status?.reason]).toEqual([moment, phase, "RecordTampered"]);
    expect([moment, binding]).toEqual([moment, undefined]);
  }
});

test.each([0, 29_000, 31_000, 59_000, 61_000, 90_000])(
  "TA10, TA23: guards off, lastTimeStep set back: %i ms later a used code is taken once more only where it is right still",
  async (ms) => {
    const from = byCode.at("offered"); // at the very beginning of a step
    await byCode.restore(from);
    const code = byCode.codeNow();
    expect(await byCode.proveIt({ totp: { code } })).toBeUndefined();
    const used = await byCode.look();
    await byCode.restore({ ...used, request: from.request, at: later(from.at, ms) });
    expect(await byCode.proveIt({ totp: { code } })).toBe(ms < 60_000 ? "ProofAlreadyUsed" : "ProofRejected");
    await byCode.restore({ ...from, at: later(from.at, ms) });
    expect(await byCode.proveIt({ totp: { code } })).toBe(ms < 60_000 ? undefined : "ProofRejected");
    const again = (await byCode.look()).factors;
    await byCode.restore({ ...from, factors: again, at: later(from.at, ms) });
    expect(await byCode.proveIt({ totp: { code } })).toBe(ms < 60_000 ? "ProofAlreadyUsed" : "ProofRejected");
  },
);

test("TA23: guards off, failures set back: the lock is open, and as many wrong codes shut it again", async () => {
  const from = byCode.at("offered");
  await byCode.restore(from);
  const wrong = async (): Promise<string | undefined> => byCode.proveIt({ totp: { code: wrongCode } });
  for (let count = 0; count < 10; count++) expect(await wrong()).toBe("ProofRejected");
  expect(await wrong()).toBe("AuthenticatorLocked");
  await byCode.restore(from);
  for (let count = 0; count < 10; count++) expect(await wrong()).toBe("ProofRejected");
  expect(await wrong()).toBe("AuthenticatorLocked");
});

test("TA23: guards off, a key's signCount set back: an answer that was given is good for no second request, nor again for its own", async () => {
  const from = life.at("offered");
  await life.restore(from);
  const answer = await life.answer();
  if (typeof answer === "string") throw new Error(answer);
  expect(await life.proveIt(answer)).toBeUndefined();
  const proven = await life.look();
  await life.restore({ ...from, request: tampered(from.request, "spec.justification", "INC-2") }); // another one, to a proof
  expect(await life.proveIt(answer)).toBe("ProofRejected");
  await life.restore({ ...proven, factors: from.factors });
  expect(await life.proveIt(answer)).toBeUndefined(); // told the same, and no proof is looked at
  expect((await life.look()).request.status).toEqual(proven.request.status);
});

test("TA20, TA22: every entry of the trust is judged; what the settings say a verifier writes again, and a seal key it never changes", async () => {
  const store = fakeTrust();
  const start = async (): Promise<unknown> =>
    ensureKeys(store, keyMaker, settings, () => parseInstant("2026-11-24T10:00:00Z"));
  await start();
  const { data } = await store.trust();
  const [sealKey = ""] = Object.keys(data).filter((name) => name.startsWith("seal-key."));
  const names = Object.keys(data).filter((name) => name !== sealKey);
  expect(trustRows.flatMap(({ leaf }) => (leaf.startsWith("seal-key.") ? [] : [leaf])).toSorted()).toEqual(
    names.toSorted(),
  );
  for (const name of names) {
    await store.swapTrust(await store.trust(), { ...data, [name]: "other" });
    await start();
    expect((await store.trust()).data).toEqual(data);
  }
  await store.swapTrust(await store.trust(), { ...data, [sealKey]: keyMaker.publicSealKey(keyMaker.sealKey()) });
  await expect(start()).rejects.toThrow(KeysUnusable);
});

const wrongCode = "not a code"; // no app shows it
const settings = {
  url: "https://elevate.example.com",
  clusterName: "prod-eu",
  clusterUID: "c-1",
  contact: "#platform-oncall",
  pageURL: "https://elevate.example.com",
  rpId: "elevate.example.com",
};

async function wordsOf(lived: Life): Promise<readonly string[]> {
  const asked = await lived.liveOn("new", lived.at("new"));
  const granted = await lived.liveOn("active", lived.at("active"));
  return [asked.soon, asked.end, granted.soon, granted.end];
}
