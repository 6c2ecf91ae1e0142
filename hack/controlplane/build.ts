import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { access, constants, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { supervise } from "./supervise.ts";
import { type Name, versions } from "./versions.ts";

export type Log = (line: string) => void;

const goLeast = { major: 1, minor: 26 } as const;

/** Measured with a cold cache on two cores; the later ones use what the earlier ones compiled. */
const seconds: Readonly<Record<Name, number>> = {
  etcd: 45,
  kubectl: 90,
  "kube-controller-manager": 80,
  "kube-apiserver": 210,
};

/**
 * Builds these with Go from the published modules, into a file of another name that is renamed when it is whole: two who
 * build at once take each other's or write the same. Ends with us, together with all compilers that Go has started.
 */
export async function build(missing: readonly Name[], folder: string, log: Log, signal?: AbortSignal): Promise<void> {
  await needGo();
  await mkdir(folder, { recursive: true });
  const total = missing.reduce((sum, name) => sum + seconds[name], 0);
  log(`building ${missing.join(", ")} once, into ${folder}: about ${inWords(total)} on two cores`);
  for (const [index, name] of missing.entries()) {
    signal?.throwIfAborted();
    if (await isExecutable(join(folder, name))) continue;
    await buildOne(name, folder, `${name} (${index + 1} of ${missing.length})`, log, signal);
  }
}

/** Whether a file is there that can be run. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function buildOne(name: Name, folder: string, title: string, log: Log, signal?: AbortSignal): Promise<void> {
  const unfinished = join(folder, `.${name}.${randomUUID()}`);
  const start = performance.now();
  const elapsed = (): string => inWords((performance.now() - start) / 1000);
  log(`${title}: about ${inWords(seconds[name])}`);
  const go = await supervise({
    file: "go",
    args: ["build", "-trimpath", "-modcacherw", "-ldflags", linkerFlags(name), "-o", unfinished, packageOf(name)],
    cwd: join(import.meta.dirname, name === "etcd" ? "etcd" : "kubernetes"),
    env: { ...process.env, HOME: homedir(), CGO_ENABLED: "0", GOWORK: "off" },
    ends: "group",
  });
  const ticker = setInterval(() => log(`${title}: ${elapsed()} so far`), 15_000);
  const abort = (): void => void go.stop("SIGTERM");
  signal?.addEventListener("abort", abort);
  try {
    const code = await go.exited;
    signal?.throwIfAborted();
    if (code !== 0) throw new Error(`go build of ${name} failed (${code})`);
    await rename(unfinished, join(folder, name));
    log(`${title}: done in ${elapsed()}`);
  } finally {
    signal?.removeEventListener("abort", abort);
    clearInterval(ticker);
    await rm(unfinished, { force: true });
  }
}

/** kube-apiserver refuses to start without a version, and clients compare what they are told. */
function linkerFlags(name: Name): string {
  if (name === "etcd") return "-s -w";
  const [major = "", minor = ""] = versions.kubernetes.split(".");
  const stamps = { gitVersion: `v${versions.kubernetes}`, gitMajor: major, gitMinor: minor, gitTreeState: "clean" };
  const set = Object.entries(stamps).map(([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`);
  return ["-s", "-w", ...set].join(" ");
}

function packageOf(name: Name): string {
  return name === "etcd" ? "go.etcd.io/etcd/server/v3" : `k8s.io/kubernetes/cmd/${name}`;
}

async function needGo(): Promise<void> {
  const said = await promisify(execFile)("go", ["version"]).catch(() => undefined);
  const [, major = "0", minor = "0"] = /go version go(\d+)\.(\d+)/.exec(said?.stdout ?? "") ?? [];
  if (Number(major) === goLeast.major && Number(minor) >= goLeast.minor) return;
  const found = said === undefined ? "there is no go on the PATH" : `found ${said.stdout.trim()}`;
  throw new Error(
    `Go ${goLeast.major}.${goLeast.minor} or later is needed to build Kubernetes ${versions.kubernetes}, and ${found}\n` +
      'get it from https://go.dev/dl/ (or the package "go" or "golang" of your system), and put its bin on the PATH;\n' +
      `or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl ${versions.kubernetes}`,
  );
}

function inWords(duration: number): string {
  const whole = Math.round(duration);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
}
