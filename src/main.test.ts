import { execFile } from "node:child_process";
import { expect, test } from "vitest";

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

function run(words: readonly string[], env: NodeJS.ProcessEnv = {}, file = "src/main.ts"): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...words], { env }, (error, stdout, stderr) =>
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

test("DS08: an unchecked API server is refused before anything is read, in words that say what to do", async () => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  for (const process of ["controller", "verifier", "sweep"]) {
    const ended = await run([process, "--kubeconfig", "/does/not/exist"], env);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toMatch(/^error: NODE_TLS_REJECT_UNAUTHORIZED=0 is refused: .*\nUnset it, .*\n/);
  }
});

test("DS08: the plugin asks nobody anything where certificates are not to be checked, and says what to do", async () => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0", KUBECTL: "/does/not/exist" };
  for (const words of [
    ["request", "shop-debug"],
    ["enroll", "totp"],
  ]) {
    const ended = await run(words, env, "src/cli/main.ts");
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^error: NODE_TLS_REJECT_UNAUTHORIZED=0 is refused: .*\n {2}Unset it, and try again/);
  }
  expect((await run(["status"], { KUBECTL: "/does/not/exist" }, "src/cli/main.ts")).stderr).toContain(
    "/does/not/exist",
  );
});

test("DS08: an open inspector is refused before anything is read, in words that say what to do", async () => {
  const ended = await run(["verifier", "--kubeconfig", "/does/not/exist"], { NODE_OPTIONS: "--inspect=127.0.0.1:0" });
  expect(ended).toMatchObject({ code: 2, stdout: "" });
  expect(ended.stderr).toMatch(
    /^error: an open inspector is refused: .*\nStart it without --inspect and the like, .*\n/m,
  );
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
