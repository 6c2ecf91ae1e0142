import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { imageCommand } from "../hack/bundle/image.ts";
import { type Sbom, sbom } from "../hack/bundle/sbom.ts";

// What the product is made of and started with: packages, how they come, and what may run of them.

const versions = z.record(z.string(), z.string());
const about = z
  .object({ version: z.string(), dependencies: versions, devDependencies: versions })
  .parse(JSON.parse(readFileSync("package.json", "utf8")));
const entry = z.looseObject({
  version: z.string(),
  integrity: z.string().optional(),
  resolved: z.string().optional(),
  dev: z.boolean().optional(),
  hasInstallScript: z.boolean().optional(),
  link: z.boolean().optional(),
  inBundle: z.boolean().optional(),
});
const lock = z
  .object({ lockfileVersion: z.int(), packages: z.record(z.string(), entry) })
  .parse(JSON.parse(readFileSync("package-lock.json", "utf8")));
const { "": locked, ...packages } = lock.packages;
const nameOf = (path: string): string => path.replace(/^.*node_modules\//, "");

test("DS07: what is asked for is one version each, and the lock file is of just that", () => {
  const asked = [...Object.values(about.dependencies), ...Object.values(about.devDependencies)];
  expect(asked.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  const { dependencies, devDependencies } = about;
  expect(locked).toMatchObject({ version: about.version, dependencies, devDependencies });
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    expect(packages[`node_modules/${name}`]?.version).toBe(version);
});

test("DS07: the lock file holds a hash of every package, and no address that one comes from", () => {
  expect(lock.lockfileVersion).toBe(3);
  expect(Object.keys(packages).length).toBeGreaterThan(300);
  const unlike = Object.entries(packages).filter(
    ([, { integrity = "", resolved, link = false, inBundle = false }]) =>
      !/^sha512-[\w+/]{86}==$/.test(integrity) || resolved !== undefined || link || inBundle,
  );
  expect(unlike.map(([path]) => path)).toEqual([]);
  expect(readFileSync("package-lock.json", "utf8")).not.toMatch(/"(?:git\+|https?:|file:)[^"]*\.tgz/);
});

/** Development alone, never run here, each with what it does without its script. */
const withInstallScript: { readonly [name: string]: string } = {
  esbuild: "its binary comes as an optional package; the script only checks it, and saves a start of Node at each run",
};

test("DS07: no install script is run, and none is in what production is made of", () => {
  const scripted = Object.entries(packages).filter(([, { hasInstallScript = false }]) => hasInstallScript);
  expect(scripted.map(([path]) => nameOf(path))).toEqual(Object.keys(withInstallScript));
  expect(scripted.filter(([, { dev = false }]) => !dev)).toEqual([]);
  expect(readFileSync(".npmrc", "utf8").split("\n")).toEqual(
    expect.arrayContaining(["ignore-scripts=true", "save-exact=true", "omit-lockfile-registry-resolved=true"]),
  );
  const files = ["Makefile", "Dockerfile", ".ci/run", ...globSync("hack/**/*.{sh,ts}")];
  const installs = files.flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => /\bnpm (?:ci|i|install|add|exec|rebuild)\b|\bnpx (?!--no-install\b)/.test(line))
      .filter((line) => !/^\s*(?:#|\/\/)|"npm is missing/.test(line) && !line.includes(nameless)),
  );
  expect(installs.length).toBeGreaterThan(2);
  expect(installs.filter((line) => !line.includes("--ignore-scripts"))).toEqual([]);
});
const nameless = "from the npm registry"; // what is said, not run

test("DS07: each direct dependency has its row and its reason in ARCHITECTURE.md; their number is a decision", () => {
  const text = readFileSync("ARCHITECTURE.md", "utf8");
  const [, table = ""] = /^## Dependencies.*\n([^]*?)^## /m.exec(text) ?? [];
  const rows = table.split("\n").flatMap((line) => {
    const [, names = "", reason = ""] = /^\| ([^|]+) \| ([^|]+) \|/.exec(line) ?? [];
    return names.includes("---") || reason === "for" ? [] : names.split(", ").map((name) => [name, reason] as const);
  });
  const reasons = new Map(rows.filter(([name]) => name !== ""));
  expect([...reasons.keys()].toSorted()).toEqual(Object.keys(about.dependencies).toSorted());
  expect([...reasons.values()].filter((reason) => reason.length < 10)).toEqual([]);
  expect(reasons.size).toBe(17);

  const development = /^Development: [^]*?\.$/m.exec(table)?.[0] ?? "";
  const words = Object.keys(about.devDependencies).map((name) =>
    name.startsWith("@types/") ? "type packages" : name.replace(/^@biomejs\//, "").replace(/^oxlint-/, ""),
  );
  expect(words.filter((word) => !development.includes(word))).toEqual([]);
  expect(words).toHaveLength(12);
});

test("DS07: the SBOM names every package that runs somewhere, by purl and hash, and no other", async () => {
  const made = await sbom();
  expect(made).toMatchObject({
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: { name: "kube-elevate", version: about.version, type: "application" } },
  });
  expect(made["serialNumber"]).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
  const runs = Object.entries(packages).filter(([, { dev = false }]) => !dev);
  const expected = runs.map(([path, { version, integrity = "" }]) => {
    const content = Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
    return `${purlOf(nameOf(path), version)} ${content}`;
  });
  expect(linesOf(made)).toEqual([...new Set(expected)].toSorted());
  expect(Object.keys(about.dependencies).filter((name) => !made.components.some((each) => each.name === name))).toEqual(
    [],
  );
  const refs = new Set([made.metadata.component, ...made.components].map((each) => each["bom-ref"]));
  expect(made.dependencies.map(({ ref }) => ref).toSorted()).toEqual([...refs].toSorted());
  expect(made.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref))).toEqual([]);
});

const purlOf = (name: string, version: string): string => `pkg:npm/${name.replace("@", "%40")}@${version}`;
const linesOf = ({ components }: Sbom): readonly string[] =>
  components
    .map(
      ({ purl, hashes = [] }) =>
        `${purl} ${hashes.map(({ alg, content }) => (alg === "SHA-512" ? content : alg)).join()}`,
    )
    .toSorted();

test("DS08: the image opens no inspector when a signal asks for one", () => {
  const { args } = imageCommand();
  const flags = args.slice(0, -1);
  const caught = `process.stdout.write(/SigCgt:\\s*(\\w+)/.exec(require("fs").readFileSync("/proc/self/status"))[1])`;
  const mask = (...extra: readonly string[]): bigint =>
    BigInt(`0x${execFileSync(process.execPath, [...extra, "-e", caught], { encoding: "utf8" })}`);
  const usr1 = 1n << 9n;
  expect(mask() & usr1).toBe(usr1);
  expect(mask(...flags) & usr1).toBe(0n);
});

/** Who of the processes can open a connection or a port, and what for. */
const network: { readonly [file: string]: string } = {
  "src/http/server.ts": "listens: the endpoint",
  "src/kube/shared-agent.ts": "the agents of all calls to the API server, whose address is the kubeconfig's",
  "src/ops/health.ts": "listens: /livez and /readyz",
};
const harmless = new Set(["isIP", "STATUS_CODES", "createSecureContext"]);

test("HT10: no process asks anybody but the API server: nothing else in it can open a connection", () => {
  const modules = /^import \{([^}]*)\} from "(?:node:(?:https?|http2|net|tls|dgram|dns|child_process)|undici)"/gm;
  const opens = (text: string): boolean =>
    /\b(?:fetch|WebSocket|EventSource)\(/.test(text) ||
    [...text.matchAll(modules)]
      .flatMap(([, names = ""]) => names.split(",").map((name) => name.trim()))
      .some((name) => name !== "" && !name.startsWith("type ") && !harmless.has(name));
  expect([opens('import {\n  request,\n} from "node:https";'), opens("await fetch(url)")]).toEqual([true, true]);
  const files = globSync("src/**/*.ts", { exclude: ["**/*.test.ts", "src/cli/**", "src/web/**"] }).toSorted();
  expect(files.length).toBeGreaterThan(60);
  expect(files.filter((file) => opens(readFileSync(file, "utf8")))).toEqual(Object.keys(network));
});
