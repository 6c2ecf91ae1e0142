import { bundleInto } from "./bundle.ts";

// Before the tests that start processes of ours: these run from one bundle, as a start from the sources costs a core three
// times as long, and there are hundreds.

export async function setup(): Promise<void> {
  await bundleInto(".bundled");
  process.env["KUBE_ELEVATE_BUNDLED"] = ".bundled";
}
