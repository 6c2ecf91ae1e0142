import { Interrupted } from "./errors.ts";
import { lineReader } from "./lines.ts";
import { pasteInto, type RawInput } from "./paste.ts";

// stdout holds what a script wants, and nothing else; everything that is said to a person goes to stderr.

export type Talk = {
  readonly say: (text: string) => void;
  readonly result: (text: string) => void;
  /** A long address, unbroken on a line of its own; a terminal is asked to make it a link, and to copy it (OSC 8, OSC 52). */
  readonly address: (address: string) => void;
  /** Says what has colours in it, and nothing that somebody else wrote. */
  readonly picture: (text: string) => void;
  /** stderr is a terminal, and $NO_COLOR is not set. */
  readonly coloured: boolean;
  /** Asks for something secret, which is echoed as `*`; without a terminal the next line of stdin. Undefined: no more input. */
  secret(message: string): Promise<string | undefined>;
  /** The same for what is long and pasted. */
  pasted(message: string): Promise<string | undefined>;
  /** The next line of stdin, unasked. */
  line(): Promise<string | undefined>;
};

type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
type Streams = {
  readonly coloured: boolean;
  readonly stdin: Input;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
};

export function talkOver({ stdin, stdout, stderr, coloured }: Streams, signal: AbortSignal): Talk {
  const next = lineReader(stdin);
  const isTerminal = stderr.isTTY === true;
  const write = (text: string): void => void stderr.write(`${text}\n`);
  const say = (text: string): void => write(plain(text));
  const line = async (): Promise<string | undefined> => {
    const read = await Promise.race([next(), aborted(signal)]);
    if (signal.aborted) throw new Interrupted();
    return read;
  };
  return {
    say,
    coloured,
    address: (address) => {
      const copy = `\u001B]52;c;${Buffer.from(address).toString("base64")}\u0007`;
      const link = `\u001B]8;;${address}\u001B\\${address}\u001B]8;;\u001B\\`;
      write(isTerminal ? `${copy}${link}` : address);
    },
    picture: write,
    result: (text) => void stdout.write(`${stdout.isTTY === true ? plain(text) : text}\n`),
    line,
    secret: async (message) => {
      if (stdin.isTTY === true) return prompted(message, { input: stdin, output: stderr, signal });
      stderr.write(`${message} `);
      const read = await line();
      say("*".repeat(read?.length ?? 0));
      return read;
    },
    pasted: async (message) => {
      stderr.write(`${message} `);
      if (isRaw(stdin)) return pasteInto(stdin, stderr, signal);
      const read = await line();
      say("****");
      return read;
    },
  };
}

/** Names and answers may come from anywhere: nothing in them moves the cursor, hides or turns what is said. */
const plain = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/gu, "?");

const isRaw = (stdin: Input): stdin is RawInput => stdin.isTTY === true && stdin.setRawMode !== undefined;

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  signal.addEventListener("abort", () => {
    resolve(undefined);
  });
  await promise;
}

type Context = {
  readonly input: Input;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
};

/** The library is loaded only when somebody is asked: most commands ask nothing. */
async function prompted(message: string, context: Context): Promise<string> {
  const { password } = await import("@inquirer/prompts");
  const [first = "", ...rest] = message.split(" "); // it writes prefix, message and input with a blank between
  const theme = { prefix: first, style: { message: asIs, answer: asIs } };
  try {
    return await password({ message: rest.join(" "), mask: "*", toggleMask: false, theme }, { ...context });
  } catch (error) {
    if (error instanceof Error && /^(ExitPrompt|AbortPrompt)Error$/.test(error.name)) throw new Interrupted();
    throw error;
  }
}

const asIs = (text: string): string => text;
