import { expect, test, vi } from "vitest";
import { activeTotp, spendCode } from "../src/flows/spend.ts";
import { totpOfAlice } from "./fakes/objects.ts";
import { provingGround } from "./fakes/proving.ts";

const step = 30_000;
const minute = 60_000;
const wordOf = (answer: Awaited<ReturnType<typeof spendCode>>): string =>
  "reason" in answer ? answer.reason : "spent";

/** Alice spends codes: of now where none is given, each time at another replica that was just started. */
function ground() {
  const made = provingGround();
  const spend = async (code = made.codeNow(), username = "alice") => spendCode(made.verifier(), username, code);
  const guess = async (times: number): Promise<readonly string[]> => {
    const words: string[] = [];
    for (let count = 0; count < times; count++) words.push(wordOf(await spend("000000")));
    return words;
  };
  const failures = async () => (await made.totpStatus())?.totp?.failures;
  return { ...made, spend, guess, failures };
}

const parallel = 50;
const spendAll = async (times: number, code?: string) => {
  const { spend, failures } = ground();
  const words = (await Promise.all(Array.from({ length: times }, async () => spend(code)))).map(wordOf);
  return { words, failures: await failures() };
};

test("TO03: a code posted fifty times at once is spent once, and none of the others is a failure", async () => {
  const { words, failures } = await spendAll(parallel);
  expect(words.filter((word) => word === "spent")).toHaveLength(1);
  expect(words.filter((word) => word === "ProofAlreadyUsed")).toHaveLength(parallel - 1);
  expect(failures).toEqual({ consecutive: 0, total: 0 });
});

test("TO16: twenty guesses at once: ten are counted, the rest are refused unlooked at behind the lock", async () => {
  const { words, failures } = await spendAll(20, "000000");
  expect(words.filter((word) => word === "ProofRejected")).toHaveLength(10);
  expect(words.filter((word) => word === "AuthenticatorLocked")).toHaveLength(10);
  expect(failures).toMatchObject({ consecutive: 10, total: 10 });
});

test("TO16: a failure stands though its verifier was killed before it could answer", async () => {
  const { verifier, failures } = ground();
  const ports = verifier();
  const killed = {
    ...ports,
    authenticators: {
      ...ports.authenticators,
      async swapStatus(...swap: Parameters<typeof ports.authenticators.swapStatus>): Promise<never> {
        await ports.authenticators.swapStatus(...swap);
        throw new Error("killed");
      },
    },
  };
  await expect(spendCode(killed, "alice", "000000")).rejects.toThrow("killed");
  expect(await failures()).toMatchObject({ consecutive: 1, total: 1 });
});

test("TO02: a used code is refused at once, after a restart and fifty times over, and is never a failure", async () => {
  const { spend, guess, failures } = ground();
  await guess(9);
  expect(wordOf(await spend())).toBe("spent");
  for (let count = 0; count < parallel; count++) expect(wordOf(await spend())).toBe("ProofAlreadyUsed");
  expect(await failures()).toEqual({ consecutive: 0, total: 9 });
});

test("TO05: of T used, T-1 is refused; T-1 unused is taken; T+1 is refused and counted", async () => {
  const { spend, codeNow, pass, failures } = ground();
  const before = codeNow();
  pass(step);
  const current = codeNow();
  pass(step);
  const after = codeNow();
  pass(-step);
  expect(wordOf(await spend(after))).toBe("ProofRejected");
  expect(await failures()).toMatchObject({ total: 1 });
  expect(await spend(before)).toMatchObject({ by: { uid: totpOfAlice.metadata.uid } });
  expect(wordOf(await spend(current))).toBe("spent");
  expect(wordOf(await spend(before))).toBe("ProofAlreadyUsed");
  pass(2 * step);
  expect(wordOf(await spend(current))).toBe("ProofRejected"); // T-2
});

test("TO06: ten wrong codes in a row lock for a minute, then for twice as long each, up to an hour; a right code is not looked at", async () => {
  const { spend, guess, looked, pass, world, totpStatus, enroll } = ground();
  const bobs = { ...totpOfAlice, metadata: { ...totpOfAlice.metadata, name: "626f62.totp" } };
  enroll({ ...bobs, spec: { ...bobs.spec, owner: { username: "bob" } } });
  expect(await guess(6)).not.toContain("AuthenticatorLocked");
  expect(wordOf(await spend(undefined, "bob"))).toBe("spent");
  expect(await guess(4)).not.toContain("AuthenticatorLocked");
  for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const looks = looked.mock.calls.length;
    pass(minutes * minute - 1);
    const refused = await spend();
    expect(refused).toMatchObject({ reason: "AuthenticatorLocked", lockedUntil: world.now + 1 });
    expect(looked.mock.calls).toHaveLength(looks);
    pass(1);
    expect(await guess(1)).toEqual(["ProofRejected"]);
  }
  pass(60 * minute);
  const { lastUsedTime } = (await totpStatus()) ?? {};
  expect(lastUsedTime).toBeUndefined();
  expect(wordOf(await spend())).toBe("spent");
  const status = await totpStatus();
  expect(status?.totp?.failures).toEqual({ consecutive: 0, total: 18 }); // and no lockedUntilTime
  expect(status?.lastUsedTime).toBe(new Date(world.now).toISOString());
});

test("TO14: a hundred failures in its life, with successes between, lock for good; a new ticket opens", async () => {
  const { spend, guess, pass, failures, enroll } = ground();
  for (let round = 0; round < 11; round++) {
    expect(await guess(9)).toEqual(Array.from({ length: 9 }, () => "ProofRejected"));
    pass(step);
    expect(wordOf(await spend())).toBe("spent");
  }
  expect(await failures()).toEqual({ consecutive: 0, total: 99 });
  expect(await guess(1)).toEqual(["ProofRejected"]);
  pass(365 * 24 * 60 * minute);
  const locked = await spend();
  expect(locked).toMatchObject({ reason: "AuthenticatorLocked" });
  expect(locked).not.toHaveProperty("lockedUntil");
  enroll({ ...totpOfAlice, metadata: { ...totpOfAlice.metadata, uid: "another" } });
  expect(wordOf(await spend())).toBe("spent");
});

test("only an authenticator that is Active by the verifier's seal, not disabled, of TOTP and the user's own, spends codes", async () => {
  const { spend, authenticators, looked, enroll } = ground();
  const active = await authenticators.get(totpOfAlice.metadata.name);
  if (active?.status === undefined) throw new Error("alice is enrolled");
  const { spec, status, metadata } = active;
  for (const forged of [
    { ...active, status: { ...status, seal: "" } },
    { ...active, status: { ...status, phase: "Pending" as const } },
    { ...active, metadata: { ...metadata, uid: "another" } },
    { ...active, spec: { ...spec, owner: { username: "bob" } } },
    { ...active, spec: { ...spec, method: "WebAuthn" as const } },
    { ...active, spec: { ...spec, disabled: true } },
  ]) {
    authenticators.put(forged);
    expect(wordOf(await spend())).toBe("AuthenticatorUnknown");
  }
  enroll({ ...totpOfAlice, spec: { ...spec, owner: { username: "bob" } } }); // sealed, but under alice's name
  expect(wordOf(await spend())).toBe("AuthenticatorUnknown");
  enroll({ ...totpOfAlice, spec: { ...spec, method: "WebAuthn" } });
  expect(wordOf(await spend())).toBe("AuthenticatorUnknown");
  expect(wordOf(await spend(undefined, "carol"))).toBe("AuthenticatorUnknown");
  expect(looked).not.toHaveBeenCalled();
  authenticators.put(active);
  expect(wordOf(await spend())).toBe("spent");
});

/** A replica that saw alice's authenticator before `meanwhile`, and one code given to it after. */
async function spentAtOneThatRemembers(
  meanwhile: (made: ReturnType<typeof ground>) => Promise<unknown>,
  code?: string,
): Promise<{ readonly word: string; readonly reads: number }> {
  const made = ground();
  const remembering = made.verifier();
  await activeTotp(remembering, "alice");
  await meanwhile(made);
  const get = vi.spyOn(remembering.authenticators, "get");
  const word = wordOf(await spendCode(remembering, "alice", code ?? made.codeNow()));
  return { word, reads: get.mock.calls.length };
}

const nobody = async (): Promise<void> => undefined;

test("what a challenge has just read is not read again, if nobody wrote it since", async () => {
  expect(await spentAtOneThatRemembers(nobody)).toEqual({ word: "spent", reads: 0 });
  expect(await spentAtOneThatRemembers(nobody, "000000")).toEqual({ word: "ProofRejected", reads: 0 });
});

test("TO02, TO06: what a replica remembers changes no answer: used, locked, opened, disabled and made anew elsewhere", async () => {
  const words = async (meanwhile: (made: ReturnType<typeof ground>) => Promise<unknown>): Promise<string> =>
    (await spentAtOneThatRemembers(meanwhile)).word;
  const change = ({ authenticators }: ReturnType<typeof ground>, spec: object): void => {
    authenticators.put({ ...totpOfAlice, spec: { ...totpOfAlice.spec, ...spec } });
  };
  expect(await words(async ({ spend }) => spend())).toBe("ProofAlreadyUsed");
  expect(await words(async ({ guess }) => guess(9))).toBe("spent");
  expect(await words(async ({ guess }) => guess(10))).toBe("AuthenticatorLocked");
  expect(await words(async (made) => change(made, { disabled: true }))).toBe("AuthenticatorUnknown");
  expect(await words(async ({ authenticators }) => authenticators.remove(totpOfAlice.metadata))).toBe(
    "AuthenticatorUnknown",
  );
  const late = ground();
  late.authenticators.put(totpOfAlice);
  const early = late.verifier();
  await activeTotp(early, "alice"); // not enrolled yet
  late.enroll(totpOfAlice);
  expect(wordOf(await spendCode(early, "alice", late.codeNow()))).toBe("spent");
  const { guess, enroll, verifier, codeNow } = ground();
  const remembering = verifier();
  await guess(10);
  await activeTotp(remembering, "alice"); // locked
  enroll({ ...totpOfAlice, metadata: { ...totpOfAlice.metadata, uid: "another" } });
  expect(wordOf(await spendCode(remembering, "alice", codeNow()))).toBe("spent");
});
