import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Answer } from "../../../hack/controlplane/ask.ts";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { must } from "./lives.ts";

// What an admin who may write admission objects and CRDs can do to ours, one thing at a time, and how it is undone.

/** Without a `path` the object is deleted; else `to` says what stands there, undefined: nothing. */
export type Deed = { readonly on: string; readonly path?: Path; readonly to?: (old: unknown) => unknown };
export type Sabotage = Deed & { readonly what: string };
type Path = readonly (string | number)[];

const admission = "/apis/admissionregistration.k8s.io/v1";
export const policy = (name: string): string => `${admission}/validatingadmissionpolicies/kube-elevate-${name}`;
export const binding = (name: string): string => `${admission}/validatingadmissionpolicybindings/kube-elevate-${name}`;
export const crd = (plural: string): string =>
  `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.kube-elevate.dev`;
export const requests = crd("elevationrequests");
const stamp = `${admission}/mutatingadmissionpolicies/kube-elevate-stamp`;
const stampBinding = `${admission}/mutatingadmissionpolicybindings/kube-elevate-stamp`;
const bindings: readonly string[] = [
  "request-create",
  "request-change",
  "status",
  "bindings",
  "limits",
  "policy",
  "authenticator",
  "own-deletes",
  "trust",
].map(binding);

const actions: Path = ["spec", "validationActions"];
const constraints: Path = ["spec", "matchConstraints"];
const firstRule: Path = [...constraints, "resourceRules", 0];
const conditions: Path = ["spec", "matchConditions"];
const ofSpec: Path = ["spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec"];
const ofStatus: Path = [...ofSpec.slice(0, -1), "status"];
const rules = "x-kubernetes-validations";
const exceptAlice = { name: "but-alice", expression: "request.userInfo.username != 'alice'" };
const some = { matchExpressions: [{ key: "other", operator: "DoesNotExist" }] };
const everyStatus = {
  apiGroups: ["kube-elevate.dev"],
  apiVersions: ["*"],
  operations: ["*"],
  resources: ["*/status"],
  scope: "*",
};

/** Without them, specs change as anybody likes. */
export const rulesOf = (on: string): Deed => ({ on, path: [...ofSpec, rules], to: nothing });

export const ofPolicies: readonly Sabotage[] = [
  ...[...bindings, stampBinding].map((on) => ({ what: "the binding is deleted", on })),
  at("it audits, and refuses nothing", binding("request-create"), actions, just(["Audit"])),
  at("it warns, and refuses nothing", binding("status"), actions, just(["Warn"])),
  at(
    "it is for some namespaces",
    binding("request-change"),
    ["spec", "matchResources"],
    just({ namespaceSelector: some }),
  ),
  at("it binds another policy", binding("policy"), ["spec", "policyName"], just("kube-elevate-own-deletes")),
  at("no policy found: all pass", binding("limits"), ["spec", "paramRef", "parameterNotFoundAction"], just("Allow")),
  { what: "the policy is deleted", on: policy("request-create") },
  at("failures are ignored", policy("request-change"), ["spec", "failurePolicy"], just("Ignore")),
  at("a first condition excepts one user", policy("request-create"), conditions, just([exceptAlice])),
  at("one more condition excepts one user", policy("bindings"), conditions, more(exceptAlice)),
  at("a namespace is left out", policy("request-create"), [...constraints, "namespaceSelector"], just(some)),
  at("objects with a label are left out", policy("request-change"), [...constraints, "objectSelector"], just(some)),
  at("a resource is excluded", policy("status"), [...constraints, "excludeResourceRules"], just([everyStatus])),
  at("one operation less", policy("authenticator"), [...firstRule, "operations"], less),
  at("for objects of one name", policy("trust"), [...firstRule, "resourceNames"], just(["other"])),
  at("a validation is relaxed", policy("bindings"), ["spec", "validations", 0, "expression"], just("true")),
  at("a validation is removed", policy("request-create"), ["spec", "validations"], less),
  at("a variable lets all revoke", policy("request-change"), ["spec", "variables", 6, "expression"], just("true")),
  at("it fills in for nobody", stamp, [...conditions, 0, "expression"], just("false")),
];

export const ofCRDs: readonly Sabotage[] = [
  { what: "spec may change", ...rulesOf(requests) },
  at("one rule of the phases less", requests, [...ofStatus, rules], less),
  at(
    "a time has any form",
    requests,
    [...ofStatus, "properties", "grant", "properties", "expirationTime", "pattern"],
    nothing,
  ),
  at("one more phase", requests, [...ofStatus, "properties", "phase", "enum"], more("Other")),
  at("a field has a default", requests, [...ofSpec, "properties", "justification", "default"], just("INC-1 x")),
  at("unknown fields are kept", requests, [...ofStatus, "x-kubernetes-preserve-unknown-fields"], just(true)),
  at(
    "a rule is relaxed",
    crd("elevationpolicies"),
    [...ofSpec, "properties", "duration", rules, 0, "rule"],
    just("true"),
  ),
];

/** The kind, in small letters, and the name. */
export function nameOf(on: string): string {
  const [plural = "", name = ""] = on.split("/").slice(-2);
  return `${plural.replace(/ies$/, "y").replace(/s$/, "")} ${name}`;
}

/** How what whoever is denied is told begins: the object, and the field. */
export function wordsOf({ on, path }: Deed): string {
  const field = path?.map((key) => (typeof key === "string" ? `.${key}` : `[${String(key)}]`)).join("");
  return field === undefined ? `${nameOf(on)} is not there` : `${nameOf(on)}: ${field.slice(1)}`;
}

/** Does it, and returns what puts the object back as it was; its uid or its generation is another one then. */
export async function sabotage(plane: ControlPlane, { on, path, to }: Deed): Promise<() => Promise<unknown>> {
  const { spec, ...before } = await read(plane, on);
  if (path === undefined || to === undefined) {
    await must(plane, "admin", "DELETE", on);
    const { name, labels, annotations } = before.metadata;
    const anew = { ...before, metadata: { name, labels, annotations }, spec };
    return async () => must(plane, "admin", "POST", on.slice(0, on.lastIndexOf("/")), anew);
  }
  const changed = await change(plane, on, () => object.pick({ spec: true }).parse(changing(path, to)({ spec })));
  // what changes nothing could be seen by nobody
  if (isDeepStrictEqual(changed.spec, spec)) throw new Error(`${on} did not change`);
  return async () => change(plane, on, () => ({ spec }));
}

/** Done and undone at once, and then written by nobody since long ago, as its managedFields say. */
export async function blink(plane: ControlPlane, deed: Deed): Promise<void> {
  await (await sabotage(plane, deed))();
  const { metadata: written } = await change(plane, deed.on, ({ metadata: { managedFields, ...metadata } }) => ({
    metadata: {
      ...metadata,
      managedFields: managedFields.map((one) => ({ ...one, manager: "shipped", time: longAgo })),
    },
  }));
  if (written.managedFields.some(({ time }) => time !== longAgo)) throw new Error(`${deed.on} tells who wrote it`);
}
const longAgo = "2020-01-01T00:00:00Z";

async function read(plane: ControlPlane, on: string): Promise<Stored> {
  return object.parse(await must(plane, "admin", "GET", on));
}
/** Until no controller of Kubernetes writes its status in between. */
async function change(plane: ControlPlane, on: string, to: (now: Stored) => object): Promise<Stored> {
  const put = async (): Promise<Answer> => {
    const now = await read(plane, on);
    return plane.ask("admin", "PUT", on, { ...now, ...to(now) });
  };
  let answer = await put();
  while (answer.code === 409) answer = await put();
  if (answer.code !== 200) throw new Error(`PUT ${on}: ${JSON.stringify(answer.body)}`);
  return object.parse(answer.body);
}

type Stored = z.infer<typeof object>;
const object = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    managedFields: z.array(z.looseObject({ time: z.string().optional() })),
  }),
  spec: z.looseObject({}),
});

function at(what: string, on: string, path: Path, to: (old: unknown) => unknown): Sabotage {
  return { what, on, path, to };
}
function just(value: unknown): () => unknown {
  return () => value;
}
function nothing(): undefined {}
function more(one: unknown): (list: unknown) => unknown {
  return (list) => [...lists.parse(list), one];
}
/** The last of the list goes. */
function less(list: unknown): unknown {
  return lists.parse(list).slice(0, -1);
}
const lists = z.array(z.unknown());

function changing([key, ...rest]: Path, to: (old: unknown) => unknown): (old: unknown) => unknown {
  if (key === undefined) return to;
  const inside = changing(rest, to);
  return (old) => {
    if (Array.isArray(old)) return old.map((one: unknown, index) => (index === key ? inside(one) : one));
    const fields = z.record(z.string(), z.unknown()).parse(old);
    return { ...fields, [key]: inside(fields[key]) };
  };
}
