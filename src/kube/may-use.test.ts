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
    { elapsedMs: () => now, tell: () => undefined },
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
  const mayUse = rememberingUse(async () => verdicts.shift() ?? yes, { elapsedMs: () => 0, tell: () => undefined });
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

test("EX28: a review that fails ends nothing and hides nothing: the last answer stands, and the next look asks again", async () => {
  let [now, fails] = [0, false];
  const told: unknown[] = [];
  const mayUse = rememberingUse(
    async () => {
      if (fails) throw new Error("down");
      return no;
    },
    { elapsedMs: () => now, tell: (_message, fields) => void told.push(fields) },
  );
  const at = async (minute: number, failing: boolean): Promise<boolean> => {
    [now, fails] = [minute * minutes, failing];
    return (await mayUse(request("r1"), "standing")).allowed;
  };
  expect([await at(0, true), await at(0.5, true)]).toEqual([true, true]); // as after a restart: nothing is known yet
  expect(told).toEqual([1, 2].map(() => ({ namespace: "shop", name: "r1", err: new Error("down") })));
  expect(await at(1, false)).toBe(true); // the first refusal
  expect([await at(6, true), await at(6.5, true)]).toEqual([true, true]);
  expect(await at(7, false)).toBe(false); // the second
  expect(await at(12, true)).toBe(false);
  await expect(mayUse(request("r2"), "entry")).rejects.toThrow("down");
});

test("EX28: who was refused at entry by one replica, and granted by another, is refused once, not twice", async () => {
  let now = 0;
  const mayUse = rememberingUse(async () => no, { elapsedMs: () => now, tell: () => undefined });
  expect((await mayUse(request("r1"), "entry")).allowed).toBe(false);
  expect((await mayUse(request("r1"), "standing")).allowed).toBe(true);
  now = 5 * minutes;
  expect((await mayUse(request("r1"), "standing")).allowed).toBe(false);
});

test("requests are remembered apart, and what entry was told counts as asked", async () => {
  let now = 0;
  const asked: string[] = [];
  const mayUse = rememberingUse(
    async ({ metadata }) => {
      asked.push(metadata.uid);
      return yes;
    },
    { elapsedMs: () => now, tell: () => undefined },
  );
  await mayUse(request("r1"), "entry");
  now = 4 * minutes;
  await mayUse(request("r1"), "standing");
  await mayUse(request("r2"), "standing");
  expect(asked).toEqual(["r1", "r2"]);
});
