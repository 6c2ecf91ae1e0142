import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Tree } from "./tree.ts";

/** A test that came to its end. Times are milliseconds since the epoch, by the tests before it in its file. */
export type Ended = {
  readonly name: string;
  readonly passed: boolean;
  /** In one line, of one that failed. */
  readonly why: string;
  readonly from: number;
  readonly to: number;
};

/** `broken`: why files could not be loaded, or prepared. */
export type TestRun = { readonly ended: readonly Ended[]; readonly broken: readonly string[] };

type Options = {
  /** A regular expression over names of tests. */
  readonly named?: string;
  /** Ends with the first test that fails. */
  readonly bail?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
};

/**
 * Runs these files of tests in that tree. A file that cannot be loaded, or that loops for ever, has no test that ended: so
 * what breaks the code altogether is not taken for what a test has found.
 */
export async function runTests(
  { dir }: Tree,
  files: readonly string[],
  { named, bail = false, env = {}, timeoutMs = 180_000 }: Options = {},
): Promise<TestRun> {
  const report = join(dir, `report-${String(files[0]).replaceAll("/", "-")}.json`);
  rmSync(report, { force: true });
  const flags = ["--reporter=json", `--outputFile=${report}`, ...(bail ? ["--bail=1"] : [])];
  const names = named === undefined ? [] : ["-t", named];
  const vitest = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...files, ...flags, ...names], {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: "ignore",
    detached: true, // a group of its own: its workers go with it
  });
  const { pid } = vitest;
  if (pid === undefined) throw new Error("vitest could not be started");
  const kill = (): boolean => process.kill(-pid, "SIGKILL");
  const timer = setTimeout(kill, timeoutMs);
  process.once("exit", kill);
  await once(vitest, "exit");
  process.off("exit", kill);
  clearTimeout(timer);
  return endedIn(report);
}

const reported = z.object({
  testResults: z.array(
    z.object({
      startTime: z.number(),
      message: z.string().default(""),
      assertionResults: z.array(
        z.object({
          title: z.string(),
          status: z.string(),
          duration: z.number().nullish(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});

function endedIn(report: string): TestRun {
  let text: string;
  try {
    text = readFileSync(report, "utf8");
  } catch {
    return { ended: [], broken: ["vitest has not come to its end"] };
  }
  const { testResults } = reported.parse(JSON.parse(text));
  const broken = testResults.flatMap(({ message }) => (message === "" ? [] : [message]));
  const ended = testResults.flatMap(({ startTime, assertionResults }) => {
    let to = startTime;
    return assertionResults.flatMap(({ title: name, status, duration, failureMessages }) => {
      if (status !== "passed" && status !== "failed") return [];
      const from = to;
      to += duration ?? 0;
      const why = (failureMessages ?? []).join(" ").split("\n", 1).join("");
      return [{ name, passed: status === "passed", why, from, to }];
    });
  });
  return { ended, broken };
}

/** Why this run says nothing: what fails with all guards in cannot catch anything, nor what does not run. */
export function mistakesOf(files: readonly string[], { ended, broken }: TestRun): readonly string[] {
  const failed = ended.filter(({ passed }) => !passed).map(({ name, why }) => `${name}: ${why}`);
  const few = ended.length < files.length ? [`${String(ended.length)} tests of ${files.join(" ")} ran`] : [];
  return [...few, ...broken, ...failed];
}
