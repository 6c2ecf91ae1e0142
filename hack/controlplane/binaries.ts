import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build, isExecutable, type Log } from "./build.ts";
import { type Name, names, versions } from "./versions.ts";

export type Binaries = Readonly<Record<Name, string>>;

/**
 * Finds each binary in KUBEBUILDER_ASSETS if its version fits, or in the cache, or else builds it into the cache.
 * What is built is told to `log`.
 */
export async function findBinaries(log: Log, signal?: AbortSignal): Promise<Binaries> {
  const cache = cacheFolder("controlplane", versions.kubernetes);
  const found = await Promise.all(
    names.map(async (name) => ((await fromAssets(name)) ? join(assets(), name) : join(cache, name))),
  );
  const missing: Name[] = [];
  for (const [index, name] of names.entries()) {
    if (!(await isExecutable(found[index] ?? ""))) missing.push(name);
  }
  if (missing.length > 0) await build(missing, cache, log, signal);
  const [etcd = "", kubectl = "", manager = "", apiserver = ""] = found;
  return { etcd, kubectl, "kube-controller-manager": manager, "kube-apiserver": apiserver };
}

/** Where what took long to make is kept. */
export function cacheFolder(...below: readonly string[]): string {
  const caches = given("XDG_CACHE_HOME") ?? join(given("HOME") ?? homedir(), ".cache");
  return join(caches, "kube-elevate", ...below);
}

function assets(): string {
  return given("KUBEBUILDER_ASSETS") ?? "";
}

/** Those of another version, or that do not run here, are left alone. A patch of etcd more or less makes no difference to the API server. */
async function fromAssets(name: Name): Promise<boolean> {
  if (assets() === "") return false;
  const args = name === "kubectl" ? ["version", "--client"] : ["--version"];
  const said = await promisify(execFile)(join(assets(), name), args).catch(() => undefined);
  const wanted = name === "etcd" ? versions.etcd.replace(/\d+$/, "") : `v${versions.kubernetes}`;
  return (
    said?.stdout.split(/\s+/).some((word) => (name === "etcd" ? word.startsWith(wanted) : word === wanted)) ?? false
  );
}

function given(variable: string): string | undefined {
  const value = process.env[variable];
  return value === "" ? undefined : value;
}

if (import.meta.main) {
  try {
    const binaries = await findBinaries((line) => console.error(line));
    for (const folder of new Set(names.map((name) => dirname(binaries[name])))) console.log(folder);
  } catch (error) {
    console.error(`the control plane cannot be had: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
