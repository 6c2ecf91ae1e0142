import { expect, test } from "vitest";
import { policy } from "../../test/fakes/objects.ts";
import { fakeTimers } from "../../test/fakes/timers.ts";
import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import type { PolicyRule } from "../domain/persistence.ts";
import { parseInstant } from "../domain/time.ts";
import { createPolicyConditions } from "./policies.ts";
import type { Granted, Policies } from "./ports.ts";

const start = parseInstant("2026-11-24T10:00:00Z");
const ofRole = (name: string): ElevationPolicy => ({
  ...policy,
  spec: { ...policy.spec, roleRef: { kind: "Role", name } },
});

function play(of: ElevationPolicy = policy) {
  const world = {
    now: start,
    policy: { ...of, metadata: { ...of.metadata, generation: 1, resourceVersion: "1" } } as ElevationPolicy,
    places: [""] as readonly string[],
    rulesHash: "r1",
    rules: [] as readonly PolicyRule[],
    granted: [] as readonly Granted[],
    lists: 0,
    bindable: new Set<string>(),
    writes: 0,
    looks: 0,
    broken: false,
    hole: undefined as string | undefined,
  };
  const bump = (change: Partial<ElevationPolicy>): void => {
    const resourceVersion = String(Number(world.policy.metadata.resourceVersion) + 1);
    world.policy = { ...world.policy, ...change, metadata: { ...world.policy.metadata, resourceVersion } };
  };
  const policies: Policies = {
    async list() {
      if (world.broken) throw new Error("503");
      return [world.policy];
    },
    async placesOf() {
      world.looks++;
      const { rulesHash, rules } = world;
      return new Map(world.places.map((place) => [place, { rulesHash, rules }]));
    },
    async granted() {
      world.lists++;
      return world.granted;
    },
    namespaces: async () =>
      new Map([
        ["shop", { env: "prod" }],
        ["tests", {}],
        ["kube-system", { env: "prod" }],
      ]),
    mayBind: async (_role, place) => world.bindable.has(place),
    async swapStatus(seen, status) {
      if (seen.metadata.resourceVersion !== world.policy.metadata.resourceVersion) return "lost";
      world.writes++;
      bump({ status });
      return "won";
    },
  };
  const timers = fakeTimers(world);
  const lines: string[] = [];
  const log = { info: () => undefined, warn: (_fields: object, message: string) => lines.push(message) };
  const conditions = createPolicyConditions({
    policies,
    hole: () => world.hole,
    clock: () => world.now,
    after: timers.after,
    log,
  });
  const told = (which: string) => world.policy.status?.conditions?.find(({ type }) => type === which);
  const ready = () => told("Ready");
  return { world, timers, conditions, ready, safe: () => told("PersistenceSafe"), lines, bump };
}

test("IA25: no role, no bind, both: each is told, with the commands that cure it, and it is Ready within 5 s", async () => {
  const { world, timers, conditions, ready } = play();
  world.places = [];
  conditions.start();
  await timers.advance(0);
  expect(ready()).toMatchObject({
    status: "False",
    reason: "RoleNotFound",
    message: "ClusterRole pod-debugger does not exist: make it, or name another role",
    lastTransitionTime: "2026-11-24T10:00:00.000Z",
    observedGeneration: 1,
  });
  world.places = [""];
  await timers.advance(5_000);
  expect(ready()).toMatchObject({ status: "False", reason: "BindNotPermitted" });
  expect(ready()?.lastTransitionTime).toBe("2026-11-24T10:00:00.000Z");
  expect(ready()?.message.split("\n")).toEqual([
    "kubectl create clusterrole kube-elevate-bind-pod-debugger --verb=bind --resource=clusterroles.rbac.authorization.k8s.io --resource-name=pod-debugger",
    "kubectl create clusterrolebinding kube-elevate-bind-pod-debugger --clusterrole=kube-elevate-bind-pod-debugger --serviceaccount=elevate-system:controller",
  ]);
  world.bindable.add("");
  await timers.advance(5_000);
  expect(ready()).toMatchObject({
    status: "True",
    reason: "BindPermitted",
    message: "the controller may bind ClusterRole pod-debugger",
    lastTransitionTime: "2026-11-24T10:00:10.000Z",
  });
});

test("IA25: a Role is looked up where the policy is for, and the commands are for each such namespace", async () => {
  const { world, timers, conditions, ready } = play(ofRole("db admin's"));
  world.places = ["tests", "kube-system"];
  conditions.start();
  await timers.advance(0);
  expect(ready()).toMatchObject({ reason: "RoleNotFound" });
  world.places = ["tests", "kube-system", "shop"];
  await timers.advance(5_000);
  expect(ready()?.message.split("\n")).toEqual([
    "kubectl create role 'kube-elevate-bind-db admin'\\''s' --namespace=shop --verb=bind --resource=roles.rbac.authorization.k8s.io --resource-name='db admin'\\''s'",
    "kubectl create rolebinding 'kube-elevate-bind-db admin'\\''s' --namespace=shop --role='kube-elevate-bind-db admin'\\''s' --serviceaccount=elevate-system:controller",
  ]);
  world.bindable.add("shop");
  await timers.advance(5_000);
  expect(ready()).toMatchObject({
    status: "True",
    message: "the controller may bind Role db admin's in namespace shop",
  });
});

test("what stays as it is is not written again, and a policy that is Ready is looked at every 30 s", async () => {
  const { world, timers, conditions } = play();
  world.bindable.add("");
  conditions.start();
  await timers.advance(6_000); // once more after its own write
  expect([world.writes, world.looks]).toEqual([1, 2]);
  await timers.advance(60_000);
  expect([world.writes, world.looks]).toEqual([1, 4]);
});

test("IA12: a hole in the walls is told of each policy within 5 s, and so is that it was mended", async () => {
  const { world, timers, conditions, ready } = play();
  world.bindable.add("");
  conditions.start();
  await timers.advance(6_000);
  world.hole = "ValidatingAdmissionPolicyBinding kube-elevate-bindings is gone";
  await timers.advance(5_000);
  expect(ready()).toMatchObject({ status: "False", reason: "AdmissionUnprotected" });
  expect(ready()?.message).toMatch(/^ValidatingAdmissionPolicyBinding kube-elevate-bindings is gone. Apply .* again/);
  world.hole = "x".repeat(5_000);
  await timers.advance(5_000);
  expect(ready()?.message).toHaveLength(4_096);
  expect(ready()?.message).toMatch(/never a CRD: its records go with it$/);
  world.hole = undefined;
  await timers.advance(5_000);
  expect(ready()).toMatchObject({ status: "True", reason: "BindPermitted" });
});

test("a changed spec is looked at within 5 s", async () => {
  const { world, timers, conditions, ready, bump } = play();
  world.bindable.add("");
  conditions.start();
  await timers.advance(6_000);
  bump({});
  world.policy = { ...world.policy, metadata: { ...world.policy.metadata, generation: 2 } };
  await timers.advance(5_000);
  expect(ready()?.observedGeneration).toBe(2);
});

const mints: PolicyRule = { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] };

test("PE01: whether access can be kept is told with Ready, in the same write, and a role that changes is seen within 30 s", async () => {
  const { world, timers, conditions, ready, safe } = play();
  world.places = [];
  conditions.start();
  await timers.advance(0);
  expect(safe()).toMatchObject({ status: "Unknown", reason: "RoleNotFound" });
  world.places = [""];
  world.bindable.add("");
  await timers.advance(6_000);
  expect([ready()?.status, safe()?.status, safe()?.reason]).toEqual(["True", "True", "NoLastingAccess"]);
  expect(safe()?.message).toBe("no rule of ClusterRole pod-debugger is known to outlive a grant");
  const { writes } = world;
  world.rules = [mints];
  await timers.advance(30_000);
  expect(world.writes).toBe(writes + 1);
  expect(ready()).toMatchObject({ status: "True", reason: "BindPermitted" }); // it keeps nobody from a grant
  expect(safe()).toMatchObject({
    status: "False",
    reason: "LastingAccess",
    message: "create serviceaccounts/token: a token outlives the grant",
    observedGeneration: 1,
  });
});

test("PE01: a Role is judged where the policy is for, and a long answer says how much it left out", async () => {
  const { world, timers, conditions, safe } = play(ofRole("teller"));
  world.places = ["tests"];
  world.rules = [mints];
  conditions.start();
  await timers.advance(0);
  expect(safe()).toMatchObject({ status: "Unknown", reason: "RoleNotFound" });
  world.places = ["tests", "shop"];
  world.rules = Array.from({ length: 100 }, (_, index) => ({ ...mints, resourceNames: [`robot-${String(index)}`] }));
  await timers.advance(5_000);
  const lines = safe()?.message.split("\n") ?? [];
  expect(safe()?.message.length).toBeLessThanOrEqual(4_096);
  expect(lines[0]).toBe("create serviceaccounts/token named robot-0: a token outlives the grant");
  expect(lines.at(-1)).toBe(`and ${String(100 - (lines.length - 1))} more`);
});

test("a failure is told to the log and tried again; after stop() nothing is asked", async () => {
  const { world, timers, conditions, ready, lines } = play();
  world.broken = true;
  conditions.start();
  await timers.advance(10_000);
  expect(lines).toHaveLength(3);
  world.broken = false;
  await timers.advance(5_000);
  expect(ready()).toBeDefined();
  await conditions.stop();
  const { looks } = world;
  await timers.advance(60_000);
  expect(world.looks).toBe(looks);
});

const grantOf = (roleRef: Granted["roleRef"], rulesHash: string, change: Partial<Granted> = {}): Granted => ({
  policyName: policy.metadata.name,
  namespace: "shop",
  roleRef,
  rulesHash,
  ...change,
});

const changedUnder = (grants: string): string =>
  `the controller may bind ClusterRole pod-debugger; its rules changed under ${grants}: what they say now is in force`;

test("EX32: a role whose rules changed under grants that stand: Ready says how many, until the last of them has ended", async () => {
  const { world, timers, conditions, ready } = play();
  const { roleRef } = policy.spec;
  world.bindable.add("");
  const [first, second] = [grantOf(roleRef, "r1"), grantOf(roleRef, "r1", { namespace: "tests" })];
  const other = grantOf(roleRef, "r0", { policyName: "another" });
  const former = grantOf({ ...roleRef, name: "role-of-before" }, "r0");
  world.granted = [first, second, other, former];
  conditions.start();
  await timers.advance(6_000);
  expect(ready()).toMatchObject({ status: "True", reason: "BindPermitted" });
  const since = ready()?.lastTransitionTime;
  world.rulesHash = "r2";
  await timers.advance(30_000);
  expect(ready()).toMatchObject({ status: "True", reason: "RoleChanged", message: changedUnder("2 active grants") });
  world.granted = [first, grantOf(roleRef, "r2")];
  await timers.advance(36_000);
  expect(ready()).toMatchObject({ status: "True", reason: "RoleChanged", message: changedUnder("1 active grant") });
  world.granted = [];
  await timers.advance(36_000);
  expect(ready()).toMatchObject({ status: "True", reason: "BindPermitted", lastTransitionTime: since });
});

test("EX32: a Role's rules are compared where the grant is, and grants are listed for what is Ready alone, once a round", async () => {
  const { world, timers, conditions, ready } = play(ofRole("teller"));
  const roleRef = { kind: "Role", name: "teller" } as const;
  world.places = ["shop"];
  world.granted = [grantOf(roleRef, "r0", { namespace: "tests" })]; // there is none there: it ends as RoleNotFound
  conditions.start();
  await timers.advance(30_000);
  expect([ready()?.reason, world.lists]).toEqual(["BindNotPermitted", 0]);
  world.bindable.add("shop");
  await timers.advance(5_000);
  expect([ready()?.reason, world.lists]).toEqual(["BindPermitted", 1]);
  world.granted = [grantOf(roleRef, "r0")];
  await timers.advance(5_000); // once more after its own write
  expect([ready()?.reason, world.lists]).toEqual(["RoleChanged", 2]);
});
