import { assert, integer, property, string } from "fast-check";
import { generateSync } from "otplib";
import { expect, test } from "vitest";
import { totpOfAlice } from "../../test/fakes/objects.ts";
import { instant, later, parseInstant } from "../domain/time.ts";
import { keyMaker } from "./keys.ts";
import { deriveSeed, matchedStep, totp } from "./totp.ts";

const rfcSeed = Buffer.from("12345678901234567890");

// RFC 6238 appendix B, mode SHA1: the last six of its eight digits are the code of six (RFC 4226 section 5.3).
const appendixB: readonly (readonly [number, string])[] = [
  [59, "94287082"],
  [1_111_111_109, "07081804"],
  [1_111_111_111, "14050471"],
  [1_234_567_890, "89005924"],
  [2_000_000_000, "69279037"],
  [20_000_000_000, "65353130"],
];

test.each(appendixB)("TO01: RFC 6238 appendix B, at %d s: %s", (seconds, digits) => {
  const code = digits.slice(-6);
  const step = Math.floor(seconds / 30);
  expect(matchedStep(rfcSeed, code, seconds)).toBe(step);
  expect(matchedStep(rfcSeed, code, (step + 1) * 30)).toBe(step);
});

test("TO01: leading zeros belong to the code", () => {
  const seconds = Array.from({ length: 1000 }, (_, index) => index * 30).find((at) =>
    generateSync({ secret: rfcSeed, epoch: at }).startsWith("00"),
  );
  const code = generateSync({ secret: rfcSeed, epoch: seconds ?? 0 });
  expect(code).toMatch(/^00[0-9]{4}$/);
  expect(matchedStep(rfcSeed, code, seconds ?? 0)).toBeDefined();
  expect(matchedStep(rfcSeed, code.slice(2), seconds ?? 0)).toBeUndefined();
});

test("TO05: the code of T is taken in T and in T+1, to the second, and in no other step", () => {
  const code = generateSync({ secret: rfcSeed, epoch: 3000 });
  const taken = [2970, 2999, 3000, 3029, 3030, 3059, 3060, 3090].map((at) => matchedStep(rfcSeed, code, at));
  expect(taken).toEqual([undefined, undefined, 100, 100, 100, 100, undefined, undefined]);
});

test("TO04: what is not six digits is no code, and never throws", () => {
  const code = generateSync({ secret: rfcSeed, epoch: 3000 });
  const wide = code.replaceAll(/[0-9]/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
  const arabic = code.replaceAll(/[0-9]/g, (digit) => String.fromCodePoint(0x0660 + Number(digit)));
  const bad = ["", ` ${code}`, `${code}\n`, `\u{a0}${code}`, `\u{200b}${code}`, `\u{feff}${code}`, wide, arabic];
  for (const text of [...bad, `+${code.slice(1)}`, "1e5000", "0x1234", code.slice(1), `${code}0`])
    expect(matchedStep(rfcSeed, text, 3000)).toBeUndefined();
  assert(
    property(string(), integer({ min: 0, max: 4_000_000_000 }), (text, at) => {
      if (!/^[0-9]{6}$/.test(text)) expect(matchedStep(rfcSeed, text, at)).toBeUndefined();
    }),
  );
});

const pending = (keyID: string, uid = "u1", username = "alice") => ({
  ...totpOfAlice,
  metadata: { ...totpOfAlice.metadata, uid },
  spec: { ...totpOfAlice.spec, owner: { username } },
  status: { phase: "Pending" as const, keyID },
});
const seedKeys = new Map([["k1", keyMaker.seedKey()]]);
const now = parseInstant("2026-11-24T10:00:07Z");

test("what is shown at enrollment makes the codes that match, in their step and the next", () => {
  const verifier = totp({ seedKeys, issuer: "prod-eu" });
  const { secret } = verifier.enrollment(pending("k1"));
  expect(secret).toMatch(/^[A-Z2-7]{32}$/); // 20 bytes in base32
  const code = generateSync({ secret, epoch: Math.floor(now / 1000) });
  const step = Math.floor(now / 30_000);
  expect(verifier.matches(pending("k1"), code, now)).toBe(step);
  expect(verifier.matches(pending("k1"), code, later(now, 30_000))).toBe(step);
  expect(verifier.matches(pending("k1"), code, later(now, 60_000))).toBeUndefined();
  expect(verifier.matches(pending("k1"), code, instant(now - 30_000))).toBeUndefined();
});

test("EN06: the seed is the same after a restart and after a key was added: keyID names its key", () => {
  const before = totp({ seedKeys, issuer: "c" }).enrollment(pending("k1"));
  const more = new Map([...seedKeys, ["k2", keyMaker.seedKey()]]);
  expect(totp({ seedKeys: more, issuer: "c" }).enrollment(pending("k1"))).toEqual(before);
  expect(totp({ seedKeys: more, issuer: "c" }).enrollment(pending("k2"))).not.toEqual(before);
  expect(() => totp({ seedKeys, issuer: "c" }).enrollment(pending("k2"))).toThrow("there is no seed key k2");
});

test("TO13: another UID, owner or key gives another seed; none can be moved from one field to the next", () => {
  const key = Buffer.alloc(32, 1);
  const seeds = [
    deriveSeed(key, pending("k1")),
    deriveSeed(key, pending("k1", "u2")),
    deriveSeed(key, pending("k1", "u1", "alicf")),
    deriveSeed(key, pending("k1", "u1a", "lice")),
    deriveSeed(Buffer.alloc(32, 2), pending("k1")),
  ].map((seed) => Buffer.from(seed).toString("hex"));
  expect(new Set(seeds).size).toBe(seeds.length);
  expect(seeds.every((seed) => seed.length === 40)).toBe(true);
});

test("the URI names cluster and user, escaped so that an app splits it where they part", () => {
  const { secret, uri } = totp({ seedKeys, issuer: "prod eu:1" }).enrollment(
    pending("k1", "u1", "oidc:älice@example.com/a?b&c"),
  );
  const url = new URL(uri);
  expect([url.protocol, url.host]).toEqual(["otpauth:", "totp"]);
  expect(url.pathname.slice(1).split(":").map(decodeURIComponent)).toEqual([
    "prod eu:1",
    "oidc:älice@example.com/a?b&c",
  ]);
  expect(Object.fromEntries(url.searchParams)).toEqual({ secret, issuer: "prod eu:1" });
});
