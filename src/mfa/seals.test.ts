import { generateKeyPairSync, sign } from "node:crypto";
import { assert, integer, property, string, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { keyMaker } from "./keys.ts";
import { sealChecker, sealer } from "./seals.ts";

const privateKeys = new Map([
  ["k2", keyMaker.sealKey()],
  ["k1", keyMaker.sealKey()],
]);
const publicKeys = new Map([...privateKeys].map(([id, key]) => [id, keyMaker.publicSealKey(key)]));
const said = Buffer.from("this was proven");

test("KY02: the newest id signs, every key that is listed verifies, under its own id alone", () => {
  const sealing = sealer(privateKeys);
  expect(sealing.newestKeyID).toBe("k2");
  for (const id of privateKeys.keys()) {
    const seal = sealing.seal(id, said);
    for (const checker of [sealing, sealChecker(publicKeys)]) {
      expect(checker.holds(id, seal, said)).toBe(true);
      expect(checker.holds(id === "k1" ? "k2" : "k1", seal, said)).toBe(false);
      expect(checker.holds("k3", seal, said)).toBe(false);
    }
    expect(sealChecker(new Map()).holds(id, seal, said)).toBe(false);
  }
  expect(() => sealing.seal("k3", said)).toThrow("there is no seal key k3");
});

test("one bit off, in the seal or in what is sealed, holds nothing", () => {
  const sealing = sealer(privateKeys);
  const seal = sealing.seal("k1", said);
  assert(
    property(integer({ min: 0, max: 64 * 8 - 1 }), (bit) => {
      const flipped = Buffer.from(seal, "base64url");
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(sealing.holds("k1", flipped.toString("base64url"), said)).toBe(false);
    }),
  );
  assert(
    property(uint8Array(), (other) => {
      expect(sealing.holds("k1", seal, other)).toBe(said.equals(other));
    }),
  );
});

test("a seal has one spelling", () => {
  const sealing = sealer(privateKeys);
  const seal = sealing.seal("k1", said);
  const padded = Buffer.from(seal, "base64url").toString("base64");
  for (const spelling of [padded, `${seal}=`, `${seal}\n`, ` ${seal}`, `${seal}A`, seal.slice(0, -1)])
    expect(sealing.holds("k1", spelling, said)).toBe(false);
});

test("garbage holds nothing and never throws: in seals, ids, keys", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const strange = sealChecker(
    new Map([
      ["garbage", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"],
      ["empty", ""],
      ["rsa", String(rsa.publicKey.export({ type: "spki", format: "pem" }))],
      ["k1", publicKeys.get("k1") ?? ""],
    ]),
  );
  const seal = sealer(privateKeys).seal("k1", said);
  expect(strange.holds("rsa", sign(null, said, rsa.privateKey).toString("base64url"), said)).toBe(false);
  for (const id of ["garbage", "empty", "rsa", "__proto__", "constructor", ""])
    expect(strange.holds(id, seal, said)).toBe(false);
  expect(strange.holds("k1", seal, said)).toBe(true);
  assert(
    property(string(), string(), (id, text) => {
      expect(strange.holds(id, text, said)).toBe(false);
      expect(strange.holds("k1", text, said)).toBe(false);
    }),
  );
});

test("a verifier without a key, or with one that cannot be read, does not start", () => {
  expect(() => sealer(new Map())).toThrow("there is no seal key");
  expect(() => sealer(new Map([["k1", "garbage"]]))).toThrow("seal key k1 cannot be read");
});
