import { cpus } from "node:os";
import packageJSON from "../../package.json" with { type: "json" };
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { versions } from "../controlplane/versions.ts";

/** One bench: measures on a control plane of its own, tells how far it is, and returns what it found. */
export type Bench = (plane: ControlPlane, tell: (line: string) => void) => Promise<readonly Row[]>;

type Figures = { readonly p50: number; readonly p99: number; readonly max: number };

/** What was measured, beside its floor: the same bare calls to the same API server in the same run. */
export type Row = Figures & {
  readonly what: string;
  readonly n: number;
  readonly unit: "ms" | "MB";
  readonly floor?: Figures;
  /** Each figure by the same figure of the floor. */
  readonly ratio?: Figures;
};

/** A row of what was measured once or many times; `floor` holds the measurements of the floor. */
export function rowOf(
  what: string,
  values: readonly number[],
  { floor: bare, unit = "ms" }: { readonly floor?: readonly number[]; readonly unit?: Row["unit"] } = {},
): Row {
  const figures = figuresOf(values);
  const row = { what, n: values.length, unit, ...rounded(figures, 1) };
  if (bare === undefined) return row;
  const floor = figuresOf(bare);
  const { p50, p99, max } = figures;
  const ratio = { p50: p50 / floor.p50, p99: p99 / floor.p99, max: max / floor.max };
  return { ...row, floor: rounded(floor, 1), ratio: rounded(ratio, 2) };
}

/** The rows of one bench for people. */
export function printTable(rows: readonly Row[]): void {
  console.table(
    Object.fromEntries(
      rows.map(({ what, n, unit, p50, p99, max, floor, ratio }) => [
        what,
        {
          n,
          unit,
          p50,
          p99,
          max,
          "floor p50": floor?.p50 ?? "",
          "floor p99": floor?.p99 ?? "",
          "ratio p50": ratio?.p50 ?? "",
          "ratio p99": ratio?.p99 ?? "",
        },
      ]),
    ),
  );
}

/** Everything that was found, with what it was found on. */
export function documentOf(rows: readonly Row[], now: Date): object {
  const [cpu] = cpus();
  return {
    date: now.toISOString(),
    versions: { kubernetes: versions.kubernetes, node: process.versions.node, "kube-elevate": packageJSON.version },
    machine: { cpus: cpus().length, model: cpu?.model ?? "unknown" },
    rows,
  };
}

const figuresOf = (values: readonly number[]): Figures => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  max: Math.max(...values),
});

const rounded = ({ p50, p99, max }: Figures, digits: number): Figures => ({
  p50: Number(p50.toFixed(digits)),
  p99: Number(p99.toFixed(digits)),
  max: Number(max.toFixed(digits)),
});

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}
