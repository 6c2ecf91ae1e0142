import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KubectlFailure, told } from "./errors.ts";
import { type Kubectl, kubectlAt } from "./kubectl.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kubectl-"));
});
afterAll(async () => rm(folder, { recursive: true }));

async function scripted(script: string): Promise<{ readonly kubectl: Kubectl; readonly said: readonly string[] }> {
  const file = join(folder, "a kubectl");
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return running(file);
}

function running(
  command: string,
  flags: readonly string[] = [],
): { readonly kubectl: Kubectl; readonly said: string[] } {
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  return {
    kubectl: kubectlAt({ command, flags, interactive: false, say, signal: new AbortController().signal }),
    said,
  };
}

test("what it prints is the answer; what it says beside is passed on", async () => {
  const { kubectl, said } = await scripted("cat; echo 'log in at https://x' >&2; echo 'The device code is 7' >&2");
  expect(await kubectl(["create"], "input")).toBe("input");
  expect(said).toEqual(["log in at https://x", "The device code is 7"]);
});

test("its errors are kept from the screen and thrown, whole", async () => {
  const { kubectl, said } = await scripted(
    "echo 'Warning: old' >&2; printf 'Error from server (Forbidden): no\\nand why' >&2; exit 1",
  );
  const error: unknown = await kubectl([]).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KubectlFailure);
  expect(told(error)).toEqual({ text: "Error from server (Forbidden): no\nand why", exitCode: 3 });
  expect(said).toEqual(["Warning: old"]);
});

test("it may be a binary with a subcommand, and gets the flags that the user gave", async () => {
  expect(await running("echo kubectl", ["--context", "c"]).kubectl(["get"])).toBe("kubectl get --context c\n");
});

test("where there is none, it says what to do", async () => {
  const error: unknown = await running(join(folder, "none"))
    .kubectl([])
    .catch((thrown: unknown) => thrown);
  expect(told(error)).toEqual({
    text: expect.stringMatching(/^error: .* cannot be run \(.*ENOENT.*\)\. Put kubectl on your PATH/) as unknown,
    exitCode: 1,
  });
});
