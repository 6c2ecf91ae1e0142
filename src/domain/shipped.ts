/** A policy, a binding of one, or a kind, as the install ships it. What stands beside `spec` decides nothing. */
export type Shipped = { readonly kind: string; readonly name: string; readonly spec: object };
export type Stored = { readonly spec?: object };

/** In words for people. A hole is something that may let through what is refused as shipped. */
export type Differences = { readonly holes: readonly string[]; readonly extras: readonly string[] };

/**
 * Compares what is stored with what was shipped: every field that was shipped is equal, and no list is longer or shorter.
 * A field that was not shipped is a hole where this version knows what it does, or where its name is anybody's choice; what
 * a newer server fills in by itself is told, and is none.
 */
export function compareShipped({ kind, name, spec }: Shipped, stored: Stored | undefined): Differences {
  const named = `${kind.toLowerCase()} ${name}`;
  if (stored === undefined) return { holes: [`${named} is not there`], extras: [] };
  const found = compare(spec, stored.spec, "spec", false);
  const told = (wanted: Found["what"]): readonly string[] =>
    found.filter(({ what }) => what === wanted).map(({ says }) => `${named}: ${says}`);
  return { holes: told("hole"), extras: told("extra") };
}

type Found = { readonly what: "hole" | "extra"; readonly says: string };

function compare(shipped: unknown, stored: unknown, path: string, isMap: boolean): readonly Found[] {
  if (Array.isArray(shipped) && Array.isArray(stored) && shipped.length === stored.length && !isPlain(shipped))
    return shipped.flatMap((one, index) => compare(one, stored[index], `${path}[${String(index)}]`, false));
  if (!isObject(shipped) || !isObject(stored)) return isSame(shipped, stored) ? [] : [differs(path, shipped, stored)];
  return [...new Set([...Object.keys(shipped), ...Object.keys(stored)])].flatMap((key) => {
    const inner = `${path}.${key}`;
    if (Object.hasOwn(shipped, key)) return compare(shipped[key], stored[key], inner, !isMap && maps.has(key));
    const what = isMap || known.has(key) ? ("hole" as const) : ("extra" as const);
    return [{ what, says: `${inner} is ${text(stored[key])}, and is not shipped` }];
  });
}

function differs(path: string, shipped: unknown, stored: unknown): Found {
  if (Array.isArray(shipped) && Array.isArray(stored) && !isPlain(shipped))
    return { what: "hole", says: `${path} has ${String(stored.length)} entries, shipped ${String(shipped.length)}` };
  return { what: "hole", says: `${path} is ${text(stored)}, shipped ${text(shipped)}` };
}

type Fields = { readonly [field: string]: unknown };
const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** A list of texts is told whole. */
const isPlain = (list: readonly unknown[]): boolean => list.every((one) => typeof one !== "object");
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b); // neither is an object
const text = (value: unknown): string => {
  const json = value === undefined ? "absent" : JSON.stringify(value);
  return json.length <= textMax ? json : `${json.slice(0, textMax)}...`;
};
const textMax = 80;

/** Their keys are anybody's choice, and no fields. */
const maps: ReadonlySet<string> = new Set(["properties", "matchLabels"]);

/** The fields of Kubernetes 1.37 that these kinds have and may have been set by somebody: none is filled in by itself. */
const known: ReadonlySet<string> = new Set([
  // policies and their bindings
  ..."policyName paramKind paramRef validationActions matchResources matchConstraints matchConditions matchPolicy".split(
    " ",
  ),
  ..."namespaceSelector objectSelector matchLabels matchExpressions resourceRules excludeResourceRules".split(" "),
  ..."apiGroups apiVersions operations resources resourceNames scope failurePolicy reinvocationPolicy".split(" "),
  ..."validations mutations variables auditAnnotations expression message messageExpression reason".split(" "),
  ..."patchType jsonPatch applyConfiguration name namespace selector parameterNotFoundAction kind apiVersion key".split(
    " ",
  ),
  ..."operator values valueExpression".split(" "),
  // kinds
  ..."group names plural singular shortNames listKind categories versions served storage deprecated".split(" "),
  ..."deprecationWarning schema openAPIV3Schema subresources status scale additionalPrinterColumns".split(" "),
  ..."selectableFields jsonPath priority conversion strategy webhook preserveUnknownFields".split(" "),
  ..."properties additionalProperties patternProperties required items type format description title default".split(
    " ",
  ),
  ..."example enum nullable pattern minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum".split(" "),
  ..."multipleOf minItems maxItems uniqueItems minProperties maxProperties allOf anyOf oneOf not".split(" "),
  ..."x-kubernetes-validations x-kubernetes-preserve-unknown-fields x-kubernetes-int-or-string".split(" "),
  ..."x-kubernetes-embedded-resource x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-map-type".split(
    " ",
  ),
  ..."rule fieldPath optionalOldSelf".split(" "),
]);
