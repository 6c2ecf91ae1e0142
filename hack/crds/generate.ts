import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { command, generatedFiles } from "./definitions.ts";

// Writes crds/ from the zod schemas; with --check it writes nothing and fails where crds/ says something else.

const folder = new URL("../../crds/", import.meta.url);
const check = process.argv.includes("--check");
const stale = [...generatedFiles()].filter(([file, text]) => read(file) !== text);
if (!check) mkdirSync(folder, { recursive: true });
for (const [file, text] of stale) {
  if (check) console.error(`crds/${file} is not what src/api/v1alpha1 gives: run ${command}`);
  else writeFileSync(new URL(file, folder), text);
}
if (check && stale.length > 0) process.exitCode = 1;

function read(file: string): string | undefined {
  try {
    return readFileSync(new URL(file, folder), "utf8");
  } catch {
    return undefined;
  }
}
