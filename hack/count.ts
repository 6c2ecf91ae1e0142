import { readFileSync } from "node:fs";

// Reads vitest's JSON report and prints the closing line of a CI run; what failed outside a test counts as one failure.

type Report = { numPassedTests: number; numFailedTests: number; numPendingTests: number; numTodoTests: number };

const isReport = (value: unknown): value is Report =>
  typeof value === "object" && value !== null && "numPassedTests" in value && "numFailedTests" in value;

function reportIn(file: string): Report | undefined {
  try {
    const report: unknown = JSON.parse(readFileSync(file, "utf8"));
    return isReport(report) ? report : undefined;
  } catch {
    return undefined;
  }
}

const [file = "", checked, tested] = process.argv.slice(2);
const report = reportIn(file);
const passed = report?.numPassedTests ?? 0;
const failedTests = report?.numFailedTests ?? 0;
const outside =
  (checked === "0" ? 0 : 1) + (tested !== "0" && failedTests === 0 ? 1 : 0) + (report === undefined ? 1 : 0);
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
const failed = failedTests + outside;
if (checked !== "0") console.log("make check failed: it counts as one failure");
console.log(`${String(passed)} passed, ${String(failed)} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ""}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
