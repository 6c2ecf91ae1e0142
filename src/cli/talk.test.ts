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
