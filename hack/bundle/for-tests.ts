import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { bundleInto } from "./bundle.ts";

// Before the tests that start processes of ours: these run from one bundle, as a start from the sources costs a core three
// times as long, and there are hundreds. The plugin is the one file that people install.

export async function setup(): Promise<void> {
  if (process.env["KUBE_ELEVATE_BUNDLED"] !== undefined) return; // by another project of this run, one after the other
  const plugin = promisify(execFile)("npm", ["run", "--silent", "plugin", "--", "--outfile=.bundled/kubectl-elevate"]);
  await Promise.all([bundleInto(".bundled"), plugin]);
  process.env["KUBE_ELEVATE_BUNDLED"] = ".bundled";
}
