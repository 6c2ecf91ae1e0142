import { deflateSync } from "node:zlib";
import {
  anything,
  assert,
  asyncProperty,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  letrec,
  oneof,
  property,
  string,
  tuple,
  uint8Array,
} from "fast-check";
import { expect, test } from "vitest";
import { authenticator } from "../src/api/v1alpha1/authenticator.ts";
import { elevationPolicy } from "../src/api/v1alpha1/elevation-policy.ts";
import { elevationRequest } from "../src/api/v1alpha1/elevation-request.ts";
import {
  challengeAnswer,
  challengeBody,
  enrollmentAnswer,
  failure,
  registerAnswer,
  registerBody,
  verifyAnswer,
  verifyBody,
} from "../src/api/v1alpha1/wire.ts";
import { outcomeOf } from "../src/cli/key/address.ts";
import { lineReader } from "../src/cli/lines.ts";
import { compareBinding, type RoleBinding } from "../src/domain/binding.ts";
import { formatInstant, instant, parseDurationMs, parseInstant } from "../src/domain/time.ts";
import { ensureKeys, KeysUnusable, sealKeysOf } from "../src/flows/keys.ts";
import { readBody } from "../src/http/body.ts";
import { apiErrorOf } from "../src/kube/api-error.ts";
import { lines } from "../src/kube/lines.ts";
import { serverClock } from "../src/kube/server-clock.ts";
import { mistakeOfAuthenticator } from "../src/mfa/authenticator-data.ts";
import { isFilled } from "../src/mfa/cbor.ts";
import { mistakeOfClient } from "../src/mfa/client-data.ts";
import { publicKeyOf } from "../src/mfa/cose.ts";
import { secrets } from "../src/mfa/digest.ts";
import { keyMaker } from "../src/mfa/keys.ts";
import { sealChecker } from "../src/mfa/seals.ts";
import { base64urlOf, bytesOf, readCeremony, Unreadable } from "../src/web/ceremony.ts";
import { cbor } from "./fakes/security-key.ts";
import { fakeTrust } from "./fakes/trust.ts";

// All that reads what somebody else wrote, fed with noise and with what is nearly right: it answers, or throws its own
// error and no other, and it comes to an end.

const schemas = {
  challengeBody,
  verifyBody,
  registerBody,
  challengeAnswer,
  verifyAnswer,
  enrollmentAnswer,
  registerAnswer,
  failure,
  elevationRequest,
  elevationPolicy,
  authenticator,
};
const codeVerifier = `${"b".repeat(42)}A`;

/** JSON whose members are those that are known, so that it gets further than noise does. */
const names = constantFrom("codeVerifier", "totp", "code", "webauthn", "response", "spec", "status", "id", "__proto__");
const words = oneof(string({ unit: "binary", maxLength: 10 }), constantFrom("public-key", codeVerifier, "123456", "A"));
const { json } = letrec((tie) => ({
  json: oneof(
    { depthSize: "small" },
    words,
    jsonValue({ maxDepth: 1 }),
    dictionary(names, tie("json"), { maxKeys: 4 }),
  ),
}));

test("bodies, answers and objects: whatever they are, they are taken or not, and nothing is thrown", () => {
  assert(
    property(oneof(json, anything({ maxDepth: 2 })), (value) => {
      for (const schema of Object.values(schemas)) expect(typeof schema.safeParse(value).success).toBe("boolean");
    }),
    { numRuns: 60 },
  );
});

test("a body that is refused is told by the names of its fields alone, and one that is taken holds nothing more", () => {
  assert(
    property(json, json, (totp, more) => {
      const body = Object.assign({ codeVerifier, totp }, more);
      const read = readBody(verifyBody, JSON.parse(JSON.stringify(body)));
      if ("reason" in read) expect(read.message).toMatch(/^(the body|field [\w.]+) is [\w ]+$/);
      else expect(Object.keys(read.value).every((name) => Object.hasOwn(verifyBody.shape, name))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("times: what is written is read back, also without milliseconds; noise is past", () => {
  assert(
    property(integer({ min: 1, max: 253_402_300_799_999 }), string({ maxLength: 30 }), (ms, noise) => {
      const written = formatInstant(instant(ms));
      expect(parseInstant(written)).toBe(ms);
      expect(parseInstant(`${written.slice(0, 19)}Z`)).toBe(ms - (ms % 1000));
      expect(parseInstant(written.slice(0, -1) + noise)).toBe(/^\d{0,6}Z$/.test(noise) ? ms : 0);
      expect(parseInstant(noise)).toBe(0);
    }),
  );
});

test("durations: the sum of their parts, or none", () => {
  const unit = constantFrom<readonly [string, number]>(["h", 3_600_000], ["m", 60_000], ["s", 1_000], ["ms", 1]);
  const part = tuple(integer({ min: 0, max: 99_999 }), unit);
  assert(
    property(part, part, string({ maxLength: 6 }), ([a, [unitOfA, msOfA]], [b, [unitOfB, msOfB]], noise) => {
      const text = `${String(a)}${unitOfA}${String(b)}${unitOfB}`;
      expect(parseDurationMs(text)).toBe(a * msOfA + b * msOfB);
      for (const read of [parseDurationMs(noise), parseDurationMs(text + noise)])
        expect(read === undefined || Number.isSafeInteger(read)).toBe(true);
    }),
  );
});

const noise = uint8Array({ maxLength: 80 });
const item = oneof(integer({ min: -60_000, max: 60_000 }), string({ maxLength: 5 }), uint8Array({ maxLength: 40 }));

test("CBOR: what is written in its shortest form is whole, and not with a byte more or less; noise throws nothing", () => {
  assert(
    property(item, item, noise, (key, value, other) => {
      const map = cbor(new Map<string, typeof value>([[String(key), value]]));
      expect(isFilled(map, 0, 1)).toBe(true);
      expect(isFilled(Buffer.concat([map, Buffer.alloc(1)]), 0, 1)).toBe(false);
      expect(isFilled(map.subarray(0, -1), 0, 1)).toBe(false);
      expect(isFilled(map, map.length + 1, 0)).toBe(false);
      expect(typeof isFilled(other, 0, 2)).toBe("boolean");
    }),
  );
});

test("what a key or a browser says: noise is a mistake or no key, and throws nothing", () => {
  const challenge = Buffer.alloc(32, 7);
  assert(
    property(noise, string({ maxLength: 40 }), (bytes, text) => {
      expect(publicKeyOf(bytes)).toBeUndefined();
      for (const type of ["webauthn.get", "webauthn.create"] as const) {
        const flagged = Buffer.concat([Buffer.alloc(32), Buffer.from([0xc5]), bytes]);
        for (const said of [bytes, flagged]) expect(typeof mistakeOfAuthenticator(said, type)).not.toBe("object");
        for (const said of [text, Buffer.from(bytes).toString("base64url")])
          expect(mistakeOfClient(said, { type, challenge, origins: [text] })).toMatch(/\w/);
      }
    }),
  );
});

test("base64url: bytes are read back as they were written, by the page too; what is spelled otherwise is Unreadable", () => {
  assert(
    property(noise, string({ maxLength: 20 }), (bytes, text) => {
      const written = Buffer.from(bytes).toString("base64url");
      expect(base64urlOf(Uint8Array.from(bytes).buffer)).toBe(written);
      expect(Buffer.from(bytesOf(written))).toEqual(Buffer.from(bytes));
      expect(secrets.opens(text, written)).toBe(false);
      if (/^[\w-]*$/.test(text) && text.length % 4 !== 1) expect(bytesOf(text).length).toBeLessThanOrEqual(text.length);
      else expect(() => bytesOf(text)).toThrow(Unreadable);
    }),
  );
});

test("the fragment of an address: whatever it unfolds to is Unreadable, and nothing else is thrown", async () => {
  await assert(
    asyncProperty(oneof(json, jsonValue({ maxDepth: 2 })), noise, async (value, bytes) => {
      for (const said of [deflateSync(JSON.stringify(value)), deflateSync(bytes), Buffer.from(bytes)])
        await expect(readCeremony(`#${said.toString("base64url")}`)).rejects.toBeInstanceOf(Unreadable);
    }),
    { numRuns: 20 },
  );
});

test("what is pasted or comes back from a browser is an outcome of what was asked, or none", () => {
  const state = "A".repeat(22);
  assert(
    property(json, string({ unit: "binary", maxLength: 40 }), (value, text) => {
      expect(outcomeOf(text, state)).toBeUndefined();
      const answer = Object.assign({}, value, { state });
      const outcome = outcomeOf(Buffer.from(JSON.stringify(answer)).toString("base64url"), state);
      if (outcome !== undefined)
        expect(["existing", "state", "webauthn"]).toEqual(expect.arrayContaining(Object.keys(outcome)));
    }),
  );
  expect(outcomeOf(Buffer.from(JSON.stringify({ state })).toString("base64url"), state)).toEqual({ state });
});

test("keys and trust: whatever the Secret and the ConfigMap hold, there are keys, or a KeysUnusable", async () => {
  const key = tuple(constantFrom("seal-key.", "seed-key.", "endpoint-key.", "ca.crt", ""), string({ maxLength: 4 }));
  const data = dictionary(
    key.map((parts) => parts.join("")),
    oneof(string({ maxLength: 20 }), constantFrom("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")),
    { minKeys: 1, maxKeys: 4 },
  );
  const settings = { clusterName: "c", clusterUID: "u", contact: "", pageURL: "", rpId: "" };
  const now = instant(1_800_000_000_000);
  await assert(
    asyncProperty(data, data, async (keys, trust) => {
      const url = "https://localhost:8443";
      const ensured = ensureKeys(fakeTrust(keys, trust), keyMaker, { ...settings, url }, () => now);
      await expect(ensured).rejects.toBeInstanceOf(KeysUnusable);
      const checker = sealChecker(sealKeysOf(trust));
      for (const id of [...sealKeysOf(trust).keys(), "__proto__"]) expect(checker.holds(id, "A", nothing)).toBe(false);
    }),
    { numRuns: 40 },
  );
});
const nothing = Buffer.alloc(8);

test("what stands before the API server may answer anything: an ApiError of one line comes of it", () => {
  const member = oneof(string({ maxLength: 8 }), jsonValue({ maxDepth: 2 }));
  assert(
    property(member, member, member, string(), (reason, message, causes, text) => {
      for (const said of [JSON.stringify({ kind: "Status", reason, message, details: { causes } }), text]) {
        const error = apiErrorOf(500, said, text);
        expect(typeof error.reason).toBe("string");
        expect(error.message).not.toContain("\n");
        expect(error.causes.every((word) => typeof word === "string")).toBe(true);
      }
      const clock = serverClock(() => 0);
      clock.hear(text);
      expect([undefined, "number"]).toContain(clock.now() && typeof clock.now());
    }),
  );
});

test("a binding that anybody made is compared, whatever is in it", () => {
  assert(
    property(anything({ maxDepth: 2 }), anything({ maxDepth: 2 }), (labels, subjects) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what an API server that was tampered with may send
      const found = { metadata: { name: "x", namespace: "y", labels }, subjects } as unknown as RoleBinding;
      expect(compareBinding(found, undefined)).toBe("foreign");
    }),
  );
});

test("lines: however a stream is cut, they are the same", async () => {
  const text = string({ unit: constantFrom("a", "é", "🔥", "\n", "\r", "\u2028"), maxLength: 20 });
  await assert(
    asyncProperty(text, integer({ min: 1, max: 5 }), async (said, size) => {
      const bytes = Buffer.from(`${said}\n`);
      const pieces = (async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      })();
      const read: string[] = [];
      for await (const line of lines(pieces)) read.push(line);
      expect(read).toEqual(said.split("\n").filter((line) => line !== ""));
      const next = lineReader(
        (async function* () {
          yield `${said}\n`;
        })(),
      );
      for (const line of said.split("\n")) expect(await next()).toBe(line.replace(/\r$/, ""));
      expect(await next()).toBeUndefined();
    }),
    { numRuns: 50 },
  );
});
