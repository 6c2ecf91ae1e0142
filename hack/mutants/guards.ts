import { readFileSync } from "node:fs";
import { type Guard, takenOut } from "./guard.ts";
import { admissionGuards } from "./guards/admission.ts";
import { domainGuards } from "./guards/domain.ts";
import { edgeGuards } from "./guards/edge.ts";
import { flowGuards } from "./guards/flows.ts";
import { kubeGuards } from "./guards/kube.ts";
import { type Outcome, tell } from "./outcome.ts";
import { copyTree, type Tree } from "./tree.ts";
import { mistakesOf, runTests } from "./vitest.ts";

// Takes each guard of the lists out of a copy of the code, one at a time, and runs the file of tests that is to fail.

const all: readonly Guard[] = [...domainGuards, ...flowGuards, ...kubeGuards, ...admissionGuards, ...edgeGuards];
const lanes = 2;

export async function takeOutGuards(named: string): Promise<readonly Outcome[]> {
  const guards = all.filter(({ file, guard }) => `${file} ${guard}`.includes(named));
  for (const guard of guards) takenOut(readFileSync(guard.file, "utf8"), guard); // each is still there
  const trees = Array.from({ length: lanes }, () => copyTree());
  try {
    const files = [...new Set(guards.map(({ tests }) => tests))];
    const [first] = trees;
    const wrong = first === undefined ? [] : mistakesOf(files, await runTests(first, files, { timeoutMs: 600_000 }));
    if (wrong.length > 0) throw new Error(`with all guards in not all is well:\n${wrong.join("\n")}`);
    const waiting = [...guards];
    const outcomes: Outcome[] = [];
    const work = async (tree: Tree): Promise<void> => {
      for (let guard = waiting.shift(); guard !== undefined; guard = waiting.shift()) {
        outcomes.push(await without(tree, guard));
        for (const outcome of outcomes.slice(-1)) tell("guards", outcomes.length, guards.length, outcome);
      }
    };
    await Promise.all(trees.map(work));
    return outcomes;
  } finally {
    for (const tree of trees) tree.remove();
  }
}

async function without(tree: Tree, guard: Guard): Promise<Outcome> {
  const source = tree.read(guard.file);
  const what = `${guard.file} without "${guard.guard}"`;
  tree.write(guard.file, takenOut(source, guard));
  try {
    const { ended } = await runTests(tree, [guard.tests], { bail: true });
    const failed = ended.find(({ passed }) => !passed);
    return { what, caughtBy: failed && `${guard.tests}: ${failed.name}` };
  } finally {
    tree.write(guard.file, source);
  }
}
