import { dump, load, loadAll } from "js-yaml";
import { z } from "zod";
import { type Loosened, loosened } from "./loosened.ts";
import type { Tree } from "./tree.ts";

// A shadow is a policy beside one of ours that refuses nothing: with one guard taken out it would say "this is refused" or
// not, and the audit log has what it says, as an annotation of the event. So one control plane, and one run of the tests,
// asks of every guard whether a refusal hangs on it.

/** One guard of a policy, and the annotation that is missing from an event that only this guard refuses. */
export type Shadow = {
  readonly what: string;
  readonly policy: string;
  /** Of the policy as it is: it tells that the shadows were there, and saw the same. By the rule's place, from 1. */
  readonly whole: { readonly [rule: number]: string };
  readonly without: { readonly [rule: number]: string };
};

const policyObject = z.object({
  kind: z.literal("ValidatingAdmissionPolicy"),
  metadata: z.object({ name: z.string() }), // without our label: nobody takes a shadow for a policy of ours
  spec: z.looseObject({
    matchConstraints: z.looseObject({
      resourceRules: z.array(z.looseObject({ operations: z.array(z.string()), resources: z.array(z.string()) })),
    }),
    matchConditions: z.array(z.object({ name: z.string(), expression: z.string() })).default([]),
    variables: z.array(z.object({ name: z.string(), expression: z.string() })).default([]),
    validations: z.array(z.object({ expression: z.string() })),
  }),
});
type Policy = z.infer<typeof policyObject>;
const bindingObject = z.object({
  kind: z.literal("ValidatingAdmissionPolicyBinding"),
  spec: z.looseObject({ policyName: z.string() }),
});

/** Writes the shadows of all policies in this folder of the tree into another one, and tells which there are. */
export function writeShadows(tree: Tree, folder: string, target: string): readonly Shadow[] {
  const { resources } = z
    .looseObject({ resources: z.array(z.string()) })
    .parse(load(tree.read(`${folder}/kustomization.yaml`)));
  const objects = resources.flatMap((file) => loadAll(tree.read(`${folder}/${file}`)));
  const bindings = objects.flatMap((object) => bindingObject.safeParse(object).data ?? []);
  const made = objects
    .flatMap((object) => policyObject.safeParse(object).data ?? [])
    .flatMap((policy) => {
      const { name } = policy.metadata;
      const binding = bindings.find(({ spec }) => spec.policyName === name);
      if (binding === undefined) throw new Error(`${name} has no binding`);
      return shadowsOf(policy).map((shadow) => ({ ...shadow, binding }));
    });
  const texts = made.flatMap(({ objects: all, binding }) =>
    all.flatMap((object) => [dump(object), dump(boundTo(object, binding))]),
  );
  tree.write(`${target}/shadows.yaml`, texts.join("---\n"));
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: ["shadows.yaml"],
  };
  tree.write(`${target}/kustomization.yaml`, dump(kustomization));
  return made.flatMap(({ shadows }) => shadows);
}

type Made = { readonly objects: readonly ShadowObject[]; readonly shadows: readonly Shadow[] };

function shadowsOf(policy: Policy): readonly Made[] {
  const { metadata, spec } = policy;
  const short = metadata.name.replace("kube-elevate-", "");
  const rules = spec.validations.map(({ expression }) => ({ out: "", expression }));
  const asItIs = saying(policy, `shadow-${short}`, rules);
  const whole = Object.fromEntries(asItIs.keys.map((key, index) => [index + 1, key]));
  const ofRules = spec.validations.map(({ expression }, index): Made => {
    const rule = index + 1;
    const ways = loosened(expression, "unless it holds"); // the first is the whole of it
    const { objects, keys } = saying(policy, `shadow-${short}-${String(rule)}`, ways);
    const shadows = ways.map(({ out }, at) => ({
      what: at === 0 ? `${short} without rule ${String(rule)}` : `${short} rule ${String(rule)} without ${out}`,
      policy: metadata.name,
      whole,
      without: { [rule]: keys[at] ?? "" },
    }));
    return { objects, shadows };
  });
  const ofMatch = lessMatching(policy).map(({ out, policy: less }, at): Made => {
    const { objects, keys } = saying(less, `shadow-${short}-match-${String(at)}`, rules);
    const without = Object.fromEntries(keys.map((key, index) => [index + 1, key]));
    return { objects, shadows: [{ what: `${short} not matching ${out}`, policy: metadata.name, whole, without }] };
  });
  return [{ objects: asItIs.objects, shadows: [] }, ...ofRules, ...ofMatch];
}

/** The same policy for one operation, one resource or one way to match less. */
function lessMatching(policy: Policy): readonly { readonly out: string; readonly policy: Policy }[] {
  const { spec } = policy;
  const { matchConstraints, matchConditions } = spec;
  const [rule] = matchConstraints.resourceRules;
  if (rule === undefined || matchConstraints.resourceRules.length > 1) throw new Error("one resourceRule is expected");
  const matching = (change: object): Policy => ({
    ...policy,
    spec: { ...spec, matchConstraints: { ...matchConstraints, resourceRules: [{ ...rule, ...change }] } },
  });
  const fewer = (field: "operations" | "resources") =>
    rule[field].length === 1
      ? []
      : rule[field].map((out) => ({
          out,
          policy: matching({ [field]: rule[field].filter((other) => other !== out) }),
        }));
  const ways = matchConditions.flatMap((condition, at) =>
    loosened(condition.expression, "when it holds").map(({ out, expression }) => ({
      out,
      policy: { ...policy, spec: { ...spec, matchConditions: matchConditions.with(at, { ...condition, expression }) } },
    })),
  );
  return [...fewer("operations"), ...fewer("resources"), ...ways];
}

type ShadowObject = { readonly metadata: { readonly name: string } };
type Said = { readonly objects: readonly ShadowObject[]; readonly keys: readonly string[] };

/**
 * Policies that annotate what these expressions would refuse, and the keys of their annotations, one for each. Where an
 * expression cannot be evaluated nothing is said, as a guard that is out would refuse in other words.
 */
function saying(policy: Policy, name: string, expressions: readonly Loosened[]): Said {
  const annotations: object[] = [];
  const apart: ShadowObject[] = [];
  const keys = expressions.map(({ expression }, at) => {
    const key = `says${String(at)}`;
    const inlined = withoutVariables(policy, expression);
    if (!inlined.includes("authorizer")) {
      annotations.push({ key, valueExpression: `(${expression}) ? '' : 'refused'` });
      return `${name}/${key}`;
    }
    const refused = { name: "refused", expression: `!(${inlined})` };
    apart.push(asShadow(policy, `${name}-${key}`, [{ key: "says", valueExpression: "'refused'" }], [refused]));
    return `${name}-${key}/says`;
  });
  return { objects: [...(annotations.length > 0 ? [asShadow(policy, name, annotations)] : []), ...apart], keys };
}

/** An annotation knows no authorizer, and a match condition, which does, no variables. */
function withoutVariables(policy: Policy, expression: string): string {
  return expression.replaceAll(/\bvariables\.(\w+)/g, (_, name: string) => {
    const variable = policy.spec.variables.find((each) => each.name === name);
    if (variable === undefined) throw new Error(`${policy.metadata.name} has no variable ${name}`);
    return `(${withoutVariables(policy, variable.expression)})`;
  });
}

function asShadow(
  { spec }: Policy,
  name: string,
  auditAnnotations: readonly object[],
  conditions: Policy["spec"]["matchConditions"] = [],
): ShadowObject {
  if (auditAnnotations.length > annotationsMax) throw new Error(`${name} says too much: split the rule`);
  const { validations: _, ...rest } = spec;
  const matchConditions = [...spec.matchConditions, ...conditions];
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name },
    spec: { ...rest, matchConditions, failurePolicy: "Ignore", auditAnnotations },
  } as ShadowObject;
}

const annotationsMax = 20;

const boundTo = ({ metadata }: ShadowObject, { spec }: z.infer<typeof bindingObject>): object => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata,
  spec: { ...spec, policyName: metadata.name, validationActions: ["Audit"] },
});
