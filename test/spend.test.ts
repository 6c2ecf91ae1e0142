import { expect, test } from "vitest";
import { instant } from "../src/domain/time.ts";
import { spendCode } from "../src/flows/spend.ts";
import { fakeCluster } from "./fakes/cluster.ts";
import { policy, totpOfAlice } from "./fakes/objects.ts";

const parallel = 50;
const spendAll = async (code: string | undefined) => {
  const cluster = fakeCluster(policy, instant(1_795_514_400_000), { tell: () => undefined });
  cluster.enroll(totpOfAlice);
  const tries = Array.from({ length: parallel }, async () =>
    spendCode(cluster.verifier, "alice", code ?? cluster.codeNow()),
  );
  return (await Promise.all(tries)).map((answer) => ("reason" in answer ? answer.reason : "spent"));
};

test("a code posted fifty times at once is spent once", async () => {
  const answers = await spendAll(undefined);
  expect(answers.filter((answer) => answer === "spent")).toHaveLength(1);
  expect(answers.filter((answer) => answer === "ProofAlreadyUsed")).toHaveLength(parallel - 1);
});

test("fifty guesses at once get ten answers, then the lock", async () => {
  const answers = await spendAll("000000");
  expect(answers.filter((answer) => answer === "ProofRejected")).toHaveLength(10);
  expect(answers.filter((answer) => answer === "AuthenticatorLocked")).toHaveLength(parallel - 10);
});
