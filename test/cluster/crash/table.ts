import { faults } from "./lane.ts";

export type Lived = { readonly life: string; readonly fault: string; readonly ms: number };

/** How often each life was lived with each fault, and how long that took; lanes live at the same time. */
export function tableOf(lived: readonly Lived[], wallMs: number): string {
  const rowOf = (life: string, of: readonly Lived[]): readonly string[] => [
    life,
    ...faults.map((fault) => String(of.filter((one) => one.fault === fault).length)),
    String(of.length),
    seconds(of.reduce((sum, { ms }) => sum + ms, 0)),
  ];
  const rows = [...Map.groupBy(lived, ({ life }) => life)].map(([life, of]) => rowOf(life, of));
  const head = ["life", ...faults, "all", "took"];
  const all = [head, ...rows, rowOf("all", lived)];
  const widths = head.map((_none, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n${String(lived.length)} crash points in ${seconds(wallMs)}`;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`;
