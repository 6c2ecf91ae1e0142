import { expect, test } from "vitest";
import { totpOfAlice } from "../../test/fakes/objects.ts";
import { challengeOf, provingGround, verifierOf } from "../../test/fakes/proving.ts";
import { challenge } from "./challenge.ts";
import { enrollmentOptions, register } from "./enroll.ts";
import type { VerifierPorts } from "./ports.ts";
import { prove } from "./prove.ts";

// What a stranger could tell apart by the time that it takes: what is asked of the API server, and how often it is compared.

const wrong = "X".repeat(43);
const totp = { code: "123456" };

/** Each call of these ports, by its name alone. */
function counted(ports: VerifierPorts): { readonly ports: VerifierPorts; readonly calls: string[] } {
  const calls: string[] = [];
  const each = <T extends object>(room: string, port: T): T =>
    new Proxy(port, {
      get(target, key, receiver) {
        const member: unknown = Reflect.get(target, key, receiver);
        if (typeof member !== "function") return member;
        return (...given: unknown[]): unknown => {
          calls.push(`${room}.${String(key)}`);
          return Reflect.apply(member, target, given);
        };
      },
    });
  const { requests, authenticators, secrets, policy } = ports;
  const watched = {
    requests: each("requests", requests),
    authenticators: each("authenticators", authenticators),
    secrets: each("secrets", secrets),
    policy: async (name: string) => {
      calls.push("policy");
      return policy(name);
    },
  };
  return { ports: { ...ports, ...watched }, calls };
}

test("HT11: for what is there, what is not, what ended and what nobody claimed a stranger's question costs the same", async () => {
  const { ask, offered, verifier, pass, settle, get } = provingGround();
  await offered("open");
  ask("new");
  ask("bare", { codeChallenge: "" });
  await offered("over");
  pass(600_000);
  await settle("over");
  expect(await get("over")).toMatchObject({ phase: "TimedOut" });
  const costs = new Set<string>();
  for (const name of ["open", "new", "bare", "over", "none"]) {
    const { ports, calls } = counted(verifier());
    const about = { namespace: "shop", name };
    const said = [
      await challenge(ports, about, { codeVerifier: wrong }),
      await prove(ports, about, { codeVerifier: verifierOf("another"), totp }),
    ];
    costs.add(JSON.stringify([said, calls]));
  }
  expect(costs.size).toBe(1);
  expect([...costs][0]).toContain('["requests.get","secrets.opens","requests.get","secrets.opens"]');
});

test("HT11: of an authenticator that is enrolled, invited, disabled or none it is the same too", async () => {
  const { enroll, authenticators, verifier } = provingGround();
  const { metadata, spec } = totpOfAlice;
  const of = (user: string, more: object = {}) => ({
    metadata: { ...metadata, name: `${Buffer.from(user).toString("hex")}.totp` },
    spec: { ...spec, owner: { username: user }, codeChallenge: challengeOf(`ticket of ${user}`), ...more },
  });
  enroll(of("bob", { disabled: true }));
  authenticators.put(of("ivan", { invitedBy: "ivy" }));
  const names = [metadata.name, ...["bob", "ivan", "nobody"].map((user) => of(user).metadata.name)];
  const costs = new Set<string>();
  for (const name of names) {
    const { ports, calls } = counted(verifier());
    const said = [
      await enrollmentOptions(ports, name, { codeVerifier: wrong }),
      await register(ports, name, { codeVerifier: wrong, totp }),
    ];
    costs.add(JSON.stringify([said, calls]));
  }
  expect(costs.size).toBe(1);
  expect([...costs][0]).toContain('["authenticators.get","secrets.opens","authenticators.get","secrets.opens"]');
});
