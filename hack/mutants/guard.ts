/** A guard of the code, and the code without it. */
export type Guard = {
  readonly file: string;
  /** What it is for. */
  readonly guard: string;
  /** Text that the file holds once, and what stands there without the guard. */
  readonly out: readonly [text: string, without: string];
  /** The file of tests in which at least one fails then. */
  readonly tests: string;
};

type Outs = { readonly [guard: string]: Guard["out"] };

/** Guards of one file that one file of tests holds. */
export const guardsOf = (file: string, tests: string, outs: Outs): readonly Guard[] =>
  Object.entries(outs).map(([guard, out]) => ({ file, tests, guard, out }));

/** The file without the guard. A text that is gone, or stands there twice, fails: the list has to follow the code. */
export function takenOut(source: string, { file, guard, out: [text, without] }: Guard): string {
  const count = source.split(text).length - 1;
  if (count !== 1) throw new Error(`${file}: "${guard}" stands there ${String(count)} times, as ${text}`);
  return source.replace(text, () => without);
}
