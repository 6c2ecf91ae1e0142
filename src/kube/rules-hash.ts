import { createHash } from "node:crypto";

export type Role = {
  readonly metadata: { readonly uid: string };
  readonly rules?: readonly { readonly [field: string]: unknown }[] | null;
};

/**
 * SHA-256 over the role's UID and rules, in hex. Rules are a set, and so is each list in them: the same in another
 * order is the same. The UID is in it, so a role that was deleted and made again is another.
 */
export function rulesHash({ metadata, rules }: Role): string {
  const canonical = [...new Set((rules ?? []).map(canonicalRule))].toSorted();
  return createHash("sha256")
    .update(JSON.stringify([metadata.uid, canonical]))
    .digest("hex");
}

/** All fields of it, also those that this version does not know: what it cannot read it must not overlook. */
function canonicalRule(rule: { readonly [field: string]: unknown }): string {
  const fields = Object.entries(rule).map(([field, value]): readonly [string, unknown] => [
    field,
    Array.isArray(value) ? [...new Set(value.map((entry) => JSON.stringify(entry)))].toSorted() : value,
  ]);
  const filled = fields.filter(([, value]) => !Array.isArray(value) || value.length > 0);
  return JSON.stringify(filled.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
