import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Refusal, refusalsIn } from "./audit.ts";
import { type CrdShadow, writeCrdShadows } from "./crd-shadows.ts";
import { heldTwice } from "./held-twice.ts";
import { type Outcome, tell } from "./outcome.ts";
import { type Shadow, writeShadows } from "./shadows.ts";
import { copyTree, type Tree } from "./tree.ts";
import { type Ended, mistakesOf, runTests } from "./vitest.ts";

// The guards of the admission policies and of the CRDs. The tests are run once, on control planes that have shadows in them
// (shadows.ts): a guard is caught by a test that was refused something by it alone.

const suites: readonly (readonly [file: string, named?: string])[] = [
  ["test/cluster/admission-requests.test.ts"],
  ["test/cluster/admission-bindings.test.ts"],
  ["test/cluster/admission-authenticators.test.ts"],
  ["test/cluster/contract-phases.test.ts"],
  ["test/cluster/admission-policies.test.ts"],
  ["test/cluster/contract.test.ts", "CL02: installed in one go|every sample"],
];
const atOnce = 2;

type Seen = Refusal & { readonly by: string };

export async function loosenWalls(groups: readonly Wall[], named: string): Promise<readonly Outcome[]> {
  const tree = copyTree();
  try {
    const [shadows, ofCrds] = castShadows(tree);
    console.log("walls: control planes with shadows in them are prepared");
    execFileSync(process.execPath, ["--input-type=module", "--eval", prepare], { cwd: tree.dir, stdio: "inherit" });
    const { seen, wrong } = await refusalsOfAll(tree);
    const found = (what: string, isCause: (refusal: Refusal) => boolean): Outcome => {
      const caughtBy = seen.find(isCause)?.by;
      const twice = heldTwice[what];
      if (twice !== undefined && caughtBy !== undefined) wrong.push(`held-twice.ts: ${what} is caught by ${caughtBy}`);
      return {
        what,
        caughtBy: caughtBy ?? (twice === undefined ? undefined : `no test, as it is held twice: ${twice}`),
      };
    };
    const outcomes = {
      admission: shadows.map((shadow) => found(shadow.what, (refusal) => hangsOn(refusal, shadow))),
      crds: ofCrds.map((shadow) => found(shadow.what, (refusal) => hangsOnRule(refusal, shadow))),
    };
    const known = new Set(Object.values(outcomes).flatMap((some) => some.map(({ what }) => what)));
    wrong.push(
      ...Object.keys(heldTwice).flatMap((what) => (known.has(what) ? [] : [`held-twice.ts: no guard is ${what}`])),
    );
    const all = groups.flatMap((group) => outcomes[group]).filter(({ what }) => what.includes(named));
    for (const [index, outcome] of all.entries()) tell("walls", index + 1, all.length, outcome);
    if (wrong.length > 0) throw new Error(`beside shadows not all is well:\n${wrong.join("\n")}`);
    return all;
  } finally {
    tree.remove();
  }
}

type Wall = "admission" | "crds";

/** Once and before, since files of tests that begin at once would each do it, and wait too long. */
const prepare = `
  const { startPreparedControlPlane } = await import("./hack/controlplane/prepared.ts");
  await (await startPreparedControlPlane("samples")).stop();
`;

/** Into what the tests install. */
function castShadows(tree: Tree): readonly [readonly Shadow[], readonly CrdShadow[]] {
  const admission = writeShadows(tree, "config/admission", "config/shadows/admission");
  const limits = writeShadows(tree, "config/admission/limits", "config/shadows/limits");
  const crds = writeCrdShadows(tree);
  const all = "config/default/kustomization.yaml";
  const text = before(tree.read(all), "../admission", "../shadows/admission");
  tree.write(all, before(text, "../admission/limits", "../shadows/limits"));
  // what is asked of many more policies takes its time
  const patient = tree.read("vitest.config.ts").replaceAll(/Timeout: (?:60|120)_000/g, (of) => of.replace("_", "0_"));
  tree.write("vitest.config.ts", patient);
  execFileSync(process.execPath, ["hack/shipped/generate.ts"], { cwd: tree.dir }); // else the CRDs are a hole
  return [[...admission, ...limits], crds];
}

const before = (text: string, resource: string, shadow: string): string =>
  text.replace(`  - ${resource}\n`, `  - ${shadow}\n  - ${resource}\n`);

async function refusalsOfAll(tree: Tree): Promise<{ readonly seen: readonly Seen[]; readonly wrong: string[] }> {
  const waiting = [...suites.entries()];
  const seen: Seen[] = [];
  const wrong: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, [file, named]] = next;
      const folder = join(tree.dir, String(index));
      mkdirSync(folder);
      console.log(`walls: ${file} is run beside shadows`);
      const env = { TMPDIR: folder, KUBE_ELEVATE_KEEP: "yes" };
      const run = await runTests(tree, [file], {
        env,
        timeoutMs: 900_000,
        ...(named === undefined ? {} : { named }),
      });
      wrong.push(...mistakesOf([file], run));
      seen.push(...refusalsIn(folder).flatMap((refusal) => during(refusal, file, run.ended)));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { seen, wrong };
}

/** Tests of one file run one after another. What comes before them all is no test's. */
function during(refusal: Refusal, file: string, ended: readonly Ended[]): readonly Seen[] {
  const test = ended.findLast(({ from }) => from <= refusal.at);
  return test === undefined ? [] : [{ ...refusal, by: `${file}: ${test.name}` }];
}

/** Whether our policy refused this, by the rule that is told (the first that does), which without the guard would not. */
function hangsOn({ message, annotations }: Refusal, { policy, whole, without }: Shadow): boolean {
  if (!message.includes(`ValidatingAdmissionPolicy '${policy}' `)) return false;
  const told = Object.entries(whole).find(([, key]) => key in annotations)?.[0];
  const key = without[Number(told)];
  return key !== undefined && !(key in annotations);
}

/** Whether nothing but this rule refused it, which without the guard would not, or in other words: it cannot be evaluated. */
function hangsOnRule({ causes }: Refusal, { whole, without }: CrdShadow): boolean {
  const wrong = causes.filter((cause) => !cause.includes("(shadow "));
  const stays = causes.some((cause) => cause.endsWith(without) && !cause.includes("evaluating rule"));
  return wrong.length > 0 && wrong.every((cause) => cause.endsWith(whole)) && !stays;
}
