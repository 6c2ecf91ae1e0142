import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { names, versions } from "./versions.ts";

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "kube-elevate-binaries-"));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** What `node binaries.ts` does on a machine without Go, with this cache and these assets. */
function find(cache: string, assets = ""): { status: number | null; stdout: string; stderr: string } {
  const env = { PATH: join(base, "no-go-here"), HOME: base, XDG_CACHE_HOME: cache, KUBEBUILDER_ASSETS: assets };
  return spawnSync(process.execPath, [join(import.meta.dirname, "binaries.ts")], { env, encoding: "utf8" });
}

/** A folder of scripts that say these versions. */
function scripts(folder: string, kubernetes: string, etcd: string): string {
  mkdirSync(folder, { recursive: true });
  const said = { etcd: `etcd Version: ${etcd}`, kubectl: `Client Version: v${kubernetes}` };
  for (const name of names) {
    const words = name === "etcd" || name === "kubectl" ? said[name] : `Kubernetes v${kubernetes}`;
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${words}"\n`, { mode: 0o755 });
  }
  return folder;
}

test("without Go and without binaries it says what is missing and how to get it, and makes nothing", () => {
  const { status, stdout, stderr } = find(join(base, "empty"));
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toContain("Go 1.26 or later is needed");
  expect(stderr).toContain("https://go.dev/dl/");
  expect(stderr).toContain("KUBEBUILDER_ASSETS");
  expect(readdirSync(base)).not.toContain("empty");
});

test("assets of the very version are taken as they are, with another patch of etcd too", () => {
  const assets = scripts(join(base, "fits"), versions.kubernetes, versions.etcd.replace(/\d+$/, "99"));
  expect(find(join(base, "empty"), assets)).toMatchObject({ status: 0, stdout: `${assets}\n`, stderr: "" });
});

test.each([
  ["another patch of Kubernetes", `${versions.kubernetes}1`, versions.etcd],
  ["another minor version of etcd", versions.kubernetes, "3.5.99"],
])("assets of %s are left alone", (_, kubernetes, etcd) => {
  const { status, stderr } = find(join(base, "empty"), scripts(join(base, "other"), kubernetes, etcd));
  expect(status).toBe(1);
  expect(stderr).toContain("Go 1.26 or later is needed");
});

test("what is in the cache is taken without Go", () => {
  const folder = join(base, "cache", "kube-elevate", "controlplane", versions.kubernetes);
  scripts(folder, versions.kubernetes, versions.etcd);
  expect(find(join(base, "cache"))).toMatchObject({ status: 0, stdout: `${folder}\n`, stderr: "" });
});
