/** One guard taken out, and the first test that fails then; undefined: none does. */
export type Outcome = { readonly what: string; readonly caughtBy: string | undefined };

/** Tells how far it has come, and what was not caught. */
export function tell(group: string, done: number, all: number, { what, caughtBy }: Outcome): void {
  console.log(
    `${group} ${String(done)}/${String(all)} ${what}: ${caughtBy === undefined ? "NOT CAUGHT" : `caught by ${caughtBy}`}`,
  );
}
