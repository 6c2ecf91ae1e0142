import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { secrets, sha256 } from "./digest.ts";

test("a codeVerifier opens what RFC 7636 appendix B makes of it, as text, and nothing else", () => {
  const codeVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const codeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
  expect(secrets.opens(codeChallenge, codeVerifier)).toBe(true);
  expect(secrets.opens(`${codeChallenge}=`, codeVerifier)).toBe(false);
  expect(secrets.opens(codeChallenge.replace(/M$/, "N"), codeVerifier)).toBe(false); // another spelling of the bytes
  expect(secrets.opens(codeChallenge, `${codeVerifier} `)).toBe(false);
  expect(secrets.opens(codeVerifier, codeVerifier)).toBe(false);
});

test("HT11: what has no challenge is opened by nothing", () => {
  assert(
    property(string(), (codeVerifier) => {
      expect(secrets.opens(undefined, codeVerifier)).toBe(false);
      expect(secrets.opens("", codeVerifier)).toBe(false);
    }),
  );
});

test("the digest is SHA-256 (FIPS 180-2, B.1)", () => {
  expect(Buffer.from(sha256(Buffer.from("abc"))).toString("hex")).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
