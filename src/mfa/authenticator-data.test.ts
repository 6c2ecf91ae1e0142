import { expect, test } from "vitest";
import { flag } from "../../test/fakes/security-key.ts";
import { mistakeOfAuthenticator } from "./authenticator-data.ts";

const { up, uv, be, bs, at } = flag;
const hashOfRpId = Buffer.alloc(32, 1);
const counter = Buffer.alloc(4);
const used = (flags: number): Buffer => Buffer.concat([hashOfRpId, Buffer.from([flags]), counter]);
const emptyMap = Buffer.from([0xa0]);
/** An id of one byte, and a key that is an empty map: what is in it is not judged here. */
const made = (flags: number): Buffer =>
  Buffer.concat([used(flags), Buffer.alloc(16), Buffer.from([0, 1, 7]), emptyMap]);
const taken = (data: (flags: number) => Buffer, ceremony: Parameters<typeof mistakeOfAuthenticator>[1]) =>
  Array.from({ length: 256 }, (_, flags) => flags).filter(
    (flags) => mistakeOfAuthenticator(data(flags), ceremony) === undefined,
  );

test("WA06: of all 256 flags three are taken where a key is used: touched, verified, backed up only where it may be", () => {
  expect(taken(used, "webauthn.get")).toEqual([up | uv, up | uv | be, up | uv | be | bs]);
});

test("WA06: the same three where one is made, with the credential that comes then and only then", () => {
  expect(taken(made, "webauthn.create")).toEqual([up | uv | at, up | uv | be | at, up | uv | be | bs | at]);
  expect(taken(made, "webauthn.get")).toEqual([]);
  expect(taken(used, "webauthn.create")).toEqual([]);
});

test("every byte is accounted for", () => {
  for (const more of [Buffer.from([0]), emptyMap]) {
    expect(mistakeOfAuthenticator(Buffer.concat([used(up | uv), more]), "webauthn.get")).toBeDefined();
    expect(mistakeOfAuthenticator(Buffer.concat([made(up | uv | at), more]), "webauthn.create")).toBeDefined();
  }
  expect(mistakeOfAuthenticator(used(up | uv).subarray(0, -1), "webauthn.get")).toBeDefined();
  expect(mistakeOfAuthenticator(made(up | uv | at).subarray(0, -1), "webauthn.create")).toBeDefined();
});
