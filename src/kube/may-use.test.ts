import { expect, test } from "vitest";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type Reviewer, rememberingUse, reviewUse, type Verdict } from "./may-use.ts";

const yes: Verdict = { allowed: true, reason: "by RoleBinding oncall" };
const no: Verdict = { allowed: false };
const sick: Verdict = { allowed: false, evaluationError: "webhook timed out" };
const minutes = 60_000;
const request = (uid: string): ElevationRequest => ({
  metadata: { name: uid, namespace: "shop", uid, resourceVersion: "1", creationTimestamp: "" },
  spec: { policyName: "debug", requester: { username: "alice" } },
});

/** Asked at these minutes, the reviews answering so in turn: what was answered, and how often was reviewed. */
async function played(verdicts: readonly Verdict[], at: readonly number[]) {
  let now = 0;
  const left = [...verdicts];
  const reviewed: number[] = [];
  const mayUse = rememberingUse(
    async () => {
      reviewed.push(now / minutes);
      return left.shift() ?? yes;
    },
    () => now,
  );
  const answers: boolean[] = [];
  for (const minute of at) {
    now = minute * minutes;
    answers.push((await mayUse(request("r1"), "standing")).allowed);
  }
  return { answers, reviewed };
}

test("IA06, RC09: the review is about who she was when she asked, uid and groups too, in the request's namespace", async () => {
  const sent: unknown[] = [];
  const requester = { username: "alice", uid: "u-1", groups: ["devs"] };
  const asked = { ...request("r1"), spec: { policyName: "debug", requester } };
  const reviewer: Reviewer = {
    async create(collection, body) {
      sent.push(collection, body);
      return { status: yes };
    },
  };
  expect(await reviewUse(reviewer, asked)).toEqual(yes);
  await reviewUse(reviewer, request("r1"));
  const attributes = {
    verb: "use",
    group: "kube-elevate.dev",
    version: "v1alpha1",
    resource: "elevationpolicies",
    name: "debug",
    namespace: "shop",
  };
  expect(sent[0]).toBe("/apis/authorization.k8s.io/v1/subjectaccessreviews");
  expect(sent[1]).toMatchObject({
    spec: { user: "alice", uid: "u-1", groups: ["devs"], resourceAttributes: attributes },
  });
  expect(sent[3]).toMatchObject({ spec: { user: "alice", uid: "", groups: [], resourceAttributes: attributes } });
});

test("entry asks each time, and tells the authorizer's own words", async () => {
  const verdicts = [yes, no, sick];
  const mayUse = rememberingUse(
    async () => verdicts.shift() ?? yes,
    () => 0,
  );
  expect(await mayUse(request("r1"), "entry")).toEqual(yes);
  expect((await mayUse(request("r1"), "entry")).allowed).toBe(false);
  expect((await mayUse(request("r1"), "entry")).allowed).toBe(false); // in doubt, no
});

test("EX28: a grant that stands is asked about every 5 min, whatever the number of looks", async () => {
  const { reviewed } = await played([], [0, 0.5, 1, 4.9, 5, 5.5, 9.9, 10]);
  expect(reviewed).toEqual([0, 5, 10]);
});

test("EX28: it is lost when refused twice running", async () => {
  expect((await played([yes, no, no], [0, 5, 5.5, 10, 10.5])).answers).toEqual([true, true, true, false, false]);
  expect((await played([no, yes, no, yes], [0, 5, 10, 15])).answers).toEqual([true, true, true, true]);
});

test("EX28: an authorizer that cannot judge ends nothing, however often, and hides no refusal", async () => {
  expect((await played([sick, sick, sick, sick], [0, 5, 10, 15])).answers).toEqual([true, true, true, true]);
  expect((await played([no, sick, no], [0, 5, 10])).answers).toEqual([true, true, false]);
});

test("EX28: a review that fails is no answer, and is made again at the next look", async () => {
  let fails = true;
  const mayUse = rememberingUse(
    async () => {
      if (fails) throw new Error("down");
      return no;
    },
    () => 0,
  );
  await expect(mayUse(request("r1"), "standing")).rejects.toThrow("down");
  fails = false;
  expect((await mayUse(request("r1"), "standing")).allowed).toBe(true); // the first refusal, not the second
});

test("requests are remembered apart, and what entry was told counts as asked", async () => {
  let now = 0;
  const asked: string[] = [];
  const mayUse = rememberingUse(
    async ({ metadata }) => {
      asked.push(metadata.uid);
      return yes;
    },
    () => now,
  );
  await mayUse(request("r1"), "entry");
  now = 4 * minutes;
  await mayUse(request("r1"), "standing");
  await mayUse(request("r2"), "standing");
  expect(asked).toEqual(["r1", "r2"]);
});
