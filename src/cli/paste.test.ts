import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Interrupted } from "./errors.ts";
import { pasteInto } from "./paste.ts";

function terminal() {
  const raw: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), { setRawMode: (on: boolean) => raw.push(on) });
  const [stderr, interruption] = [new PassThrough(), new AbortController()];
  const asked = pasteInto(stdin, stderr, interruption.signal);
  asked.catch(() => undefined); // whoever waits for it is told
  /** Each comes as a piece of its own. */
  const pieces = async (...all: readonly string[]): Promise<void> => {
    for (const piece of all) {
      stdin.write(piece);
      await new Promise(setImmediate);
    }
  };
  return { raw, asked, pieces, interruption, screen: () => String(stderr.read() ?? ""), stdin };
}

test("PL13: a long answer is read in raw mode, in pieces, with a star for each; then the terminal is as it was", async () => {
  const { raw, asked, pieces, screen } = terminal();
  await pieces("A".repeat(2000), "b".repeat(2096));
  expect(raw).toEqual([true]);
  await pieces("\r");
  expect(await asked).toBe("A".repeat(2000) + "b".repeat(2096));
  expect([raw, screen()]).toEqual([[true, false], "**\n"]);
});

test("PL13: line breaks in it and a terminal's marks around it are left out; the last line break is Enter", async () => {
  const { asked, pieces } = terminal();
  await pieces("\u001B[200~abc\r\n def-_\r\nghi\u001B[201~", "\n");
  expect(await asked).toBe("abcdef-_ghi");
});

test("PL13: backspace takes away what was pasted, and without end it grows no further", async () => {
  const { asked, pieces } = terminal();
  await pieces(
    "wrong",
    "\u007F",
    ..."x"
      .repeat(20)
      .split("")
      .map((letter) => letter.repeat(1000)),
    "\r",
  );
  expect((await asked)?.length).toBe(16_384);
});

test("Ctrl-C, a signal, Ctrl-D and a closed terminal end the waiting, and raw mode", async () => {
  const typed = terminal();
  await typed.pieces("abc\u0003");
  await expect(typed.asked).rejects.toBeInstanceOf(Interrupted);
  const told = terminal();
  told.interruption.abort();
  await expect(told.asked).rejects.toBeInstanceOf(Interrupted);
  const empty = terminal();
  await empty.pieces("\u0004");
  expect(await empty.asked).toBeUndefined();
  const closed = terminal();
  closed.stdin.end();
  expect(await closed.asked).toBeUndefined();
  for (const { raw } of [typed, told, empty, closed]) expect(raw).toEqual([true, false]);
});
