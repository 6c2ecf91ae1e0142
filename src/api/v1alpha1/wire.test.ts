import { expect, test } from "vitest";
import { endpointReasons, refusalReasons } from "./reasons.ts";
import { authenticatorPath, challengeBody, httpStatusOf, registerBody, requestPath, verifyBody } from "./wire.ts";

const codeVerifier = `${"b".repeat(42)}A`;

test.each([
  ["a code of six digits, with its zeros", { codeVerifier, totp: { code: "000123" } }, true],
  ["a number", { codeVerifier, totp: { code: 123_456 } }, false],
  ["five digits", { codeVerifier, totp: { code: "12345" } }, false],
  ["seven digits", { codeVerifier, totp: { code: "1234567" } }, false],
  ["a line break after it", { codeVerifier, totp: { code: "123456\n" } }, false],
  ["digits of another script", { codeVerifier, totp: { code: "١٢٣٤٥٦" } }, false],
  ["no code", { codeVerifier }, false],
  ["a field more", { codeVerifier, totp: { code: "123456" }, method: "TOTP" }, false],
  ["a field more inside", { codeVerifier, totp: { code: "123456", step: 1 } }, false],
  ["a method that is not taken yet", { codeVerifier, webauthn: {} }, false],
  ["a codeVerifier of 42 characters", { codeVerifier: codeVerifier.slice(1), totp: { code: "123456" } }, false],
  ["a codeVerifier spelled anew", { codeVerifier: `${"b".repeat(42)}B`, totp: { code: "123456" } }, false],
  [
    "a codeVerifier that is no base64url",
    { codeVerifier: `+${codeVerifier.slice(1)}`, totp: { code: "123456" } },
    false,
  ],
])("a body of verify or register with %s", (_, body, taken) => {
  expect([verifyBody.safeParse(body).success, registerBody.safeParse(body).success]).toEqual([taken, taken]);
});

test("a challenge takes a codeVerifier, and that alone", () => {
  expect(challengeBody.safeParse({ codeVerifier }).success).toBe(true);
  expect(challengeBody.safeParse({}).success).toBe(false);
  expect(challengeBody.safeParse({ codeVerifier, totp: { code: "123456" } }).success).toBe(false);
});

test("every word has its HTTP status: the endpoint's own as promised, a refusal 403", () => {
  const statuses = Object.fromEntries(endpointReasons.map((reason) => [reason, httpStatusOf(reason)]));
  expect(statuses).toMatchObject({ CallerUnknown: 401, NotReady: 409, RequestEnded: 409, AuthenticatorLocked: 423 });
  const others = [
    "MethodNotAllowed",
    "ProofRejected",
    "ProofAlreadyUsed",
    "AuthenticatorUnknown",
    "TicketExpired",
  ] as const;
  expect([...others, ...refusalReasons, "DeadlinePassed" as const].map(httpStatusOf)).toEqual(
    [...others, ...refusalReasons, "DeadlinePassed"].map(() => 403),
  );
  expect([httpStatusOf("RequestEntityTooLarge"), httpStatusOf("TooManyRequests")]).toEqual([413, 429]);
});

test("paths are those that the design promises", () => {
  expect(requestPath("shop", "debug-x7", "verify")).toBe("/v1alpha1/namespaces/shop/elevationrequests/debug-x7/verify");
  expect(authenticatorPath("616c.totp", "register")).toBe("/v1alpha1/authenticators/616c.totp/register");
});
