import { assert, asyncProperty, constantFrom, option, string, tuple, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { type Algorithm, type Cbor, cbor, flag, type Said, securityKey } from "../../test/fakes/security-key.ts";
import { origin as vectorOrigin, rpId as vectorRpId, vectors } from "../../test/vectors/webauthn.ts";
import { assertion, registration } from "../api/v1alpha1/webauthn.ts";
import type { Denial } from "../domain/reasons.ts";
import type { Credential } from "../flows/ports.ts";
import { webauthn } from "./webauthn.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const bytes = (base64url: string): Buffer => Buffer.from(base64url, "base64url");
const origin = "https://elevate.example.com";
const rpId = "elevate.example.com";
const challenge = Buffer.alloc(32, 0xfb);
const userId = text(Buffer.from("0123456789"));
const user = { id: userId, name: "alice", displayName: "alice" };
const creation = {
  challenge: text(challenge),
  rp: { id: rpId, name: "kube-elevate" },
  user,
  excludeCredentials: [],
  pubKeyCredParams: [],
  authenticatorSelection: { residentKey: "discouraged", userVerification: "required" },
  attestation: "none",
} as const;
const request = { challenge: text(challenge), rpId, allowCredentials: [], userVerification: "required" } as const;
const expected = { challenge, rpId, origins: [origin] };

const keys = new Map<Algorithm, ReturnType<typeof securityKey>>();
function keyOf(algorithm: Algorithm) {
  const key = keys.get(algorithm) ?? securityKey({ origin, algorithm });
  keys.set(algorithm, key);
  return key;
}
const es256 = keyOf("ES256");

const credentialOf = (found: Credential | Denial): Credential => {
  if ("reason" in found) throw new Error(found.message);
  return found;
};
const enrolled = async (key = es256, said?: Said): Promise<Credential> =>
  credentialOf(await webauthn.register(expected, key.create(creation, said)));
const messageOf = (result: object): string => {
  if (!("reason" in result)) return "taken";
  expect(result.reason).toBe("ProofRejected");
  return "message" in result ? String(result.message) : "";
};
const registered = async (said: Said): Promise<string> =>
  messageOf(await webauthn.register(expected, es256.create(creation, said)));
const used = async (credential: Credential, said: Said): Promise<string> =>
  messageOf(await webauthn.assert({ challenge, credential, userId }, es256.get(request, said)));

const unverified = "the key did not verify you: it needs your PIN or fingerprint";
const isFramed = "the key was used inside of another page";
const isElsewhere = "the key was used at another page than its own";
const isAnother = "the key was asked about something else";
const notHeld = "the key's answer does not hold";
const keyNotHeld = "what the key said does not hold";
const clientNotHeld = "what the browser said does not hold";
const isOtherKey = "another key answered than the one that was asked";

test.each(["ES256", "Ed25519", "RS256"] as const)("H6: a key of %s is enrolled, and used", async (algorithm) => {
  const key = keyOf(algorithm);
  const aaguid = Buffer.from("00112233445566778899aabbccddeeff", "hex");
  const made = registration.parse(key.create(creation, { aaguid, signCount: 7 }));
  const credential = credentialOf(await webauthn.register(expected, made));
  expect(credential).toEqual({
    credentialId: text(key.credentialId),
    publicKey: text(key.publicKey),
    signCount: 7,
    aaguid: "00112233-4455-6677-8899-aabbccddeeff",
    transports: ["usb"],
    backupEligible: false,
    rpId,
    origin,
  });
  const answer = assertion.parse(key.get(request, { signCount: 8, userHandle: userId }));
  const { authenticatorData, clientDataJSON, signature } = answer.response;
  const { credentialId, publicKey } = credential;
  expect(await webauthn.assert({ challenge, credential, userId }, answer)).toEqual({
    evidence: { credentialId, publicKey, rpId, origin, authenticatorData, clientDataJSON, signature },
    signCount: 8,
  });
});

const results: { readonly [name: string]: readonly [registration: string, authentication: string] } = {
  "ES256 Credential with No Attestation": [unverified, unverified],
  "ES256 Credential with Self Attestation": ["taken", unverified],
  'ES256 Credential with "crossOrigin": true in clientDataJSON': [isFramed, isFramed],
  'ES256 Credential with "topOrigin" in clientDataJSON': [isFramed, isFramed],
  "ES256 Credential with very long credential ID": [unverified, "taken"],
  "Packed Attestation with ES256 Credential": ["taken", "taken"],
  "Packed Attestation with ES384 Credential": [unverified, notHeld],
  "Packed Attestation with ES512 Credential": [notHeld, unverified],
  "Packed Attestation with RS256 Credential": ["taken", unverified],
  "Packed Attestation with Ed25519 Credential": [unverified, unverified],
  "Packed Attestation with Ed448 Credential": [unverified, notHeld],
  "TPM Attestation with ES256 Credential": ["taken", "taken"],
  "Android Key Attestation with ES256 Credential": ["taken", unverified],
  "Apple Anonymous Attestation with ES256 Credential": [unverified, unverified],
  "FIDO U2F Attestation with ES256 Credential": [unverified, unverified],
};

test.each(vectors)("WA01: of the standard: $name", async ({ name, registration: made, authentication, credential }) => {
  const id = text(credential.id);
  const [clientDataJSON, attestationObject] = [text(made.clientDataJSON), text(made.attestationObject)];
  const about = { challenge: made.challenge, rpId: vectorRpId, origins: [vectorOrigin] };
  const answer = registration.parse({ id, type: "public-key", response: { clientDataJSON, attestationObject } });
  const known = {
    credentialId: id,
    publicKey: text(credential.publicKey),
    rpId: vectorRpId,
    origin: vectorOrigin,
    backupEligible: (credential.flags & flag.be) !== 0,
  };
  const made1 = await webauthn.register(about, answer);
  if (!("reason" in made1)) expect(made1).toMatchObject(known);
  const { authenticatorData, signature } = authentication;
  const response = { clientDataJSON: text(authentication.clientDataJSON), authenticatorData: text(authenticatorData) };
  const touched = await webauthn.assert(
    { challenge: authentication.challenge, credential: known, userId },
    assertion.parse({ id, type: "public-key", response: { ...response, signature: text(signature) } }),
  );
  expect([messageOf(made1), messageOf(touched)]).toEqual(results[name]);
});

test.each([
  ["ES256", 8],
  ["Ed25519", 1],
  ["RS256", 1],
] as const)("WA02: an answer of %s, altered in any place, is refused", async (algorithm, bits) => {
  const key = keyOf(algorithm);
  const about = { challenge, credential: await enrolled(key), userId };
  const { response, ...answer } = key.get(request);
  expect(messageOf(await webauthn.assert(about, { ...answer, response }))).toBe("taken");
  for (const member of ["signature", "authenticatorData", "clientDataJSON"] as const) {
    const right = bytes(response[member]);
    const wrong = [...right.entries()].flatMap(([at, byte]) =>
      Array.from({ length: bits }, (_, bit) => Buffer.from(right).fill(byte ^ (1 << bit), at, at + 1)),
    );
    const others = [Buffer.concat([right, Buffer.alloc(1)]), right.subarray(0, -1), right.subarray(1)];
    for (const altered of [...wrong, ...others]) {
      const result = await webauthn.assert(about, { ...answer, response: { ...response, [member]: text(altered) } });
      expect(messageOf(result)).not.toBe("taken");
    }
  }
});

test("WA02: another key's signature over the same is refused: `verified: false` is no answer", async () => {
  const about = { challenge, credential: await enrolled(), userId };
  const { response, ...answer } = es256.get(request);
  const { signature } = securityKey({ origin }).get(request).response;
  expect(messageOf(await webauthn.assert(about, { ...answer, response: { ...response, signature } }))).toBe(notHeld);
});

test("WA02: a signature in another form than DER, which openssl would not read, is refused", async () => {
  const about = { challenge, credential: await enrolled(), userId };
  const { response, ...answer } = es256.get(request);
  const der = bytes(response.signature);
  const long = Buffer.concat([Buffer.from([0x30, 0x81, der[1] ?? 0]), der.subarray(2)]);
  const result = await webauthn.assert(about, { ...answer, response: { ...response, signature: text(long) } });
  expect(messageOf(result)).toBe(notHeld);
});

test("WA03: what is spelled in another way of base64url is refused", async () => {
  const about = { challenge, credential: await enrolled(), userId };
  const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const respelled = (base64url: string): string =>
    base64url.slice(0, -1) + chars.charAt(chars.indexOf(base64url.slice(-1)) ^ 1);
  const { response, ...answer } = es256.get(request, { clientData: (said) => said });
  let seen = 0;
  for (const member of ["signature", "authenticatorData", "clientDataJSON"] as const) {
    const other = respelled(response[member]);
    if (!bytes(other).equals(bytes(response[member]))) continue; // it has one spelling
    seen++;
    const result = await webauthn.assert(about, { ...answer, response: { ...response, [member]: other } });
    expect(messageOf(result)).toBe(notHeld);
  }
  expect(seen).toBeGreaterThan(0);
});

test.each<readonly [string, Said, string, string]>([
  ["another challenge", { challenge: text(Buffer.alloc(32, 1)) }, isAnother, isAnother],
  ["another origin", { origin: "https://evil.example" }, isElsewhere, isElsewhere],
  ["another relying party", { rpId: "evil.example" }, notHeld, notHeld],
  ["the domain above", { rpId: "example.com" }, notHeld, notHeld],
  ["a frame", { crossOrigin: true }, isFramed, isFramed],
  ["a frame that names its top", { crossOrigin: true, topOrigin: origin }, isFramed, isFramed],
  ["a type of its own", { type: "payment.get" }, clientNotHeld, clientNotHeld],
  ["a byte order mark", { clientData: (said) => `\uFEFF${said}` }, clientNotHeld, clientNotHeld],
  ["nothing from the browser", { clientData: () => " " }, clientNotHeld, clientNotHeld],
  ["too little of the key", { authenticatorData: (data) => data.subarray(0, 36) }, keyNotHeld, keyNotHeld],
  ["nothing of the key", { authenticatorData: () => Buffer.alloc(1) }, unverified, unverified],
  [
    "a byte more of the key",
    { authenticatorData: (data) => Buffer.concat([data, Buffer.alloc(1)]) },
    keyNotHeld,
    keyNotHeld,
  ],
  ["what Chrome adds", { others: { other_keys_can_be_added_here: "do not compare" } }, "taken", "taken"],
  ["what is not ASCII", { others: { "Grüße 🔥": "\u2028" } }, "taken", "taken"],
  ["what Safari leaves out", { clientData: (said) => said.replace(',"crossOrigin":false', "") }, "taken", "taken"],
])("WA03, WA06: signed as it is said: %s", async (_, said, atEnrollment, atUse) => {
  const credential = await enrolled();
  expect([await registered(said), await used(credential, said)]).toEqual([atEnrollment, atUse]);
});

test("WA03: what makes a key does not use one, nor the other way round", async () => {
  const credential = await enrolled();
  expect(await registered({ type: "webauthn.get" })).toBe(clientNotHeld);
  expect(await used(credential, { type: "webauthn.create" })).toBe(clientNotHeld);
});

test("WA06: of all 256 flags, one is taken of a key that cannot be copied, two of one that can", async () => {
  const [single, synced] = [await enrolled(), await enrolled(es256, { flags: 0x4d })];
  expect([single.backupEligible, synced.backupEligible]).toEqual([false, true]);
  const taken: { readonly [kind: string]: number[] } = {
    single: [],
    synced: [],
    made: [],
    extended: [],
    madeExtended: [],
  };
  const extensions: Cbor = new Map([["credProtect", 2]]);
  for (let flags = 0; flags < 256; flags++) {
    if ((await used(single, { flags })) === "taken") taken["single"]?.push(flags);
    if ((await used(synced, { flags })) === "taken") taken["synced"]?.push(flags);
    if ((await used(single, { flags, extensions })) === "taken") taken["extended"]?.push(flags);
    if ((await registered({ flags })) === "taken") taken["made"]?.push(flags);
    if ((await registered({ flags, extensions })) === "taken") taken["madeExtended"]?.push(flags);
  }
  expect(taken).toEqual({
    single: [0x05],
    synced: [0x0d, 0x1d],
    extended: [0x85],
    made: [0x45, 0x4d, 0x5d],
    madeExtended: [0xc5, 0xcd, 0xdd],
  });
});

test("WA06: what is wrong is told: no verification, and another BE than at enrollment", async () => {
  const credential = await enrolled();
  expect(await used(credential, { flags: flag.up })).toBe(unverified);
  expect(await used(credential, { flags: flag.uv })).toBe(unverified);
  expect(await registered({ flags: flag.up | flag.at })).toBe(unverified);
  const enrolledOtherwise = "the key is not the one that was enrolled";
  expect(await used(credential, { flags: flag.up | flag.uv | flag.be })).toBe(enrolledOtherwise);
  expect(await used({ ...credential, backupEligible: true }, {})).toBe(enrolledOtherwise);
  const { backupEligible: _, ...unsaid } = credential;
  expect(await used(unsaid, {})).toBe("taken");
});

const stepped = (step: number) => (at: number) => (given: Buffer) =>
  Buffer.from(given).fill((given[at] ?? 0) + step, at, at + 1);
const [up, down] = [stepped(1), stepped(-1)];

test("WA06: lengths that lie are refused", async () => {
  const credential = await enrolled();
  const extensions: Cbor = new Map([["hmac-secret", Buffer.alloc(4)]]);
  const fixed = 37 + 16 + 2 + 32; // up to the public key
  const ofSecret = 37 + 1 + 12; // the length of its value, in the last item
  expect(await used(credential, { extensions })).toBe("taken");
  for (const authenticatorData of [up(ofSecret), down(ofSecret), up(37), down(37)])
    expect(await used(credential, { extensions, authenticatorData })).toBe(keyNotHeld);
  for (const authenticatorData of [up(53), up(54), down(54), up(87), down(87), up(fixed + es256.publicKey.length - 33)])
    expect(await registered({ authenticatorData })).not.toBe("taken");
  const { response, ...answer } = es256.create(creation);
  const object = bytes(response.attestationObject);
  const altered = [up(object.length - 165)(object), Buffer.concat([object, object]), object.subarray(0, -1)];
  for (const attestationObject of altered.map(text))
    expect(
      messageOf(await webauthn.register(expected, { ...answer, response: { ...response, attestationObject } })),
    ).toBe(notHeld);
});

test("WA07: another credential, and another user, are refused", async () => {
  const credential = await enrolled();
  expect(await used(credential, { credentialId: Buffer.alloc(32, 1) })).toBe(isOtherKey);
  const about = { challenge, credential, userId };
  const answer = es256.get(request);
  expect(messageOf(await webauthn.assert(about, { ...answer, rawId: text(Buffer.alloc(32, 1)) }))).toBe(isOtherKey);
  const { rawId: _, ...withoutRawId } = answer;
  expect(messageOf(await webauthn.assert(about, withoutRawId))).toBe("taken");
  const of = async (userHandle: string | null | undefined) =>
    messageOf(await webauthn.assert(about, { ...answer, response: { ...answer.response, userHandle } }));
  expect([await of(userId), await of(null), await of(undefined)]).toEqual(["taken", "taken", "taken"]);
  expect(await of(text(Buffer.from("9876543210")))).toBe("the key says that it is somebody else's");
});

test("WA08: a key of one algorithm, and a signature of another, are refused", async () => {
  const algorithms = ["ES256", "Ed25519", "RS256"] as const;
  for (const stored of algorithms) {
    const credential = await enrolled(keyOf(stored));
    for (const signing of algorithms) {
      const said = { credentialId: bytes(credential.credentialId) };
      const answer = keyOf(signing).get(request, said);
      const result = messageOf(await webauthn.assert({ challenge, credential, userId }, answer));
      expect(result).toBe(stored === signing ? "taken" : notHeld);
    }
  }
});

test.each<readonly [string, () => Uint8Array]>([
  ["no key", () => cbor(0)],
  [
    "P-384",
    () =>
      cbor(
        new Map<number, Cbor>([
          [1, 2],
          [3, -35],
          [-1, 2],
          [-2, Buffer.alloc(48, 1)],
          [-3, Buffer.alloc(48, 1)],
        ]),
      ),
  ],
  ["a point off the curve", () => Buffer.from(es256.publicKey).fill(0, 70)],
  ["RSA of 1024 bits", () => securityKey({ origin, algorithm: "RS256", rsaBits: 1024 }).publicKey],
  [
    "ML-DSA-44",
    () =>
      cbor(
        new Map<number, Cbor>([
          [1, 7],
          [3, -48],
          [-1, Buffer.alloc(1312, 7)],
        ]),
      ),
  ],
])("WA08: neither enrolled nor used: %s", async (_, key) => {
  const publicKey = key();
  expect(await registered({ publicKey })).toBe(notHeld);
  expect(await used({ ...(await enrolled()), publicKey: text(publicKey) }, {})).toBe(notHeld);
});

test("a new key is the one that its answer names, and its id is at most 1023 bytes", async () => {
  const answer = es256.create(creation);
  const of = async (said: object) => messageOf(await webauthn.register(expected, { ...answer, ...said }));
  const other = text(Buffer.alloc(32, 1));
  expect([await of({ id: other, rawId: other }), await of({ rawId: other })]).toEqual([notHeld, notHeld]);
  expect(await of({ rawId: undefined })).toBe("taken");
  expect(await registered({ credentialId: Buffer.alloc(1023, 1) })).toBe("taken");
  expect(await registered({ credentialId: Buffer.alloc(1024, 1) })).toBe(notHeld);
});

test("WA01: an attestation that nobody asked for is not looked at, nor any address in it called", async () => {
  const { response, ...answer } = es256.create(creation);
  const object = bytes(response.attestationObject);
  const data = object.subarray(object.indexOf("authData") + 10);
  for (const fmt of ["packed", "tpm", "android-key", "apple", "fido-u2f", "android-safetynet", "tomorrow's"]) {
    const attStmt: Cbor = new Map<string, Cbor>([
      ["alg", -7],
      ["sig", Buffer.alloc(70)],
      ["x5c", "no certificate"],
    ]);
    const attested = cbor(
      new Map<string, Cbor>([
        ["fmt", fmt],
        ["attStmt", attStmt],
        ["authData", data],
      ]),
    );
    const attestationObject = text(attested);
    const result = await webauthn.register(expected, { ...answer, response: { ...response, attestationObject } });
    expect(messageOf(result)).toBe("taken");
  }
});

test("a browser's transports are kept once each", async () => {
  const { response, ...answer } = es256.create(creation);
  const transports = ["usb", "nfc", "usb"];
  const credential = await webauthn.register(expected, { ...answer, response: { ...response, transports } });
  expect(credential).toMatchObject({ transports: ["usb", "nfc"] });
});

test("whatever comes in the shape of an answer is refused, and nothing is thrown", async () => {
  const credential = await enrolled();
  const noise = uint8Array({ minLength: 1, maxLength: 200 }).map(text);
  const written = string({ minLength: 1, maxLength: 20 }).map((said) => text(Buffer.from(said)));
  const right = es256.get(request);
  const made = es256.create(creation);
  const deep = text(Buffer.concat([Buffer.from("a1686175746844617461", "hex"), Buffer.alloc(7400, 0x81)]));
  const flags = text(Buffer.concat([Buffer.alloc(32), Buffer.from([0xc5]), Buffer.alloc(4), Buffer.alloc(2900, 0x81)]));
  const parts = [right.response.clientDataJSON, right.response.authenticatorData, right.response.signature, flags];
  const said = constantFrom(...parts, made.response.clientDataJSON, "A", "_", "A".repeat(1400));
  const member = tuple(noise, written, said, constantFrom(0, 1, 2)).map(([a, b, c, which]) => [a, b, c][which] ?? a);
  const id = constantFrom(right.id, "A");
  await assert(
    asyncProperty(id, member, member, member, option(member), async (id1, first, second, third, fourth) => {
      const response = { clientDataJSON: first, authenticatorData: second, signature: third.slice(0, 1400) };
      const userHandle = fourth?.slice(0, 128);
      const answer = assertion.parse({ id: id1, type: "public-key", response: { ...response, userHandle } });
      const result = await webauthn.assert({ challenge, credential, userId }, answer);
      const isRight = response.clientDataJSON === parts[0] && second === parts[1] && third === parts[2];
      if (!isRight) expect(messageOf(result)).not.toBe("taken");
      for (const attestationObject of [second, deep]) {
        const asked = { id: id1, type: "public-key", response: { clientDataJSON: first, attestationObject } };
        expect(messageOf(await webauthn.register(expected, registration.parse(asked)))).not.toBe("taken");
      }
    }),
    { numRuns: 500 },
  );
});
