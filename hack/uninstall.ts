import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

// Removes kube-elevate from a cluster by the lines of README, so that what is documented is what is run and tested.

const root = resolve(import.meta.dirname, "..");

/** The commands of README that remove it, one a line, to be run in the folder of this repository; and the one-line cure. */
export function uninstallLines(): { readonly removal: readonly string[]; readonly cure: string } {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, section = ""] = readme.split("\nTo remove it", 2);
  const [, block = ""] = section.split(/^```$/m, 2);
  const [, cure = ""] = /\nleaves bindings that nobody ends; this ends them:\n`([^`]+)`/.exec(readme) ?? [];
  const removal = block.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  if (removal.length === 0 || cure === "") throw new Error("README.md does not say how to remove kube-elevate");
  return { removal, cure };
}

/** Why nothing is done, or undefined. The cluster is named, never the one that kubectl happens to point to. */
export function objection(confirm: string | undefined, kubeconfig: string | undefined): string | undefined {
  if ((kubeconfig ?? "") === "") return "name the cluster: KUBECONFIG=path make uninstall CONFIRM=yes";
  if (confirm === "yes") return undefined;
  return `this ends all access and deletes all history on the cluster of ${kubeconfig ?? ""}. If so: make uninstall CONFIRM=yes`;
}

function main(confirm: string | undefined): number {
  const mistake = objection(confirm, process.env["KUBECONFIG"]);
  if (mistake !== undefined) {
    console.error(mistake);
    return 2;
  }
  for (const line of uninstallLines().removal) {
    console.log(`$ ${line}`);
    const { status } = spawnSync("/bin/bash", ["-euo", "pipefail", "-c", line], { cwd: root, stdio: "inherit" });
    if (status !== 0) {
      console.error("the line above failed: nothing after it was run, and all of it may be run again");
      return 1;
    }
  }
  return 0;
}

if (import.meta.main) process.exitCode = main(process.argv[2]);
