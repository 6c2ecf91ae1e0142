import { expect, test } from "vitest";
import { totpOfAlice } from "../../test/fakes/objects.ts";
import { remembering } from "./remembering.ts";

const named = (name: string) => ({ ...totpOfAlice, metadata: { ...totpOfAlice.metadata, name } });

test("what was read is remembered until it is swapped or found gone", async () => {
  let there = true;
  const authenticators = remembering({
    get: async (name) => (there ? named(name) : undefined),
    swapStatus: async () => "lost",
  });
  expect(authenticators.lastSeen("a")).toBeUndefined();
  await authenticators.get("a");
  expect(authenticators.lastSeen("a")).toEqual(named("a"));
  await authenticators.swapStatus(named("a"), {});
  expect(authenticators.lastSeen("a")).toBeUndefined();
  await authenticators.get("a");
  there = false;
  await authenticators.get("a");
  expect(authenticators.lastSeen("a")).toBeUndefined();
});

test("a bounded number is remembered: those that were read last", async () => {
  const authenticators = remembering({ get: async (name) => named(name), swapStatus: async () => "won" });
  for (let index = 0; index < 1_000; index++) await authenticators.get(String(index));
  const remembered = Array.from({ length: 1_000 }, (_, index) => index).filter((index) =>
    authenticators.lastSeen(String(index)),
  );
  expect(remembered).toEqual(Array.from({ length: 128 }, (_, index) => 872 + index));
});
