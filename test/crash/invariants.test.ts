import { expect, test } from "vitest";
import { violationsOf } from "../cluster/support/invariants.ts";
import {
  another,
  auditLog,
  bound,
  endOfHistory,
  goodLife,
  type Line,
  second,
  spending,
  type Told,
  withStatus,
} from "./history.ts";

const good = goodLife();
const check = (told: Told, downs: readonly { readonly from: number; readonly to: number }[] = []): readonly string[] =>
  violationsOf(auditLog(told), { now: endOfHistory, downs });
const changed = (name: string, change: Partial<Line>): Told => ({ ...good, [name]: { ...lineOf(name), ...change } });
const without = (...names: readonly string[]): Told =>
  Object.fromEntries(Object.entries(good).filter(([name]) => !names.includes(name)));
function lineOf(name: string): Line {
  const line = good[name];
  if (line === undefined) throw new Error(`no line ${name}`);
  return line;
}
const failures = (consecutive: number, total: number): Line =>
  spending(3.5, { lastTimeStep: 5, failures: { consecutive, total } });
const controller = lineOf("offer").user;

test("a good life violates nothing, nor does a line that is not yet written to its end", () => {
  expect(check(good)).toEqual([]);
  expect(violationsOf(`${auditLog(good)}{"stage":"Resp`, { now: endOfHistory })).toEqual([]);
});

test("I1: a promise may be one whose writer was killed before its answer; what else was not answered is none", () => {
  expect(check(changed("promise", { code: 504 }))).toEqual([]);
  const others: readonly Partial<Line>[] = [
    { code: 504, object: lineOf("offer").object ?? {} },
    { code: 504, at: 4.5 },
    { code: 409 },
  ];
  for (const change of others) expect(check(changed("promise", change)).join()).toContain("I1: ");
});

test.each<readonly [string, string, Told]>([
  ["I1", "a binding before the promise", changed("bind", { at: 2.9 })],
  ["I1", "a binding that nobody asked for", { bind: bound(4, {}), unbind: lineOf("unbind") }],
  ["I1", "a binding by a seal that no published key made", without("trust")],
  [
    "I1",
    "a binding by a seal over something else",
    changed("promise", {
      object: { ...lineOf("promise").object, spec: { policyName: "other", requester: { username: "alice" } } },
    }),
  ],
  [
    "I2",
    "a binding that went 5 s too late",
    { ...good, unbind: { ...lineOf("unbind"), at: 17.2 }, close: { ...lineOf("close"), at: 18 } },
  ],
  ["I2", "a binding that never went", without("unbind", "close", "late")],
  ["I2", "a record that was closed before the binding went", changed("unbind", { at: 13.5 })],
  ["I3", "somebody else's binding", { ...good, bind: bound(4, { user: "bob" }) }],
  ["I3", "a binding to another role", { ...good, bind: bound(4, { role: "admin" }) }],
  ["I3", "a binding for two", { ...good, bind: bound(4, { subjects: [subject("alice"), subject("bob")] }) }],
  ["I4", "one time step for two requests", { ...good, other: another(20, 5) }],
  [
    "I4",
    "a second proof",
    { ...good, again: withStatus(lineOf("prove"), { verification: { seal: "x", timeStep: 6 } }, { at: 2.7 }) },
  ],
  [
    "I4",
    "a counter that goes back",
    { ...good, back: spending(3.5, { lastTimeStep: 4, failures: { consecutive: 0, total: 3 } }) },
  ],
  ["I5", "ten wrong codes without a lock", { ...good, wrong: failures(10, 13) }],
  ["I5", "more than a hundred wrong codes", { ...good, wrong: failures(1, 101) }],
  ["I6", "an end without a time", { ...good, close: withStatus(lineOf("close"), { endTime: undefined }) }],
  ["I6", "an end without a reason", { ...good, close: withStatus(lineOf("close"), { reason: undefined }) }],
  [
    "I6",
    "a time of an end that has not come",
    { ...good, activate: withStatus(lineOf("activate"), { endTime: second(5) }) },
  ],
  [
    "I6",
    "another phase after the end",
    { ...good, again: withStatus(lineOf("close"), { phase: "Revoked" }, { at: 20 }) },
  ],
  [
    "I6",
    "another spec after the end",
    { ...good, again: { ...lineOf("close"), at: 20, user: "alice", object: { ...lineOf("close").object, spec: {} } } },
  ],
  [
    "I6",
    "another expirationTime",
    {
      ...good,
      again: withStatus(
        lineOf("promise"),
        { grant: { bindingName: "elevate:fix:12345678", expirationTime: second(900) } },
        { at: 3.2 },
      ),
    },
  ],
  ["I8", "the verifier binds", changed("bind", { user: lineOf("prove").user })],
  ["I8", "the controller proves", changed("prove", { user: controller })],
  ["I8", "the verifier closes", changed("close", { user: lineOf("prove").user })],
  [
    "I8",
    "the controller tries to delete a namespace",
    { ...good, more: { ...lineOf("unbind"), at: 20, resource: "namespaces", code: 403 } },
  ],
  [
    "I8",
    "the controller deletes a binding of somebody else's",
    { ...good, more: { ...lineOf("unbind"), at: 20, about: { namespace: "shop", name: "view", uid: "v" } } },
  ],
  ["I9", "a record that is written again after its end", { ...good, again: { ...lineOf("close"), at: 20 } }],
  ["I9", "an Active record that has no binding", without("close")],
  ["I9", "a binding whose record has ended", without("unbind")],
  ["I10", "a call that gets through after the end", changed("late", { code: 404 })],
  ["I10", "a call that gets through before the binding", changed("early", { code: 200 })],
])("%s finds %s", (invariant, _what, told) => {
  const found = check(told);
  expect(found.map((says) => says.split(":")[0])).toContain(invariant);
});

test("who was dead has 5 s from when it lives again, in its namespace", () => {
  const late = {
    ...good,
    unbind: { ...lineOf("unbind"), at: 21 },
    close: { ...lineOf("close"), at: 22 },
    late: { ...lineOf("late"), at: 23 },
  };
  const down = { from: Date.parse(second(11)), to: Date.parse(second(18)) };
  expect(check(late)).not.toEqual([]);
  expect(check(late, [down])).toEqual([]);
  expect(check(late, [{ ...down, to: Date.parse(second(15)) }])).not.toEqual([]);
  expect(violationsOf(auditLog(late), { now: endOfHistory, downs: [{ namespace: "else", ...down }] })).not.toEqual([]);
});

test("what a test breaks on purpose is left out by name, and nothing else", () => {
  const told = { ...good, wrong: failures(1, 101), late: { ...lineOf("late"), code: 404 } };
  const found = violationsOf(auditLog(told), { now: endOfHistory, except: ["I5"] });
  expect(found).toEqual([expect.stringMatching(/^I10: alice got through/)]);
});

function subject(name: string): object {
  return { kind: "User", apiGroup: "rbac.authorization.k8s.io", name };
}
