import { z } from "zod";

export type Structural = { readonly [keyword: string]: unknown };

/**
 * What Kubernetes will enforce of a zod schema. Throws at what zod can say and a structural schema cannot (such a check
 * would vanish without a word), and at a field that says nothing of itself: `kubectl explain` is the manual.
 */
export function structuralSchema(schema: z.ZodType): Structural {
  const json: unknown = z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    reused: "inline",
    cycles: "throw",
    unrepresentable: "throw",
    override({ zodSchema, path }) {
      const { def } = zodSchema._zod;
      const checks = def.checks?.map((check) => check._zod.def.check) ?? [];
      const catchall = def.type === "object" && "catchall" in def && def.catchall !== undefined;
      if (inexpressible.has(def.type) || checks.includes("custom") || catchall)
        throw new Error(`${path.join(".")}: ${catchall ? "strictObject" : def.type} has no structural form`);
    },
  });
  return converted(json, "");
}

/** What is not built from these vanishes, or is refused by the API server. Discriminated unions are unions here. */
const inexpressible = new Set([
  ..."pipe transform custom union intersection lazy readonly default prefault catch nonoptional codec".split(" "),
  ..."any unknown never null undefined void date bigint symbol map set file promise function tuple".split(" "),
]);
const keywords = new Set([
  ..."type format description properties required items enum additionalProperties maxProperties".split(" "),
  ..."minLength maxLength pattern minimum maximum minItems maxItems".split(" "),
  ..."x-kubernetes-validations x-kubernetes-list-type x-kubernetes-list-map-keys".split(" "),
]);

function converted(json: unknown, path: string): Structural {
  if (!isObject(json)) throw new Error(`${path}: not a schema`);
  const unknown = Object.keys(json).filter((keyword) => !keywords.has(keyword) && keyword !== filledIn);
  if (unknown.length > 0) throw new Error(`${path}: ${unknown.join(", ")} has no structural form`);
  const parts: { [keyword: string]: unknown } = { ...json };
  if (json["type"] === "integer") {
    parts["format"] = "int64";
    if (json["maximum"] === Number.MAX_SAFE_INTEGER) delete parts["maximum"];
  }
  if (isObject(json["properties"])) {
    parts["properties"] = described(json["properties"], path);
    parts["required"] = asked(json["required"], json["properties"]);
  }
  if (json["items"] !== undefined) parts["items"] = converted(json["items"], `${path}[]`);
  if (json["additionalProperties"] !== undefined)
    parts["additionalProperties"] = converted(json["additionalProperties"], `${path}{}`);
  return Object.fromEntries(
    [...keywords].filter((keyword) => parts[keyword] !== undefined).map((keyword) => [keyword, parts[keyword]]),
  );
}

/** A mark of src/api, which no schema knows: such a field is held by a rule instead of `required`. */
const filledIn = "filled-in";

function asked(required: unknown, properties: Structural): unknown {
  if (!Array.isArray(required)) return undefined;
  return required.filter((field: unknown) => {
    const property = properties[String(field)];
    return !(isObject(property) && filledIn in property);
  });
}

function described(properties: Structural, path: string): Structural {
  return Object.fromEntries(
    Object.entries(properties).map(([field, json]) => {
      const schema = converted(json, `${path}.${field}`);
      if (typeof schema["description"] !== "string") throw new Error(`${path}.${field}: no description`);
      return [field, schema];
    }),
  );
}

const isObject = (value: unknown): value is Structural =>
  typeof value === "object" && value !== null && !Array.isArray(value);
