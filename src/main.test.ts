import { execFile } from "node:child_process";
import { expect, test } from "vitest";

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

function run(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ["src/main.ts", ...words], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

test("help and version go to stdout and end with 0", async () => {
  expect(await run(["--help"])).toMatchObject({ code: 0, stderr: "" });
  expect((await run(["verifier", "--help"])).stdout).toContain("--endpoint-port");
  expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  [[], "name a process"],
  [["verify"], "name a process"],
  [["toString"], "name a process"],
  [["verifier", "--nope"], "unknown flag --nope"],
])("%j is wrong usage: exit 2, said on stderr", async (words, said) => {
  const ended = await run(words);
  expect(ended).toMatchObject({ code: 2, stdout: "" });
  expect(ended.stderr).toContain(said);
});

test("an unchecked API server is refused before anything is read", async () => {
  const ended = await run(["controller"], { NODE_TLS_REJECT_UNAUTHORIZED: "0" });
  expect(ended.code).toBe(2);
  expect(ended.stderr).toContain("NODE_TLS_REJECT_UNAUTHORIZED=0 is refused");
});

test("a process that cannot start says why in its log and ends with 1", async () => {
  const ended = await run(["verifier", "--kubeconfig", "/does/not/exist"]);
  expect(ended).toMatchObject({ code: 1, stdout: "" });
  const lines = ended.stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(lines.at(0)).toMatchObject({ logger: "verifier", msg: "starting" });
  expect(lines.at(-1)).toMatchObject({ level: "fatal", msg: "the process failed" });
});
