import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { at, end, grant, offer, policiesPath, requestsPath, verification } from "../contract/bodies.ts";
import { applying, type Installed, installedPlane, jsonPatching, type Reply } from "../contract/installed.ts";
import { expectAccepted, expectRefusedBy, newJudge } from "../contract/judging.ts";
import { live, type Stage } from "../contract/lives.ts";

// The phases of a request, which the CRD holds, and policy 4: who writes which part of a status: config/admission/status.yaml

let installed: Installed;
const judge = newJudge();
const path = (name: string): string => requestsPath("shop", `/${name}/status`);
const writes = (user: string, name: string, status: object | null): Promise<Reply> =>
  installed.merge(user, path(name), { status });
const tries = (name: string, status: object | null, user = "controller"): Promise<Reply> =>
  installed.merge(user, `${path(name)}?dryRun=All`, { status });
const ended = ["Expired", "Released", "Revoked", "Denied", "TimedOut"] as const;
const phases = ["Pending", "Granting", "Active", ...ended] as const;
const condition = { type: "Granted", status: "True", reason: "X", message: "", lastTransitionTime: at(0) };

beforeAll(async () => {
  installed = await installedPlane();
});
afterAll(() => installed[Symbol.asyncDispose]());

const since = (lastTransitionTime: string): Promise<Reply> =>
  tries("times", { conditions: [{ ...condition, lastTransitionTime }] });

/** Each phase that this request may step to, with all that the phase brings: so that the step alone can be wrong. */
async function stepsFrom(name: string, stage: Stage): Promise<readonly string[]> {
  const brought = (phase: (typeof phases)[number]): object => ({
    ...(stage === "New" ? { offer } : {}),
    ...(phase === "Granting" || phase === "Active" ? { grant } : {}),
    ...(ended.some((is) => is === phase) ? end : {}),
  });
  const answers = await Promise.all(
    phases.map(async (phase) => ({ phase, ...(await tries(name, { ...brought(phase), phase })) })),
  );
  expect(answers.filter(({ code }) => code !== 200 && code !== 422)).toEqual([]);
  return answers.filter(({ code }) => code === 200).map(({ phase }) => phase);
}

test.each<[Stage, readonly string[]]>([
  ["New", ["Pending", "Denied"]],
  ["Pending", ["Pending", "Released", "Revoked", "Denied", "TimedOut"]],
  ["Proven", ["Pending", "Granting", "Released", "Revoked", "Denied", "TimedOut"]],
  ["Granting", ["Granting", "Active", "Expired", "Released", "Revoked", "Denied"]],
  ["Active", ["Active", "Expired", "Released", "Revoked"]],
])("EX21: from %s the phase steps to %s and no other", async (stage, allowed) => {
  const name = `from-${stage.toLowerCase()}`;
  await live(installed, name, stage);
  expect(await stepsFrom(name, stage)).toEqual(allowed);
});

test("EX21: an ended request stays as it is, whichever way it ended", async () => {
  const before: { readonly [phase: string]: Stage } = {
    Expired: "Active",
    Released: "Granting",
    Revoked: "Active",
    Denied: "New",
    TimedOut: "Pending",
  };
  for (const phase of ended) {
    const name = `is-${phase.toLowerCase()}`;
    await live(installed, name, before[phase] ?? "New");
    await expectAccepted({ [phase]: await writes("controller", name, { phase, ...end }) });
    expect((await stepsFrom(name, "Active")).filter((to) => to !== phase)).toEqual([]);
    await expectRefusedBy(422, "status of an ended request never changes", {
      message: tries(name, { message: "later" }),
      conditions: tries(name, { conditions: [condition] }),
      endTime: tries(name, { endTime: at(0) }),
      reason: tries(name, { reason: "Revoked" }),
    });
  }
});

test("EX21: what a phase brings comes with it, and is written once", async () => {
  await live(installed, "once-new", "New");
  const denied = { phase: "Denied", reason: "RoleNotFound" };
  await expectRefusedBy(422, "the offer comes with Pending", { "no offer": tries("once-new", { phase: "Pending" }) });
  await expectRefusedBy(422, "nothing comes before the first phase", {
    "an offer alone": tries("once-new", { offer }),
  });
  await expectRefusedBy(422, "nothing comes before the first phase", {
    "a grant alone": tries("once-new", { grant }),
    "an endTime alone": tries("once-new", { endTime: at(0) }),
  });
  await expectRefusedBy(422, "comes with endTime and reason", {
    "no endTime": tries("once-new", denied),
    "no reason": tries("once-new", { phase: "Denied", endTime: at(0) }),
  });
  await expectRefusedBy(422, "the first phase is Pending or Denied", {
    "a grant": tries("once-new", { phase: "Pending", offer, grant }),
  });
  await live(installed, "once-pending", "Pending");
  await expectRefusedBy(422, "offer is set once", {
    changed: tries("once-pending", { offer: { rulesHash: "x" } }),
    removed: tries("once-pending", { offer: null }),
  });
  await expectRefusedBy(422, "need verification and grant.expirationTime", {
    "no verification": tries("once-pending", { phase: "Granting", grant }),
  });
  await expectRefusedBy(422, "endTime with nothing else", { "an endTime alone": tries("once-pending", { ...end }) });
  await live(installed, "once-proven", "Proven");
  await expectRefusedBy(422, "verification is set once", {
    changed: tries("once-proven", { verification: { timeStep: 6 } }, "verifier"),
    removed: tries("once-proven", { verification: null }, "verifier"),
  });
  await expectRefusedBy(422, "need verification and grant.expirationTime", {
    "no expirationTime": tries("once-proven", { phase: "Granting", grant: { bindingName: "b" } }),
  });
  await live(installed, "once-active", "Active");
  const later = { expirationTime: at(9_000), bindingName: "c", grantTime: at(9) };
  for (const [field, value] of Object.entries(later))
    await expectRefusedBy(422, `${field} is set once`, {
      changed: tries("once-active", { grant: { [field]: value } }),
      removed: tries("once-active", { grant: { [field]: null } }),
    });
  await expectRefusedBy(422, "grant cannot be removed", {
    grant: tries("once-active", { grant: null }),
    "grant, with its end": tries("once-active", { phase: "Revoked", ...end, grant: null }),
  });
  await expectRefusedBy(422, "phase cannot be removed", { phase: tries("once-active", { phase: null }) });
  await expectRefusedBy(422, "status cannot be removed", { status: tries("once-active", null) });
});

test("times in a status are UTC, and real", async () => {
  await live(installed, "times", "Pending");
  await expectRefusedBy(422, "lastTransitionTime", {
    "a word": since("soon"),
    "no zone": since("2026-11-24T12:00:00"),
    "an offset": since("2026-11-24T12:00:00+01:00"),
    "a comma": since("2026-11-24T12:00:00,5Z"),
    "small letters": since("2026-11-24t12:00:00z"),
    "a day": since("2026-11-24"),
    "30 February": since("2026-02-30T00:00:00Z"),
  });
  await expectAccepted({
    seconds: since("2026-11-24T12:00:00Z"),
    nanoseconds: since("2026-11-24T12:00:00.123456789Z"),
  });
});

test("TA01: status of a request is written by the two of us, each its own part", async () => {
  const { call, merge, plane } = installed;
  await live(installed, "ta", "Pending");
  const star = ["create", "clusterrole", "star", "--verb=*", "--resource=*.*"];
  await plane.run("admin", star);
  await plane.run("admin", ["create", "clusterrolebinding", "star", "--clusterrole=star", "--user=bob"]);
  const patching = ["auth", "can-i", "patch", "elevationrequests", "--subresource=status", "-n", "shop"];
  await eventually(async () => (await plane.run("bob", patching, { check: false })).code === 0, 10, "bob may patch");
  const seen = z
    .looseObject({ status: z.looseObject({}) })
    .parse((await call("admin", "GET", requestsPath("shop", "/ta"))).body);
  const put = { ...seen, status: { ...seen.status, message: "x" } };
  const applied = {
    apiVersion: "kube-elevate.dev/v1alpha1",
    kind: "ElevationRequest",
    metadata: { name: "ta" },
    status: { message: "x" },
  };
  await judge.expectRefused("status", 1, "WriteNotPermitted", {
    "a user with *": tries("ta", { message: "x" }, "bob"),
    "system:masters": tries("ta", { message: "x" }, "admin"),
    "by update": call("admin", "PUT", path("ta"), put),
    "by JSON patch": call(
      "admin",
      "PATCH",
      path("ta"),
      [{ op: "add", path: "/status/message", value: "x" }],
      jsonPatching,
    ),
    "by apply": call("admin", "PATCH", `${path("ta")}?fieldManager=x&force=true`, applied, applying),
  });
  await expectRefusedBy(403, "cannot patch", {
    alice: tries("ta", { message: "x" }, "alice"),
    "the sweeper": tries("ta", { message: "x" }, "sweeper"),
  });
  await judge.expectRefused("status", 2, "WriteNotPermitted", {
    "a verification by the controller": tries("ta", { verification }),
  });
  const others = { message: "x", reason: "X", conditions: [condition], grant: { bindingName: "b" } };
  const byVerifier = Object.entries(others).map(
    ([field, value]) => [field, tries("ta", { [field]: value }, "verifier")] as const,
  );
  await judge.expectRefused("status", 3, "WriteNotPermitted", {
    ...Object.fromEntries(byVerifier),
    "phase and endTime": tries("ta", { phase: "Denied", ...end }, "verifier"),
  });
  await expectAccepted({ "a verification by the verifier": tries("ta", { verification }, "verifier") });
  const through = await merge("admin", requestsPath("shop", "/ta"), { status: { phase: "Denied" } });
  expect(through.body).toMatchObject({ status: { phase: "Pending" } });
});

test("TA01: status of a policy is the controller's alone", async () => {
  const { merge } = installed;
  const ready = { status: { conditions: [{ ...condition, type: "Ready" }] } };
  const where = policiesPath("/shop-debug/status");
  await judge.expectRefused("status", 1, "WriteNotPermitted", { admin: merge("admin", where, ready) });
  await expectRefusedBy(403, "cannot patch", { "the verifier": merge("verifier", where, ready) });
  await expectAccepted({ "the controller": merge("controller", where, ready) });
  judge.expectAllReached("status");
});
