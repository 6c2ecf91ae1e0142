import { assert, constantFrom, property, string } from "fast-check";
import { expect, test } from "vitest";
import { createLog } from "./log.ts";

const clock = (): Date => new Date("2026-11-24T10:00:00.000Z");

function logged(write: (log: ReturnType<typeof createLog>) => void): {
  readonly lines: string[];
  readonly first: unknown;
} {
  const lines: string[] = [];
  write(createLog({ logger: "verifier", level: "info", clock, to: { write: (line) => void lines.push(line) } }));
  return { lines, first: JSON.parse(lines[0] ?? "null") };
}

test("a line is one JSON object with ts, level, logger, msg and its fields", () => {
  const { lines, first } = logged((log) => log.info({ namespace: "payments", name: "x" }, "taken\nover \u001b[31m"));
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd()).toMatch(/^\P{Cc}+$/u);
  expect(first).toEqual({
    ts: "2026-11-24T10:00:00.000Z",
    level: "info",
    logger: "verifier",
    namespace: "payments",
    name: "x",
    msg: "taken\nover \u001b[31m",
  });
});

test("HT08: whatever characters come, a line is one record, of such as do nothing; read back they are the same", () => {
  const unit = constantFrom(
    "a",
    "\n",
    "\r",
    "\u001b[31m",
    "\u0085",
    "\u009b",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\u{e0041}",
    "\ud800",
    '"',
    "\\",
  );
  assert(
    property(string({ unit, maxLength: 20 }), (text) => {
      const { lines, first } = logged((log) => log.info({ [text]: text, err: new Error(text) }, text));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+\n$/u);
      expect(first).toMatchObject({ msg: text });
    }),
  );
});

test("below its level nothing is written", () => {
  expect(logged((log) => log.debug("unheard")).lines).toEqual([]);
});

test("an error shows its class, first line, code, stack and cause, and nothing that hangs on it", () => {
  const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const error = Object.assign(new Error("could not read\nsecond line", { cause }), {
    body: "hush",
    headers: { a: "hush" },
  });
  const { lines, first } = logged((log) => log.error({ err: error }, "failed"));
  expect(first).toMatchObject({
    err: {
      type: "Error",
      message: "could not read",
      cause: { message: "connect ECONNREFUSED", errorCode: "ECONNREFUSED" },
    },
  });
  expect(lines.join("")).not.toMatch(/hush|second line/);
});

test("what is no error tells its type alone", () => {
  expect(logged((log) => log.error({ err: "a secret" }, "failed")).first).toMatchObject({ err: { type: "string" } });
});

test("what is secret by its name is censored, up to three levels down", () => {
  const secrets = { codeVerifier: "hush", code: "hush", totp: { code: "hush" }, ticket: "hush", token: "hush" };
  const { lines } = logged((log) => log.info({ ...secrets, body: secrets, a: { b: secrets } }, "logged by mistake"));
  expect(lines).toHaveLength(1);
  expect(lines.join("")).not.toContain("hush");
});
