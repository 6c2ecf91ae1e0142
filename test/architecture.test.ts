import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

// Each room may import itself, the rooms and the packages named here, and nothing else; the table of ARCHITECTURE.md.
// A new room or package fails until it stands here. A rule names a room, or one file of it without its ending.

type Rule = { readonly rooms: readonly string[]; readonly packages: readonly string[] };
const flowsPorts = "flows/ports";
const rooms: { readonly [room: string]: Rule } = {
  "api/v1alpha1": { rooms: [], packages: ["zod"] },
  domain: { rooms: ["api/v1alpha1"], packages: [] },
  flows: { rooms: ["api/v1alpha1", "domain"], packages: [] },
  kube: {
    rooms: ["api/v1alpha1", "domain", flowsPorts],
    packages: ["@kubernetes/client-node", "@dot-i/k8s-operator", "undici"],
  },
  mfa: {
    rooms: ["api/v1alpha1", "domain", flowsPorts],
    packages: ["otplib", "@simplewebauthn/server", "@peculiar/x509", "reflect-metadata"],
  },
  http: { rooms: ["api/v1alpha1", "domain", "flows"], packages: ["express", "helmet", "express-rate-limit"] },
  ops: { rooms: [flowsPorts], packages: ["pino"] },
  cli: {
    rooms: ["api/v1alpha1", "domain", "mfa", "cli/commands", "cli/key"],
    packages: ["commander", "uqr", "@inquirer/prompts", "open"],
  },
  "cli/commands": {
    rooms: ["api/v1alpha1", "domain", "mfa", "cli", "cli/enrolling", "cli/key"],
    packages: ["js-yaml", "zod"],
  },
  "cli/enrolling": { rooms: ["api/v1alpha1", "domain", "cli", "cli/commands", "cli/key"], packages: [] },
  "cli/key": { rooms: ["api/v1alpha1", "domain", "cli"], packages: [] },
  web: { rooms: ["api/v1alpha1", "domain/challenge"], packages: [] },
  processes: { rooms: ["api/v1alpha1", "domain", "flows", "kube", "mfa", "http", "ops", "settings"], packages: [] },
  "": { rooms: ["processes", "ops", "domain/time"], packages: ["zod"] },
};

const files = globSync("src/**/*.ts", { exclude: ["**/*.test.ts"] }).toSorted();
const roomOf = (path: string): string => relative("src", dirname(path));
const nameOf = (path: string): string => relative("src", path).replace(/\.ts$/, "");
const imports = (text: string): readonly string[] =>
  [...text.matchAll(/\b(?:from|import|import\s*\()\s*["']([^"']+)["']/g)].map(([, specifier]) => specifier ?? "");

test("the scan sees the code and its imports", () => {
  expect(files.length).toBeGreaterThan(40);
  expect(imports(`import "a"; import b from 'c'; export { d } from "e"; await import("f");`)).toEqual([
    "a",
    "c",
    "e",
    "f",
  ]);
  expect(files.flatMap((file) => imports(readFileSync(file, "utf8"))).length).toBeGreaterThan(files.length);
  expect(Object.keys(rooms).toSorted()).toEqual([...new Set(files.map(roomOf))].toSorted());
});

test.each(files)("%s stays in its room", (file) => {
  const room = roomOf(file);
  const may = rooms[room] ?? { rooms: [], packages: [] };
  for (const specifier of imports(readFileSync(file, "utf8"))) {
    if (specifier.startsWith(".")) {
      const target = join(dirname(file), specifier);
      expect([room, ...may.rooms]).toContainEqual(may.rooms.includes(nameOf(target)) ? nameOf(target) : roomOf(target));
    } else if (specifier.startsWith("node:")) {
      expect(["api/v1alpha1", "domain", "flows", "web"], `${file} imports ${specifier}`).not.toContain(room);
    } else expect(may.packages).toContain(packageOf(specifier));
  }
});

/** The package of a specifier with a path in it. */
function packageOf(specifier: string): string {
  const [scope = "", name = ""] = specifier.split("/");
  return scope.startsWith("@") ? `${scope}/${name}` : scope;
}
