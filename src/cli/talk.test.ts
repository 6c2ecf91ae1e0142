import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Interrupted } from "./errors.ts";
import { lineReader } from "./lines.ts";
import { talkOver } from "./talk.ts";

function piped() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const interruption = new AbortController();
  const talk = talkOver({ stdin, stdout, stderr, coloured: false }, interruption.signal);
  const screen = (): string => String(stderr.read() ?? "");
  return { stdin, stdout, screen, talk, interruption };
}

test("without a terminal a secret is a line of stdin, and is echoed as stars", async () => {
  const { stdin, stdout, screen, talk } = piped();
  stdin.write("12");
  const asked = talk.secret("Code:");
  stdin.end("3456\r\nnext\nlast");
  expect(await asked).toBe("123456");
  expect(screen()).toBe("Code: ******\n");
  expect([await talk.line(), await talk.line(), await talk.line()]).toEqual(["next", "last", undefined]);
  talk.result("result");
  expect([String(stdout.read()), screen()]).toEqual(["result\n", ""]);
});

test("HT08: what somebody else wrote moves no cursor; what goes to a script is as it is", () => {
  const { stdout, screen, talk } = piped();
  const name = "eve\u001b[2J\u009b1m\r\u202e\u2028\u200b";
  talk.say(`${name}\n\tand more: Grüße 🔥`);
  expect(screen()).toBe("eve?[2J?1m????\n\tand more: Grüße 🔥\n");
  talk.result(name);
  expect(String(stdout.read())).toBe(`${name}\n`);
  Object.assign(stdout, { isTTY: true });
  talk.result(name);
  expect(String(stdout.read())).toBe("eve?[2J?1m????\n");
  talk.picture("\u001b[40;97m█\u001b[0m");
  expect(screen()).toBe("\u001b[40;97m█\u001b[0m\n");
});

test("Ctrl-C ends the waiting for a line", async () => {
  const { talk, interruption } = piped();
  const asked = talk.secret("Code:");
  interruption.abort();
  await expect(asked).rejects.toBeInstanceOf(Interrupted);
  await expect(talk.line()).rejects.toBeInstanceOf(Interrupted);
});

test("nothing is read before somebody asks", async () => {
  const stdin = new PassThrough();
  const next = lineReader(stdin);
  stdin.end("a\n");
  expect(stdin.readableFlowing).toBe(null);
  expect(await next()).toBe("a");
});
