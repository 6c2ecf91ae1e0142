import { generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { AsnParser, ECDSASigValue } from "./ecdsa-signature.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const padded = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.alloc(33), bytes]).subarray(-32);

test("r and s are those of the signature, whatever their lengths", () => {
  const lengths = new Set<number>();
  for (let i = 0; i < 1_000; i += 1) {
    const text = Buffer.from(String(i));
    const { r, s } = AsnParser.parse(sign("sha256", text, privateKey), ECDSASigValue);
    const raw = Buffer.concat([padded(r), padded(s)]);
    expect(verify("sha256", text, { key: publicKey, dsaEncoding: "ieee-p1363" }, raw)).toBe(true);
    lengths.add(r.length).add(s.length);
  }
  expect(lengths.size).toBeGreaterThan(1);
});

const good = [0x30, 6, 2, 1, 1, 2, 1, 1];

test("another structure is refused, whatever the bytes", () => {
  expect(AsnParser.parse(Uint8Array.from(good), ECDSASigValue)).toEqual({ r: Uint8Array.of(1), s: Uint8Array.of(1) });
  expect(() => AsnParser.parse(Uint8Array.from(good), undefined)).toThrow("no ASN.1 but");
});

test.each([
  ["nothing", []],
  ["no sequence", [0x31, ...good.slice(1)]],
  ["too short", good.slice(0, -1)],
  ["something behind", [...good, 0]],
  ["a third integer", [0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1]],
  ["one integer", [0x30, 3, 2, 1, 1]],
  ["an integer without bytes", [0x30, 5, 2, 0, 2, 1, 1]],
  ["an integer that is longer than the rest", [0x30, 6, 2, 1, 1, 2, 2, 1]],
  ["a negative one", [0x30, 6, 2, 1, 0x80, 2, 1, 1]],
  ["one that is padded", [0x30, 7, 2, 2, 0, 1, 2, 1, 1]],
  ["another tag", [0x30, 6, 3, 1, 1, 2, 1, 1]],
  ["a length of two bytes", [0x30, 0x81, 6, 2, 1, 1, 2, 1, 1]],
])("what is no DER of two positive integers is refused: %s", (_what, bytes) => {
  expect(() => AsnParser.parse(Uint8Array.from(bytes), ECDSASigValue)).toThrow("not an Ecdsa-Sig-Value");
});
