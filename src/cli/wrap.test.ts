import { expect, test } from "vitest";
import { wrapped } from "./wrap.ts";

test("a line of at most 100 columns stays as it is", () => {
  expect(wrapped(`${"x".repeat(49)} ${"y".repeat(50)}\nz`)).toBe(`${"x".repeat(49)} ${"y".repeat(50)}\nz`);
});

test("a longer one is broken after a sentence, else at a blank, and goes on two spaces in", () => {
  const sentence = `error: ${"a".repeat(40)} is gone.`;
  expect(wrapped(`${sentence} ${"word ".repeat(12)}end`)).toBe(`${sentence}\n  ${"word ".repeat(12)}end`);
  expect(wrapped("word ".repeat(30).trim())).toBe(`${"word ".repeat(20).trim()}\n  ${"word ".repeat(10).trim()}`);
});

test("a command to copy is never broken", () => {
  const command = `kubectl elevate request p ${"-n x ".repeat(20)}`.trim();
  expect(wrapped(`it will time out; ask again, please do: ${command}`)).toBe(
    `it will time out; ask again, please do: ${command}`,
  );
  expect(wrapped(`payments-debug-7k2mx will time out; ask again: ${command}`)).toBe(
    `payments-debug-7k2mx will time out;\n  ask again: ${command}`,
  );
});
