import type { Cluster } from "./cluster.ts";

type Rule = {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly operations?: readonly string[];
  readonly scope?: string;
};
type Conditions = readonly { readonly expression?: string }[];
type Webhook = {
  readonly name: string;
  readonly rules?: readonly Rule[];
  readonly failurePolicy?: string;
  readonly timeoutSeconds?: number;
  readonly matchConditions?: Conditions;
};
type Object = {
  readonly metadata: { readonly name: string };
  readonly webhooks?: readonly Webhook[];
  readonly spec?: {
    readonly policyName?: string;
    readonly validationActions?: readonly string[];
    readonly matchConstraints?: { readonly resourceRules?: readonly Rule[] };
    readonly matchConditions?: Conditions;
  };
};

/**
 * Who besides kube-elevate is asked before a RoleBinding goes, and can keep it: an ending waits for them. Whether they
 * would is not known here, nor whether a namespace or a label leaves bindings of ours out. Undefined: I may not look.
 */
export async function othersAsked(cluster: Cluster): Promise<readonly string[] | undefined> {
  const lists: (readonly Object[])[] = [];
  for (const resource of ["validatingwebhookconfigurations", "mutatingwebhookconfigurations", ...policyKinds]) {
    const list = await cluster.foreign("admissionregistration.k8s.io", resource);
    if (list === undefined) return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API server's own objects, all of whose fields may be missing
    lists.push(list as readonly Object[]);
  }
  const [validating = [], mutating = [], policies = [], bindings = []] = lists;
  const inForce = bindings.filter(({ spec }) => spec?.validationActions?.includes("Deny") === true);
  return [
    ...validating.flatMap((one) => webhooksOf("ValidatingWebhookConfiguration", one)),
    ...mutating.flatMap((one) => webhooksOf("MutatingWebhookConfiguration", one)),
    ...policies
      .filter(({ metadata }) => !metadata.name.startsWith("kube-elevate-"))
      .filter(({ metadata }) => inForce.some(({ spec }) => spec?.policyName === metadata.name))
      .filter(({ spec }) => asksOfUs(spec?.matchConstraints?.resourceRules, spec?.matchConditions))
      .map(({ metadata }) => `ValidatingAdmissionPolicy ${metadata.name}`),
  ];
}

const policyKinds = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];

const webhooksOf = (kind: string, { metadata, webhooks = [] }: Object): readonly string[] =>
  webhooks
    .filter(
      ({ failurePolicy, rules, matchConditions }) => failurePolicy !== "Ignore" && asksOfUs(rules, matchConditions),
    )
    .map(({ name, timeoutSeconds = 10 }) => `${kind} ${metadata.name}: ${name} (up to ${String(timeoutSeconds)}s)`);

/** Conditions are CEL: who names our prefix in one is believed to leave us out, as doctor says. */
const asksOfUs = (rules: readonly Rule[] = [], conditions: Conditions = []): boolean =>
  !conditions.some(({ expression = "" }) => expression.includes("elevate:")) &&
  rules.some(
    ({ apiGroups, operations, resources, scope }) =>
      scope !== "Cluster" &&
      names(apiGroups, "rbac.authorization.k8s.io") &&
      names(operations, "DELETE") &&
      (names(resources, "rolebindings") || names(resources, "*/*")),
  );

const names = (list: readonly string[] = [], one: string): boolean => list.includes(one) || list.includes("*");
