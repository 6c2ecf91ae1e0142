import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** How the image starts node, as its Dockerfile says: the flags, the file, and the environment. */
export function imageCommand(): { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const root = resolve(import.meta.dirname, "../..");
  const text = readFileSync(join(root, "Dockerfile"), "utf8");
  const [, words = ""] = /^ENTRYPOINT \["node", (.*)\]$/m.exec(text) ?? [];
  const flags = words.split(", ").map((word) => word.replaceAll('"', ""));
  const file = flags.pop();
  if (file === undefined || file === "") throw new Error("the Dockerfile has no ENTRYPOINT that starts node");
  const pairs = /^ENV (.*)$/m.exec(text)?.[1]?.split(" ") ?? [];
  const env = Object.fromEntries(
    pairs.map((pair): [string, string] => [pair.replace(/=.*/, ""), pair.replace(/.*=/, "")]),
  );
  return { args: [...flags, join(root, file)], env };
}
