import { globSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type BuildOptions, build, type Metafile } from "esbuild";
import { onlyWhatIsUsed, packageOf } from "./only-what-is-used.ts";

// Makes dist/ for the image: one file for each process, and what they share. A process loads what it runs and no more, and
// the image needs no node_modules.

const root = resolve(import.meta.dirname, "../..");

const options = {
  absWorkingDir: root,
  entryPoints: ["src/main.ts"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  plugins: [onlyWhatIsUsed(root)],
  define: { esbuildDetection: "true" }, // undici's own word: leave out the HTTP parser that is not in use yet
  // Comments are half of a source, and one letter in them that is not ASCII doubles it in memory. Names stay, for the log.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  legalComments: "linked",
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  logLevel: "warning",
  metafile: true,
} as const satisfies BuildOptions;

/** What would be in which file, without writing any. */
export async function planBundle(): Promise<Metafile> {
  const { metafile } = await build({ ...options, write: false });
  return metafile;
}

/** Writes the processes alone, into this folder of the root, beside dist/ whose page they serve. */
export async function bundleInto(outdir: string): Promise<void> {
  await build({ ...options, outdir });
}

/** Writes dist/, without what an earlier one left there. */
export async function bundle(): Promise<void> {
  await Promise.all(globSync("dist/*.{js,txt}", { cwd: root }).map(async (file) => rm(join(root, file))));
  const { metafile } = await build(options);
  await writeFile(join(root, "dist/LICENSES.txt"), licences(Object.keys(metafile.inputs)));
}

/** Of each package that is inside: its name, version and licence, and the text of that where it brings one. */
function licences(inputs: readonly string[]): string {
  const packages = new Set(inputs.filter((path) => packageOf(path) !== "").map(folderOf));
  return [...packages]
    .toSorted()
    .map((folder) => {
      const cwd = join(root, folder);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what every package.json has
      const about = JSON.parse(readFileSync(join(cwd, "package.json"), "utf8")) as {
        readonly [key in "name" | "version" | "license"]: string;
      };
      const [file] = globSync("{LICEN[CS]E,licen[cs]e}*", { cwd }).toSorted();
      const text = file === undefined ? "" : readFileSync(join(cwd, file), "utf8").trim();
      return `${about.name} ${about.version}, ${about.license}\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(80)}\n`);
}

const folderOf = (path: string): string => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? "";

if (import.meta.main) await bundle();
