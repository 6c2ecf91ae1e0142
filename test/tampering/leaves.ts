import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { z } from "zod";

// What can be written at all: every field of our kinds that holds a value, as the CRDs have them.

type Schema = {
  readonly properties?: { readonly [name: string]: Schema } | undefined;
  readonly items?: Schema | undefined;
};
const schema: z.ZodType<Schema> = z.lazy(() =>
  z.object({ properties: z.record(z.string(), schema).optional(), items: schema.optional() }),
);
const definition = z.object({
  spec: z.object({ versions: z.array(z.object({ schema: z.object({ openAPIV3Schema: schema }) })) }),
});

/** As status.offer.methods[].duration, below one of the two halves of the kind. */
export function leavesOf(plural: string, half: "spec" | "status"): readonly string[] {
  const { spec } = definition.parse(load(readFileSync(`crds/${plural}.yaml`, "utf8")));
  const [version] = spec.versions;
  const below = version?.schema.openAPIV3Schema.properties?.[half];
  if (below === undefined || spec.versions.length !== 1) throw new Error(`${plural} has no ${half}, or several`);
  return leavesBelow(half, below);
}

function leavesBelow(path: string, { properties, items }: Schema): readonly string[] {
  if (items !== undefined) return leavesBelow(`${path}[]`, items);
  if (properties === undefined) return [path];
  return Object.entries(properties).flatMap(([name, inner]) => leavesBelow(`${path}.${name}`, inner));
}

/** The same object with another value there (undefined: with none), and in each item of a list. */
export function tampered<T>(object: T, path: string | readonly string[], value: unknown): T {
  const names = typeof path === "string" ? path.split(/[.]|(?=\[\])/) : path;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is written need not be of its kind: that is the test
  return written(object, names, value) as T;
}

/** Where the values of an object are: as of a CRD, for what is no kind of ours. */
export function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, [...path, "[]"]));
  if (typeof value !== "object" || value === null) return value === undefined ? [] : [path];
  return Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, [...path, name]));
}

function written(object: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  if (name === "[]") {
    const items: readonly unknown[] = Array.isArray(object) && object.length > 0 ? object : [undefined];
    return items.map((item) => written(item, rest, value));
  }
  const fields = new Map(Object.entries(typeof object === "object" && object !== null ? object : {}));
  const next = written(fields.get(name), rest, value);
  if (next === undefined) fields.delete(name);
  else fields.set(name, next);
  return Object.fromEntries(fields);
}
