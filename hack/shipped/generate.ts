import { globSync, readFileSync, writeFileSync } from "node:fs";
import { loadAll } from "js-yaml";
import { z } from "zod";

// Writes src/kube/shipped.json, which the controller compares with what is stored, from config/admission and crds/; with
// --check it writes nothing and fails where the file says something else.

const target = new URL("../../src/kube/shipped.json", import.meta.url);
const root = new URL("../../", import.meta.url);
const compared = z
  .object({
    kind: z.enum([
      "ValidatingAdmissionPolicy",
      "ValidatingAdmissionPolicyBinding",
      "MutatingAdmissionPolicy",
      "MutatingAdmissionPolicyBinding",
      "CustomResourceDefinition",
    ]),
    metadata: z.object({ name: z.string() }),
    spec: z.looseObject({}),
  })
  .transform(({ kind, metadata, spec }) => ({ kind, name: metadata.name, spec }));

const objects = globSync(["config/admission/**/*.yaml", "crds/*.yaml"], { cwd: root })
  .toSorted()
  .flatMap((file) => loadAll(readFileSync(new URL(file, root), "utf8")))
  .flatMap((object) => compared.safeParse(object).data ?? []);
if (objects.length < 20) throw new Error("config/admission and crds/ hold more than was read");
const text = `[\n${objects.map((object) => JSON.stringify(object)).join(",\n")}\n]\n`;
if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error("src/kube/shipped.json is not what config/admission and crds/ give: run node hack/shipped/generate.ts");
  process.exitCode = 1;
}
