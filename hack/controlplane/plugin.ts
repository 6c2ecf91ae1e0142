import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** The root of this repository. */
export const root = resolve(import.meta.dirname, "../..");

/** Fills a folder for the PATH: the kubectl of this control plane, and `kubectl elevate` run by this very Node, from the sources or from what hack/bundle/for-tests.ts made of them. */
export async function writePlugin(bin: string, kubectl: string): Promise<void> {
  await mkdir(bin, { recursive: true });
  await symlink(kubectl, join(bin, "kubectl"));
  const bundled = process.env["KUBE_ELEVATE_BUNDLED"];
  const main = join(root, bundled === undefined ? "src/cli/main.ts" : `${bundled}/kubectl-elevate`);
  const script = `#!/bin/sh\nexec ${quoted(process.execPath)} --disable-warning=ExperimentalWarning ${quoted(main)} "$@"\n`;
  await writeFile(join(bin, "kubectl-elevate"), script, { mode: 0o755 });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
