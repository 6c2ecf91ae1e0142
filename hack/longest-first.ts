import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Roughly by seconds on two cores, but for those that compute a lot, which stand apart. Whatever is not here takes less than
 * half a minute, or comes by what it took before. To be kept when a file grows.
 */
const longest: readonly string[] = [
  "crash.test.ts",
  "endpoint-proof.test.ts",
  "controller-crash.test.ts",
  "replicas.test.ts",
  "plugin.test.ts",
  "crash-further.test.ts",
  "plugin-endings.test.ts",
  "key.test.ts",
  "bindings-by-hand.test.ts",
  "endings-by-facts.test.ts",
  "uninstall.test.ts",
  "refusals.test.ts",
];

/** Of test files that run a few at a time the longest begin, so that all workers end together. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- no array's
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const index = longest.findIndex((name) => moduleId.endsWith(`/${name}`));
  return index === -1 ? longest.length : index;
}
