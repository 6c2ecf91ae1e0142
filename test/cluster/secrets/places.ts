import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import type { Place } from "./search.ts";

// Where a secret of a run could have been left.

/** Every object of every kind that the API server lists, as it tells it; and what it measures. */
export async function objectsOf(plane: ControlPlane): Promise<readonly Place[]> {
  const get = async (path: string): Promise<unknown> => {
    const { code, body } = await plane.ask("admin", "GET", path);
    if (code !== 200) throw new Error(`GET ${path}: ${String(code)}`);
    return body;
  };
  const { groups } = groupList.parse(await get("/apis"));
  const versions = [
    "/api/v1",
    ...groups.flatMap((group) => group.versions.map((each) => `/apis/${each.groupVersion}`)),
  ];
  const texts: string[] = [];
  for (const version of versions) {
    const { resources } = resourceList.parse(await get(version));
    for (const { name } of resources.filter(({ verbs }) => verbs.includes("list"))) {
      const { items } = list.parse(await get(`${version}/${name}`));
      for (const item of items) {
        const { namespace = "", name: own } = item.metadata;
        texts.push(`\n/objects${version}/${name}/${namespace}/${own}\n${JSON.stringify(item)}`);
      }
    }
  }
  const metrics = await get("/metrics");
  return [
    { name: "objects", bytes: Buffer.from(texts.join("")), mark: "\n/objects".slice(1) },
    { name: "metrics", bytes: Buffer.from(String(metrics)) },
  ];
}

/** What is on disk of etcd, old revisions and its log of writes among it, by the key that each was stored under. */
export async function etcdOf({ dir }: ControlPlane): Promise<readonly Place[]> {
  const files = await filesIn(join(dir, "etcd"));
  return Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(file);
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1; // it asks for its space before it writes
      return { name: relative(dir, file), bytes: bytes.subarray(0, end), mark: "/registry/" };
    }),
  );
}

/**
 * All other files of the run: logs, the audit log, caches and homes. Left out is what a test bed gives to those who may
 * have it: tokens and the keys that sign them. Of Secrets and tokens the audit policy of the test bed logs no bodies.
 */
export async function filesOf({ dir }: ControlPlane): Promise<readonly Place[]> {
  const files = await filesIn(dir);
  const left = /^(?:etcd\/|kubeconfigs\/|certs\/|tokens\.csv$|serviceaccounts\.key$|bin\/kubectl$)/;
  return Promise.all(
    files
      .filter((file) => !left.test(relative(dir, file)))
      .map(async (file) => ({ name: relative(dir, file), bytes: await readFile(file) })),
  );
}

/** The arguments and the environment of each process that has to do with this control plane, as they are now. */
export async function processesOf({ dir }: ControlPlane): Promise<readonly Place[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => {
      const [cmdline, environ] = await Promise.all(
        ["cmdline", "environ"].map(async (file) => readFile(`/proc/${pid}/${file}`).catch(() => Buffer.alloc(0))),
      );
      return {
        name: `process ${(cmdline ?? "").toString().replaceAll("\0", " ").slice(0, 400)}`,
        bytes: Buffer.concat([cmdline ?? empty, empty, environ ?? empty]),
      };
    }),
  );
  return all.filter(({ bytes }) => bytes.includes(dir));
}

const empty = Buffer.from("\n");
async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const groupList = z.object({
  groups: z.array(z.object({ versions: z.array(z.object({ groupVersion: z.string() })) })),
});
const resourceList = z.object({ resources: z.array(z.object({ name: z.string(), verbs: z.array(z.string()) })) });
const list = z.object({
  items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }) })),
});
