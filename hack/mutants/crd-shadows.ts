import { readdirSync } from "node:fs";
import { dump, load } from "js-yaml";
import { z } from "zod";
import { loosened } from "./loosened.ts";
import type { Tree } from "./tree.ts";

// As shadows.ts, for the CEL rules of the CRDs: beside each rule stand the same with one guard taken out. They refuse less
// than it, so what is refused stays the same; and the answer names all rules that refused.

export type CrdShadow = {
  readonly what: string;
  /** What the message of the rule itself ends in, and that of the rule without the guard. */
  readonly whole: string;
  readonly without: string;
};

const rules = z.array(z.looseObject({ rule: z.string(), message: z.string() }));

export function writeCrdShadows(tree: Tree): readonly CrdShadow[] {
  const shadows: CrdShadow[] = [];
  const shadowed = (kind: string, node: unknown): unknown => {
    if (Array.isArray(node)) return node.map((part) => shadowed(kind, part));
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => [
        key,
        key === "x-kubernetes-validations" ? withShadows(kind, rules.parse(value)) : shadowed(kind, value),
      ]),
    );
  };
  const withShadows = (kind: string, list: z.infer<typeof rules>): object[] =>
    list.flatMap((rule) => {
      const id = String(shadows.length);
      const whole = `(rule ${id})`;
      const ways = loosened(rule.rule, "unless it holds").slice(1); // the whole of it is never in the way
      const added = ways.map(({ out, expression }, at) => {
        const without = `(shadow ${id}.${String(at)})`;
        shadows.push({ what: `${kind}: ${rule.message}, without ${out}`, whole, without });
        return { ...rule, rule: expression, message: without };
      });
      shadows.push({ what: `${kind}: without the rule "${rule.message}"`, whole, without: "(nothing says this)" });
      return [{ ...rule, message: `${rule.message} ${whole}` }, ...added];
    });
  for (const file of readdirSync(`${tree.dir}/crds`).filter((name) => /^[a-z]+s\.yaml$/.test(name)))
    tree.write(`crds/${file}`, dump(shadowed(file.replace(".yaml", ""), load(tree.read(`crds/${file}`)))));
  return shadows;
}
