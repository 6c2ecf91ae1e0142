import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A copy of the working tree, to be changed and run: nothing here is ever taken out of the tree that people work in. */
export type Tree = {
  readonly dir: string;
  read(file: string): string;
  write(file: string, text: string): void;
  remove(): void;
};

const left = new Set([".git", ".tools", "node_modules", "dist"]);

export function copyTree(): Tree {
  const dir = mkdtempSync(join(tmpdir(), "mutants-"));
  for (const entry of readdirSync(".")) if (!left.has(entry)) cpSync(entry, join(dir, entry), { recursive: true });
  symlinkSync(join(process.cwd(), "node_modules"), join(dir, "node_modules"));
  mkdirSync(join(dir, "dist"));
  return {
    dir,
    read: (file) => readFileSync(join(dir, file), "utf8"),
    write(file, text) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      writeFileSync(join(dir, file), text);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
