import { createHash, randomUUID } from "node:crypto";
import { cp, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./binaries.ts";
import type { Log } from "./build.ts";
import type { ControlPlane } from "./control-plane.ts";
import { eventually } from "./eventually.ts";
import { install, putInForce } from "./install.ts";
import { paths } from "./layout.ts";
import { root } from "./plugin.ts";
import { startTemporaryControlPlane } from "./temporary.ts";
import type { User } from "./users.ts";

/** With config/default, or with config/samples besides. */
export type Contents = "default" | "samples";

/**
 * A temporary control plane with kube-elevate installed and in force, in the time that its servers take to start: what
 * etcd holds, and the audit log of how it came there, are copied from one that was installed before. Tokens and keys are
 * its own. What differs from an install of its own: the UIDs of what is installed, and that of the cluster, are no others'.
 */
export async function startPreparedControlPlane(
  contents: Contents,
  options: { readonly users?: readonly User[]; readonly log?: Log } = {},
): Promise<ControlPlane> {
  const plane = await startTemporaryControlPlane({ ...options, from: await prepared(contents, options.log) });
  try {
    await putInForce(plane);
    return plane;
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

/** The folder to begin with. It is made once for all that decides what is in it, under another name until it is whole: two who make it at once take either. */
async function prepared(contents: Contents, log?: Log): Promise<string> {
  const all = cacheFolder("prepared");
  const state = await stateOfSources();
  const folder = join(all, state, contents);
  if (await isThere(folder)) return folder;
  const from = contents === "default" ? undefined : await prepared("default", log);
  log?.(`preparing a control plane with ${contents} in it once, into ${folder}`);
  await removeOld(all);
  const unfinished = `${folder}.${randomUUID()}`;
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const plane = await startTemporaryControlPlane(from === undefined ? {} : { from });
  try {
    if (contents === "default") await install(plane);
    else await plane.run("admin", ["apply", "-k", join(root, "config/samples")]);
    await untilControllersHaveAccounts(plane);
    for (const child of plane.children.toReversed()) await child.stop("SIGTERM");
    await trimLog(plane.dir);
    await cp(join(plane.dir, "etcd"), join(unfinished, "etcd"), { recursive: true });
    await cp(paths(plane.dir).auditLog, paths(unfinished).auditLog);
    if ((await stateOfSources()) !== state) return await prepared(contents, log); // somebody was writing meanwhile
    await rename(unfinished, folder).catch(async (error: unknown) => {
      if (!(await isThere(folder))) throw error;
    });
    return folder;
  } finally {
    await plane.stop();
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Everything that decides what an install leaves behind, as one word. */
async function stateOfSources(): Promise<string> {
  const hash = createHash("sha256");
  const ours = ["flags", "install", "prepared", "versions"].map((name) => join(import.meta.dirname, `${name}.ts`));
  for (const name of [...ours, ...(await filesBelow("config")), ...(await filesBelow("crds"))])
    hash.update(`${name.slice(root.length)}\n`).update(await readFile(name));
  return hash.digest("hex").slice(0, 16);
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const found = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return found
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .toSorted();
}

/** Those of other sources, once they are a day old: nobody begins with them any more. */
async function removeOld(all: string): Promise<void> {
  const names = await readdir(all).catch(() => []);
  for (const name of names) {
    const seen = await stat(join(all, name)).catch(() => undefined);
    if (seen !== undefined && Date.now() - seen.mtimeMs > 86_400_000)
      await rm(join(all, name), { recursive: true, force: true });
  }
}

/** Controllers that delete make themselves known a moment after the first ServiceAccounts are there; tests act in their names. */
async function untilControllersHaveAccounts({ ask }: ControlPlane): Promise<void> {
  for (const name of ["generic-garbage-collector", "namespace-controller"]) {
    const path = `/api/v1/namespaces/kube-system/serviceaccounts/${name}`;
    await eventually(async () => (await ask("admin", "GET", path)).code === 200, 30, `${name} has its account`);
  }
}

/** etcd asks the file system for 64 MB of log before it writes; the zeros at its end need not be copied each time. */
async function trimLog(dir: string): Promise<void> {
  const logs = join(dir, "etcd", "member", "wal");
  for (const name of (await readdir(logs)).filter((file) => file.endsWith(".wal"))) {
    const file = await open(join(logs, name), "r+");
    try {
      const last = (await file.readFile()).findLastIndex((byte) => byte !== 0);
      await file.truncate(Math.ceil((last + 1) / 8) * 8);
    } finally {
      await file.close();
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
