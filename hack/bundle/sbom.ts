import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

// What the product is made of, in CycloneDX, as npm reads it from the lock file. `npm sbom --omit dev` also leaves out what
// development uses as well, zod among them: so all of it is asked for, and development's is taken out by npm's own mark.

const root = resolve(import.meta.dirname, "../..");

const component = z.looseObject({
  "bom-ref": z.string(),
  name: z.string(),
  version: z.string(),
  purl: z.string(),
  properties: z.array(z.object({ name: z.string(), value: z.string() })),
  hashes: z.array(z.object({ alg: z.string(), content: z.string() })).optional(),
});
const document = z.looseObject({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.string(),
  metadata: z.looseObject({ component }),
  components: z.array(component),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});
export type Sbom = z.infer<typeof document>;

/** Of each package that runs somewhere, and of none that only develops: name, version, hash, and what it depends on. */
export async function sbom(): Promise<Sbom> {
  const args = ["sbom", "--sbom-format=cyclonedx", "--sbom-type=application", "--package-lock-only"];
  const { stdout } = await promisify(execFile)("npm", args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  const { metadata, components, dependencies, ...rest } = document.parse(JSON.parse(stdout));
  const main = metadata.component;
  const kept = components.filter(({ properties }) => !properties.some(({ name }) => name === development));
  const refs = new Set([main, ...kept].map((each) => each["bom-ref"]));
  return {
    ...rest,
    // npm calls it by the folder that it lies in
    metadata: { ...metadata, component: { ...main, name: main["bom-ref"].replace(/@[^@]*$/, "") } },
    components: kept,
    dependencies: dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn, ...more }) => ({ ...more, ref, dependsOn: dependsOn.filter((each) => refs.has(each)) })),
  };
}

const development = "cdx:npm:package:development";

if (import.meta.main) {
  const file = join(root, "dist/sbom.json");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(await sbom(), null, 2)}\n`);
}
