import { expect, test } from "vitest";
import { codeOf, wrongCode } from "./totp.ts";

// RFC 6238 appendix B, SHA-1: the ASCII text 12345678901234567890, whose codes have eight digits there.
const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
test.each([
  [59, "287082"],
  [1_111_111_109, "081804"],
  [20_000_000_000, "353130"],
])("TO01: the demo's own app agrees with RFC 6238 at %s s", (seconds, code) => {
  expect(codeOf(secret, seconds * 1000)).toBe(code);
  expect(codeOf(secret, seconds * 1000 + 30_000, 1)).toBe(code);
  expect(wrongCode(secret, seconds * 1000)).not.toBe(code);
});
