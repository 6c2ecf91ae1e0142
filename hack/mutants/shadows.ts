import { dump, load, loadAll } from "js-yaml";
import { z } from "zod";
import { loosened } from "./loosened.ts";
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

const validation = z.object({
  expression: z.string(),
  message: z.string().optional(),
  messageExpression: z.string().optional(),
});
const policyObject = z.object({
  kind: z.literal("ValidatingAdmissionPolicy"),
  metadata: z.object({ name: z.string() }),
  spec: z.looseObject({
    matchConstraints: z.looseObject({
      resourceRules: z.array(z.looseObject({ operations: z.array(z.string()), resources: z.array(z.string()) })),
    }),
    matchConditions: z.array(z.object({ name: z.string(), expression: z.string() })).default([]),
    validations: z.array(validation),
  }),
});
type Policy = z.infer<typeof policyObject>;
const bindingObject = z.object({
  kind: z.literal("ValidatingAdmissionPolicyBinding"),
  spec: z.looseObject({ policyName: z.string() }),
});

/** Writes the shadows of all policies in this folder of the tree beside them, and tells which there are. */
export function writeShadows(tree: Tree, folder: string): readonly Shadow[] {
  const kustomization = `${folder}/kustomization.yaml`;
  const kustomized = z.looseObject({ resources: z.array(z.string()) }).parse(load(tree.read(kustomization)));
  const objects = kustomized.resources
    .filter((file) => file.endsWith(".yaml"))
    .flatMap((file) => loadAll(tree.read(`${folder}/${file}`)));
  const bindings = objects.flatMap((object) => bindingObject.safeParse(object).data ?? []);
  const made = objects
    .flatMap((object) => policyObject.safeParse(object).data ?? [])
    .flatMap((policy) => {
      const { name } = policy.metadata;
      const binding = bindings.find(({ spec }) => spec.policyName === name);
      if (binding === undefined) throw new Error(`${name} has no binding`);
      return shadowsOf(policy).map((shadow) => ({ ...shadow, binding }));
    });
  const texts = made.flatMap(({ object, binding }) => [dump(object), dump(boundTo(object, binding))]);
  tree.write(`${folder}/shadows.yaml`, texts.join("---\n"));
  tree.write(kustomization, dump({ ...kustomized, resources: ["shadows.yaml", ...kustomized.resources] }));
  return made.flatMap(({ shadows }) => shadows);
}

type Made = { readonly object: { readonly metadata: { readonly name: string } }; readonly shadows: readonly Shadow[] };

function shadowsOf(policy: Policy): readonly Made[] {
  const { metadata, spec } = policy;
  const short = metadata.name.replace("kube-elevate-", "");
  const whole = Object.fromEntries(
    spec.validations.map((_, index) => [index + 1, `shadow-${short}-${String(index + 1)}/whole`]),
  );
  const ofRules = spec.validations.flatMap(({ expression }, index): readonly Made[] => {
    const rule = index + 1;
    const name = `shadow-${short}-${String(rule)}`;
    const ways = loosened(expression, "unless it holds"); // the first is the whole of it
    const annotations = [{ key: "whole", expression }, ...ways.map((way, at) => ({ key: `out${String(at)}`, ...way }))];
    const shadows = ways.map(({ out }, at) => ({
      what: at === 0 ? `${short} without rule ${String(rule)}` : `${short} rule ${String(rule)} without ${out}`,
      policy: metadata.name,
      whole,
      without: { [rule]: `${name}/out${String(at)}` },
    }));
    return [{ object: asShadow(policy, name, annotations), shadows }];
  });
  const ofMatch = lessMatching(policy).map(({ out, policy: less }, at): Made => {
    const name = `shadow-${short}-match-${String(at)}`;
    const rules = spec.validations.map(({ expression }, index) => ({ key: `rule${String(index + 1)}`, expression }));
    const without = Object.fromEntries(rules.map(({ key }, index) => [index + 1, `${name}/${key}`]));
    const shadow = { what: `${short} not matching ${out}`, policy: metadata.name, whole, without };
    return { object: asShadow(less, name, rules), shadows: [shadow] };
  });
  return [...ofRules, ...ofMatch];
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

type Annotation = { readonly key: string; readonly expression: string };

/** Where an expression cannot be evaluated the shadow says nothing, as a guard that is out would refuse in other words. */
function asShadow({ spec }: Policy, name: string, annotations: readonly Annotation[]) {
  const { validations: _, ...rest } = spec;
  if (annotations.length > annotationsMax)
    throw new Error(`${name} has ${String(annotations.length)} ways: split its rule`);
  const auditAnnotations = annotations.map(({ key, expression }) => ({
    key,
    valueExpression: `(${expression}) ? '' : 'refused'`,
  }));
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name },
    spec: { ...rest, failurePolicy: "Ignore", auditAnnotations },
  };
}

const annotationsMax = 20;

const boundTo = ({ metadata }: Made["object"], { spec }: z.infer<typeof bindingObject>) => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata,
  spec: { ...spec, policyName: metadata.name, validationActions: ["Audit"] },
});
