import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** The root of this repository. */
export const root = resolve(import.meta.dirname, "../..");

/** What Node is given to run one of ours: from its source, or from what hack/bundle/for-tests.ts made of it. */
export function program(source: string, bundled: string): readonly string[] {
  const folder = process.env["KUBE_ELEVATE_BUNDLED"];
  return ["--disable-warning=ExperimentalWarning", join(root, folder === undefined ? source : join(folder, bundled))];
}

/** Fills a folder for the PATH: the kubectl of this control plane, and `kubectl elevate` run by this very Node. */
export async function writePlugin(bin: string, kubectl: string): Promise<void> {
  await mkdir(bin, { recursive: true });
  await symlink(kubectl, join(bin, "kubectl"));
  const command = [process.execPath, ...program("src/cli/main.ts", "kubectl-elevate")].map(quoted).join(" ");
  const script = `#!/bin/sh\nexec ${command} "$@"\n`;
  await writeFile(join(bin, "kubectl-elevate"), script, { mode: 0o755 });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
