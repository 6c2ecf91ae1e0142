import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** The root of this repository. */
export const root = resolve(import.meta.dirname, "../..");

/** Fills a folder for the PATH: the kubectl of this control plane, and `kubectl elevate` run from the sources by this very Node. */
export async function writePlugin(bin: string, kubectl: string): Promise<void> {
  await mkdir(bin, { recursive: true });
  await symlink(kubectl, join(bin, "kubectl"));
  const script = `#!/bin/sh\nexec ${quoted(process.execPath)} --disable-warning=ExperimentalWarning ${quoted(join(root, "src/cli/main.ts"))} "$@"\n`;
  await writeFile(join(bin, "kubectl-elevate"), script, { mode: 0o755 });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
