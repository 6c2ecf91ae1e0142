import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { assert, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { type Cbor, cbor, coseKey, coseOf } from "../../test/fakes/security-key.ts";
import { vectors } from "../../test/vectors/webauthn.ts";
import { algorithms, isSignedBy, publicKeyOf } from "./cose.ts";
import { sha256 } from "./digest.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const text = (given: Uint8Array): string => Buffer.from(given).toString("base64url");
const part = (base64url = ""): Buffer => Buffer.from(base64url, "base64url");
const ec = (x: Cbor, y: Cbor, more: readonly (readonly [number, Cbor])[] = []): Buffer =>
  coseKey([1, 2], [3, -7], [-1, 1], [-2, x], [-3, y], ...more);
const okp = (x: Cbor, algorithm = -8, curve = 6): Buffer => coseKey([1, 1], [3, algorithm], [-1, curve], [-2, x]);
const rsa = (n: Cbor, e: Cbor, algorithm = -257): Buffer => coseKey([1, 3], [3, algorithm], [-1, n], [-2, e]);

const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { x, y } = p256.publicKey.export({ format: "jwk" });
const ed25519 = generateKeyPairSync("ed25519");
const modulus = (bits: number): Buffer => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return part(publicKey.export({ format: "jwk" }).n);
};
const n2048 = modulus(2048);
const three = Buffer.from([3]);
const e65537 = Buffer.from([1, 0, 1]);
const whole = ec(part(x), part(y));

test("WA08: three algorithms are taken", () => {
  expect(algorithms).toEqual([-8, -7, -257]);
  expect(publicKeyOf(whole)?.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  expect(publicKeyOf(coseOf(ed25519.publicKey))?.asymmetricKeyType).toBe("ed25519");
  expect(publicKeyOf(rsa(n2048, e65537))?.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 });
});

const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ format: "jwk" });
const nobody = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

const refused: readonly (readonly [string, Buffer])[] = [
  ["nothing", Buffer.alloc(0)],
  ["a number", cbor(1)],
  ["a text", cbor("key")],
  ["a map of texts", cbor(new Map([["kty", "EC2"]]))],
  ["P-384 with ES384", coseKey([1, 2], [3, -35], [-1, 2], [-2, part(p384.x)], [-3, part(p384.y)])],
  ["P-384 that says ES256", coseKey([1, 2], [3, -7], [-1, 2], [-2, part(p384.x)], [-3, part(p384.y)])],
  ["P-256 that says ES384", coseKey([1, 2], [3, -35], [-1, 1], [-2, part(x)], [-3, part(y)])],
  ["P-256 that says RS256", coseKey([1, 2], [3, -257], [-1, 1], [-2, part(x)], [-3, part(y)])],
  ["P-256 with RSA's kind", coseKey([1, 3], [3, -257], [-1, 1], [-2, part(x)], [-3, part(y)])],
  ["secp256k1", coseKey([1, 2], [3, -47], [-1, 8], [-2, part(x)], [-3, part(y)])],
  ["ESP256", coseKey([1, 2], [3, -9], [-1, 1], [-2, part(x)], [-3, part(y)])],
  ["a point off the curve", ec(part(x), part(x))],
  ["the point that is zero", ec(Buffer.alloc(32), Buffer.alloc(32))],
  ["a compressed point", ec(part(x), true)],
  ["a coordinate that is short", ec(part(x).subarray(1), part(y))],
  ["a coordinate that is long", ec(Buffer.concat([Buffer.alloc(1), part(x)]), part(y))],
  ["a coordinate that is text", ec("x".repeat(32), part(y))],
  ["no y", coseKey([1, 2], [3, -7], [-1, 1], [-2, part(x)])],
  ["a member more", ec(part(x), part(y), [[4, 2]])],
  ["a private part", ec(part(x), part(y), [[-4, Buffer.alloc(32, 1)]])],
  ["bytes after it", Buffer.concat([whole, Buffer.alloc(1)])],
  ["an end that is missing", whole.subarray(0, -1)],
  ["a length that promises more than there is", Buffer.concat([rsa(n2048, e65537).subarray(0, -4), bytes("44010001")])],
  ["a number that is written long", Buffer.concat([whole.subarray(0, 1), bytes("1801"), whole.subarray(2)])],
  ["a member twice", Buffer.concat([bytes("a6"), whole.subarray(1), bytes("0102")])],
  ["a depth that no parser likes", Buffer.concat([Buffer.alloc(7000, 0x81), cbor(1)])],
  ["Ed25519 that says ES256", okp(part(x), -7)],
  ["Ed25519 by its later number", okp(part(ed25519.publicKey.export({ format: "jwk" }).x), -19)],
  ["Ed448", okp(Buffer.alloc(57, 7), -53, 7)],
  ["Ed448 that says EdDSA", okp(Buffer.alloc(57, 7), -8, 7)],
  ["X25519", okp(Buffer.alloc(32, 9), -8, 4)],
  ["Ed25519 with a member more", coseKey([1, 1], [3, -8], [-1, 6], [-2, part(x)], [4, 2])],
  ["Ed25519 of zeros", okp(Buffer.alloc(32))],
  ["Ed25519 of 31 bytes", okp(Buffer.alloc(31, 7))],
  ["ML-DSA-44", coseKey([1, 7], [3, -48], [-1, Buffer.alloc(1312, 7)])],
  ["RSA of 512 bits", rsa(modulus(512), e65537)],
  ["RSA of 1024 bits", rsa(modulus(1024), e65537)],
  ["RSA of 2047 bits", rsa(Buffer.concat([Buffer.from([0x7f]), n2048.subarray(1)]), e65537)],
  ["RSA of 1024 bits behind zeros", rsa(Buffer.concat([Buffer.alloc(128), modulus(1024)]), e65537)],
  ["RSA behind a zero", rsa(Buffer.concat([Buffer.alloc(1), n2048]), e65537)],
  ["RSA of 4104 bits", rsa(Buffer.concat([n2048, n2048, Buffer.from([1])]), e65537)],
  ["RSA of zeros", rsa(Buffer.alloc(256), e65537)],
  ["RSA with exponent 1", rsa(n2048, Buffer.from([1]))],
  ["RSA with exponent 3", rsa(n2048, three)],
  ["RSA with exponent 0", rsa(n2048, Buffer.from([0]))],
  ["RSA with a long exponent", rsa(n2048, Buffer.concat([Buffer.alloc(200), e65537]))],
  ["RSA with PSS", rsa(n2048, e65537, -37)],
  ["RSA with SHA-1", rsa(n2048, e65537, -65535)],
  ["RSA with SHA-512", rsa(n2048, e65537, -259)],
];

test.each(refused)("WA08: no key that is taken: %s", (_, key) => {
  expect(publicKeyOf(key)).toBeUndefined();
});

test("WA08: whatever bytes come as a key, nothing is thrown", () => {
  assert(
    property(uint8Array({ maxLength: 100 }), (noise) => {
      expect(publicKeyOf(noise)).toBeUndefined();
    }),
  );
  for (const [at, byte] of whole.entries())
    expect(publicKeyOf(Buffer.from(whole).fill(byte ^ 1, at, at + 1))).toBeUndefined();
});

test.each(nobody)(
  "WA08: with a point of small order as key, a signature that nobody made does not hold: %s",
  (point) => {
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: text(bytes(point)) }, format: "jwk" });
    const forged = (r: string): Buffer => Buffer.concat([bytes(r), Buffer.alloc(32)]); // S = 0
    for (const r of nobody)
      for (let say = 0; say < 16; say++) expect(isSignedBy(key, Buffer.from([say]), forged(r))).toBe(false);
  },
);

test("WA02: ECDSA is DER alone: no longer length, no byte more, no zero before, no other form", () => {
  const signed = Buffer.from("what is signed");
  const der = sign("sha256", signed, p256.privateKey);
  const key = p256.publicKey;
  const [length, r] = [der[1] ?? 0, der[3] ?? 0];
  expect(isSignedBy(key, signed, der)).toBe(true);
  const others = [
    Buffer.concat([der, Buffer.alloc(1)]),
    Buffer.concat([Buffer.from([0x30, 0x81, length]), der.subarray(2)]),
    Buffer.concat([Buffer.from([0x30, length + 1, 0x02, r + 1, 0]), der.subarray(4)]),
    der.subarray(0, -1),
    Buffer.alloc(0),
    sign("sha256", signed, { key: p256.privateKey, dsaEncoding: "ieee-p1363" }),
    Buffer.from("3006020100020100", "hex"),
  ];
  for (const other of others) expect(isSignedBy(key, signed, other)).toBe(false);
});

const taken = vectors.filter(({ name }) => !/ES384|ES512|Ed448/.test(name));

test("WA01: of 15 credentials of the standard, those of ES256, RS256 and Ed25519 are keys that are taken", () => {
  expect(vectors).toHaveLength(15);
  expect(taken).toHaveLength(12);
  const isTaken = vectors.filter(({ credential }) => publicKeyOf(credential.publicKey) !== undefined);
  expect(isTaken).toEqual(taken);
});

test.each(taken)("WA01: the signature of the standard holds: $name", ({ credential, authentication }) => {
  const key = publicKeyOf(credential.publicKey);
  const { authenticatorData, clientDataJSON, signature } = authentication;
  const signed = Buffer.concat([authenticatorData, sha256(clientDataJSON)]);
  expect(key && isSignedBy(key, signed, signature)).toBe(true);
  expect(key && isSignedBy(key, Buffer.concat([signed, signed]), signature)).toBe(false);
});
