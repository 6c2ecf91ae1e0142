const columns = 100;

/** Lines of at most 100 columns: broken after a sentence, or half of one; else at a blank, never inside a command to copy. */
export function wrapped(text: string): string {
  return text.split("\n").flatMap(broken).join("\n");
}

function broken(line: string): readonly string[] {
  if (line.length <= columns) return [line];
  const command = line.indexOf("kubectl ");
  const head = command < 0 ? line : line.slice(0, command);
  const at = breakIn(head.slice(0, columns + 1), command >= 0);
  if (at <= 2) return [line];
  return [line.slice(0, at).trimEnd(), ...broken(`  ${line.slice(at).trimStart()}`)];
}

/** Where the next line begins; 0 where the words before a command are too few to be worth one. */
function breakIn(head: string, beforeCommand: boolean): number {
  const [part] = /^.{30,}[.;?] (?=\S)/.exec(head) ?? [];
  if (part !== undefined) return part.length;
  return beforeCommand && head.length < columns / 2 ? 0 : head.trimEnd().lastIndexOf(" ") + 1;
}
