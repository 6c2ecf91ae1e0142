import { expect, test } from "vitest";
import { compareShipped, type Shipped } from "./shipped.ts";

const policy = {
  kind: "ValidatingAdmissionPolicy",
  name: "kube-elevate-bindings",
  spec: {
    failurePolicy: "Fail",
    matchConstraints: { namespaceSelector: {}, resourceRules: [{ operations: ["CREATE", "DELETE"], scope: "*" }] },
    validations: [{ expression: "a" }, { expression: "b" }],
  },
} satisfies Shipped;
const binding: Shipped = {
  kind: "ValidatingAdmissionPolicyBinding",
  name: "kube-elevate-bindings",
  spec: { policyName: "kube-elevate-bindings", validationActions: ["Deny"] },
};
const kind = {
  kind: "CustomResourceDefinition",
  name: "elevationrequests.kube-elevate.dev",
  spec: {
    versions: [{ schema: { properties: { status: { type: "object", "x-kubernetes-validations": [{ rule: "r" }] } } } }],
  },
} satisfies Shipped;
const schema = (properties: object) => ({ versions: [{ schema: { properties } }] });
const nothing = { holes: [], extras: [] };
const compared = (shipped: Shipped, spec: object) => compareShipped(shipped, { spec });
const holes = (shipped: Shipped, spec: object) => compared(shipped, spec).holes.join("; ");

test("IA12: what is stored as it was shipped has no hole, whatever the order of its fields", () => {
  for (const shipped of [policy, binding, kind])
    expect(compared(shipped, structuredClone(shipped.spec))).toEqual(nothing);
  const { failurePolicy, ...rest } = policy.spec;
  expect(compared(policy, { ...rest, failurePolicy })).toEqual(nothing);
});

test("IA12: each weakening is told in words that name the object, the field, what it is and what was shipped", () => {
  expect(compareShipped(binding, undefined)).toEqual({
    holes: ["validatingadmissionpolicybinding kube-elevate-bindings is not there"],
    extras: [],
  });
  expect(compared(binding, { ...binding.spec, validationActions: ["Audit"] }).holes).toEqual([
    'validatingadmissionpolicybinding kube-elevate-bindings: spec.validationActions is ["Audit"], shipped ["Deny"]',
  ]);
  expect(holes(binding, { ...binding.spec, validationActions: ["Deny", "Audit"] })).toContain('is ["Deny","Audit"]');
  expect(holes(binding, { ...binding.spec, matchResources: { namespaceSelector: {} } })).toContain(
    "spec.matchResources is",
  );
  expect(holes(policy, { ...policy.spec, failurePolicy: "Ignore" })).toContain(
    'spec.failurePolicy is "Ignore", shipped "Fail"',
  );
  expect(holes(policy, { ...policy.spec, matchConditions: [{ name: "but", expression: "c" }] })).toContain(
    'spec.matchConditions is [{"name":"but","expression":"c"}], and is not shipped',
  );
  expect(holes(policy, { ...policy.spec, validations: [{ expression: "a" }] })).toContain(
    "spec.validations has 1 entries, shipped 2",
  );
  expect(holes(policy, { ...policy.spec, validations: [{ expression: "a" }, { expression: "true" }] })).toContain(
    'spec.validations[1].expression is "true", shipped "b"',
  );
  expect(holes(policy, { ...policy.spec, validations: policy.spec.validations.toReversed() })).toContain(
    "[0].expression",
  );
  expect(compareShipped(policy, {}).holes).toHaveLength(1);
});

test("IA12: a selector that was shipped empty selects all, and one with anything in it does not", () => {
  const selecting = (namespaceSelector: object) => ({
    ...policy.spec,
    matchConstraints: { ...policy.spec.matchConstraints, namespaceSelector },
  });
  expect(holes(policy, selecting({ matchLabels: { env: "prod" } }))).toContain("namespaceSelector.matchLabels");
  expect(holes(policy, selecting({ matchExpressions: [] }))).toContain("namespaceSelector.matchExpressions");
  const [rule] = policy.spec.matchConstraints.resourceRules;
  const named = { ...policy.spec.matchConstraints, resourceRules: [{ ...rule, resourceNames: ["x"] }] };
  expect(holes(policy, { ...policy.spec, matchConstraints: named })).toContain("resourceRules[0].resourceNames");
});

test("IA29: a rule that is taken out of a kind, or a field that is put in, is a hole at its place", () => {
  const { status } = kind.spec.versions[0]?.schema.properties ?? expect.fail("no schema");
  expect(holes(kind, schema({ status: { type: "object" } }))).toContain(
    'spec.versions[0].schema.properties.status.x-kubernetes-validations is absent, shipped [{"rule":"r"}]',
  );
  expect(holes(kind, schema({ status, anything: { type: "string" } }))).toContain("properties.anything is");
  expect(holes(kind, schema({ status: { ...status, "x-kubernetes-preserve-unknown-fields": true } }))).toContain(
    "preserve-unknown-fields is true, and is not shipped",
  );
});

test("IA34: a field that this version does not know is told and is no hole, at any depth", () => {
  const filled = {
    ...policy.spec,
    evaluationMode: "Strict",
    validations: policy.spec.validations.map((one) => ({ ...one, severity: 1 })),
  };
  expect(compared(policy, filled)).toEqual({
    holes: [],
    extras: [
      "validatingadmissionpolicy kube-elevate-bindings: spec.validations[0].severity is 1, and is not shipped",
      "validatingadmissionpolicy kube-elevate-bindings: spec.validations[1].severity is 1, and is not shipped",
      'validatingadmissionpolicy kube-elevate-bindings: spec.evaluationMode is "Strict", and is not shipped',
    ],
  });
});

test("what is long is cut, so that it can be told", () => {
  const long = { ...policy.spec, failurePolicy: "x".repeat(500) };
  expect(holes(policy, long).length).toBeLessThan(250);
});
