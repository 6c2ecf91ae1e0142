import { assert, constantFrom, dictionary, jsonValue, property, string, tuple } from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { type Ceremony, mistakeOfClient } from "./client-data.ts";

/** As a parser reads it: crossOrigin is false where it is left out, and there is no topOrigin. */
const clientData = z.looseObject({ crossOrigin: z.boolean().default(false), topOrigin: z.undefined().optional() });
const challenge = Buffer.alloc(32, 0xfb);
const asked = challenge.toString("base64url");
const origin = "https://elevate.example.com";
const begin = `{"type":"webauthn.get","challenge":"${asked}","origin":"${origin}"`;
const ofBytes = (bytes: Uint8Array, type: Ceremony = "webauthn.get") =>
  mistakeOfClient(Buffer.from(bytes).toString("base64url"), { type, challenge, origins: [origin] });
const of = (text: string) => ofBytes(Buffer.from(text));

const chromeSays = "do not compare clientDataJSON against a template. See https://goo.gl/yabPex";

test.each([
  ["Chrome and Firefox", `${begin},"crossOrigin":false}`],
  ["Safari, which leaves out crossOrigin where it is false", `${begin}}`],
  ["Chrome at times", `${begin},"crossOrigin":false,"other_keys_can_be_added_here":"${chromeSays}"}`],
  ["a member that is not ASCII", `${begin},"crossOrigin":false,"Grüße":"Pods stürzen ab 🔥"}`],
  ["a member that is escaped as it must be", `${begin},"crossOrigin":false,"a\\"b\\\\":"\\n\\u0001"}`],
  ["members with members", `${begin},"crossOrigin":false,"x":{"type":"webauthn.create","y":[1,null,{"z":-0.5}]}}`],
  ["a member named as what JavaScript inherits", `${begin},"crossOrigin":false,"__proto__":{"type":"x"}}`],
])("WA03: what the browser says is taken: %s", (_, text) => {
  expect(of(text)).toBeUndefined();
});

const doesNotHold = "what the browser said does not hold";
const isAnother = "the key was asked about something else";
const isElsewhere = "the key was used at another page than its own";
const isFramed = "the key was used inside of another page";

test.each([
  ["type create", `${begin},"crossOrigin":false}`.replace("get", "create"), doesNotHold],
  ["no type", `{"challenge":"${asked}","origin":"${origin}","crossOrigin":false}`, doesNotHold],
  ["no challenge", `{"type":"webauthn.get","origin":"${origin}","crossOrigin":false}`, isAnother],
  ["no origin", `{"type":"webauthn.get","challenge":"${asked}","crossOrigin":false}`, isElsewhere],
  ["an origin that is a list", `${begin},"crossOrigin":false}`.replace(`"${origin}"`, `["${origin}"]`), isElsewhere],
  ["an origin that begins alike", `${begin},"crossOrigin":false}`.replace(".com", ".com.evil.example"), isElsewhere],
  ["an origin with a port", `${begin},"crossOrigin":false}`.replace(".com", ".com:8443"), isElsewhere],
  ["an origin without TLS", `${begin},"crossOrigin":false}`.replace("https", "http"), isElsewhere],
  ["a challenge in padded base64url", `${begin},"crossOrigin":false}`.replace(asked, `${asked}=`), isAnother],
  ["a challenge in base64", `${begin},"crossOrigin":false}`.replace(asked, challenge.toString("base64")), isAnother],
  ["a challenge of no length", `${begin},"crossOrigin":false}`.replace(asked, ""), isAnother],
  ["a frame of another origin", `${begin},"crossOrigin":true}`, isFramed],
  ["a frame that names its top", `${begin},"crossOrigin":true,"topOrigin":"https://evil.example"}`, isFramed],
  ["a top without a frame", `${begin},"crossOrigin":false,"topOrigin":"${origin}"}`, isFramed],
  ["a top that is null", `${begin},"crossOrigin":false,"topOrigin":null}`, isFramed],
  ["crossOrigin that is no boolean", `${begin},"crossOrigin":"false"}`, isFramed],
  ["crossOrigin that is null", `${begin},"crossOrigin":null}`, isFramed],
  ["crossOrigin after another member", `${begin},"x":1,"crossOrigin":false}`, doesNotHold],
  ["another order", `{"challenge":"${asked}","type":"webauthn.get","origin":"${origin}"}`, doesNotHold],
  ["type twice", `${begin},"crossOrigin":false,"type":"webauthn.get"}`, doesNotHold],
  ["the challenge twice, the right one last", `{"challenge":"x",${begin.slice(1)},"crossOrigin":false}`, doesNotHold],
  ["the challenge twice, the right one first", `${begin},"crossOrigin":false,"challenge":"x"}`, doesNotHold],
  ["a member twice, further down", `${begin},"crossOrigin":false,"x":{"y":1,"y":1}}`, doesNotHold],
  ["an escaped key", `${begin},"crossOrigin":false}`.replace(`"type"`, `"\\u0074ype"`), doesNotHold],
  ["an escaped value", `${begin},"crossOrigin":false}`.replace("webauthn.get", "webauthn\\u002eget"), doesNotHold],
  ["an escaped slash", `${begin},"crossOrigin":false}`.replaceAll("/", "\\/"), doesNotHold],
  ["white space", `${begin}, "crossOrigin":false}`, doesNotHold],
  ["a line break after it", `${begin},"crossOrigin":false}\n`, doesNotHold],
  ["trailing bytes", `${begin},"crossOrigin":false}}`, doesNotHold],
  ["a second object", `${begin},"crossOrigin":false}${begin}}`, doesNotHold],
  ["a zero byte after it", `${begin},"crossOrigin":false}\0`, doesNotHold],
  ["a byte order mark", `\uFEFF${begin},"crossOrigin":false}`, doesNotHold],
  ["an end that is missing", `${begin},"crossOrigin":false`, doesNotHold],
  ["a list", `[${begin},"crossOrigin":false}]`, doesNotHold],
  ["a string", `"webauthn.get"`, doesNotHold],
  ["null", "null", doesNotHold],
  ["nothing", "", doesNotHold],
  ["a depth that no parser likes", `${begin},"x":${"[".repeat(1300)}${"]".repeat(1300)}}`.slice(0, -1), doesNotHold],
])("WA03: what the browser says is refused: %s", (_, text, mistake) => {
  expect(of(text)).toBe(mistake);
});

test("WA03: bytes that are no UTF-8 are refused, also where a parser would read past them", () => {
  const said = Buffer.from(`${begin},"crossOrigin":false,"x":"y"}`);
  const at = said.indexOf('"y"') + 1;
  expect(ofBytes(said)).toBeUndefined();
  for (const byte of [0x80, 0xc0, 0xff]) expect(ofBytes(Buffer.from(said).fill(byte, at, at + 1))).toBe(doesNotHold);
});

test("WA03: a key that is made is not one that is used", () => {
  const said = Buffer.from(`${begin},"crossOrigin":false}`);
  expect(ofBytes(said, "webauthn.create")).toBe(doesNotHold);
  expect(ofBytes(Buffer.from(said.toString().replace("get", "create")), "webauthn.create")).toBeUndefined();
});

/** Section 5.8.1.2, step by step, where no topOrigin is expected; and Safari's form. */
function isVerifiedByBytes(bytes: Buffer): boolean {
  const next = (length: number): boolean => bytes[length] === 0x7d || bytes[length] === 0x2c;
  const written = Buffer.from(`${begin},"crossOrigin":false`);
  if (bytes.subarray(0, written.length).equals(written)) return next(written.length);
  const shorter = Buffer.from(begin);
  return bytes.subarray(0, shorter.length).equals(shorter) && next(shorter.length);
}

const others = dictionary(string({ unit: "binary", maxLength: 8 }), jsonValue({ maxDepth: 3 }), { maxKeys: 3 });
const known = new Set(["type", "challenge", "origin", "crossOrigin", "topOrigin"]);
const isAdded = ([key]: readonly [string, unknown]): boolean => !known.has(key) && !/^\d+$/.test(key);

test("WA03: whatever members a browser adds, in whatever script, it is taken", () => {
  const written = others.map((members) => JSON.stringify(Object.fromEntries(Object.entries(members).filter(isAdded))));
  assert(
    property(written, (members) => {
      const added = members === "{}" ? "}" : `,${members.slice(1)}`;
      expect(of(`${begin},"crossOrigin":false${added}`)).toBeUndefined();
    }),
  );
});

test("WA03: what is taken, a parser and who compares bytes read alike (differential)", () => {
  const pieces = [
    begin,
    ',"crossOrigin":false',
    ',"crossOrigin":true',
    `,"topOrigin":"${origin}"`,
    "}",
    "{",
    " ",
    "\\",
  ];
  const more = [
    `,"type":"webauthn.create"`,
    `,"challenge":"x"`,
    `,"origin":"https://evil.example"`,
    `,"x":`,
    `"y"`,
    "1",
  ];
  const piece = constantFrom(...pieces, ...more, "[]", "é", "\u2028", "\\u0000", '\\"', "\uFEFF");
  const seen = { taken: 0, refused: 0 };
  assert(
    property(tuple(constantFrom(begin, `${begin},"crossOrigin":false`, ""), piece, piece, piece), (parts) => {
      for (const text of [parts.join(""), `${parts.slice(0, 3).join("")}}`, `${parts.slice(0, 2).join("")}}`]) {
        const isTaken = of(text) === undefined;
        seen[isTaken ? "taken" : "refused"]++;
        if (!isTaken) continue;
        expect([text, isVerifiedByBytes(Buffer.from(text))]).toEqual([text, true]);
        const parsed = clientData.parse(JSON.parse(text));
        expect(parsed).toMatchObject({ type: "webauthn.get", challenge: asked, origin, crossOrigin: false });
      }
    }),
    { numRuns: 3000 },
  );
  expect(seen.taken).toBeGreaterThan(50);
  expect(seen.refused).toBeGreaterThan(1000);
});
