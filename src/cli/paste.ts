import { Interrupted } from "./errors.ts";

export type RawInput = NodeJS.ReadableStream & { setRawMode(raw: boolean): unknown };

const lettersMax = 16_384;

/**
 * Reads an answer of the page that is pasted into a terminal, until Enter; undefined: no more input. The terminal is in raw
 * mode meanwhile: in line mode it would cut a long line (Linux at 4,096 letters). A star stands for each piece that comes.
 * Letters that no answer has are left out, so the line breaks of a mail do no harm; backspace takes all of it away.
 */
export async function pasteInto(
  stdin: RawInput,
  stderr: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  let text = "";
  const read = (chunk: unknown): void => {
    const piece = String(chunk).replaceAll(marks, "");
    if (piece.includes(ctrlC)) reject(new Interrupted());
    else if (piece.startsWith(ctrlD)) resolve(text === "" ? undefined : text);
    else if (takesAway.test(piece)) text = "";
    else {
      text = (text + piece.replaceAll(/[^A-Za-z0-9_-]/g, "")).slice(0, lettersMax);
      if (/[\r\n]$/.test(piece)) resolve(text);
      else stderr.write("*");
    }
  };
  const stop = (): void => reject(new Interrupted());
  const end = (): void => resolve(undefined);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  stdin.setRawMode(true);
  stdin.on("data", read).once("end", end).resume();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
    stdin.off("data", read).off("end", end).pause();
    stdin.setRawMode(false);
    stderr.write("\n");
  }
}

const [ctrlC, ctrlD, escape] = ["\u0003", "\u0004", "\u001B"];
const takesAway = /^[\u007F\b\u0015]/; // oxlint-disable-line no-control-regex -- backspace and Ctrl-U, as they come
/** What terminals put around a paste, or send for an arrow. */
const marks = new RegExp(String.raw`${escape}\[[0-9;]*[A-Za-z~]`, "g");
