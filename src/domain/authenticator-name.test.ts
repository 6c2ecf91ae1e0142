import { expect, test } from "vitest";
import { authenticatorName } from "./authenticator-name.ts";

test("an authenticator is named by its owner's bytes", () => {
  expect(authenticatorName("älice", "totp")).toBe("c3a46c696365.totp");
});
