import { expect, test } from "vitest";
import { execute } from "./child.ts";

const said: string[] = [];
const quiet = {
  on: () => undefined,
  off: () => undefined,
  interactive: true,
  say: (line: string) => void said.push(line),
};

test("the exit code is the command's; a signal counts as a shell counts it", async () => {
  expect(await execute(["sh", "-c", "exit 7"], quiet)).toBe(7);
  expect(await execute(["sh", "-c", "kill -KILL $$"], quiet)).toBe(137);
});

test("what cannot be run is told", async () => {
  expect(await execute(["/nowhere/at-all"], quiet)).toBe(127);
  expect(await execute(["/"], quiet)).toBe(126);
  expect(said[0]).toMatch(/^error: \/nowhere\/at-all cannot be run \(.*ENOENT/);
});

test.each([
  [false, ["SIGHUP", "SIGINT", "SIGTERM"]],
  [true, ["SIGHUP", "SIGTERM"]], // the terminal itself sends Ctrl-C to both
])("signals are passed on while it runs, and no longer; on a terminal: %s", async (interactive, expected) => {
  const listeners = new Map<string, () => void>();
  const passed = execute(["sleep", "60"], {
    on: (signal, listener) => listeners.set(signal, listener),
    off: (signal) => listeners.delete(signal),
    interactive,
    say: () => undefined,
  });
  expect([...listeners.keys()].toSorted()).toEqual(expected);
  listeners.get("SIGTERM")?.();
  expect([await passed, listeners.size]).toEqual([143, 0]);
});
