// Rules across fields, in CEL, for the API server alone. has() and plain fields, not optionals: comparing self.?x with
// oldSelf.?x bursts the cost budget by more than a hundred times. A rule with oldSelf is skipped where the part that
// bears it was absent before, so the root of a kind holds those for the first write of its status.

export type Rule = { readonly rule: string; readonly message: string };

/** What .meta() takes. */
export const rules = (...list: readonly Rule[]) => ({ "x-kubernetes-validations": list });

export const rule = (message: string, cel: string): Rule => ({ rule: cel, message });

export const immutable = (...fields: readonly string[]): readonly Rule[] =>
  fields.map((field) => rule(`${field} is immutable`, same(field)));

/** Also holds against a change from absent to present. */
export const same = (field: string): string =>
  `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`;

export const setOnce = (...fields: readonly string[]): readonly Rule[] =>
  fields.map((field) =>
    rule(`${field} is set once`, `!has(oldSelf.${field}) || (has(self.${field}) && self.${field} == oldSelf.${field})`),
  );

export const kept = (...fields: readonly string[]): readonly Rule[] =>
  fields.map((field) => rule(`${field} cannot be removed`, `!has(oldSelf.${field}) || has(self.${field})`));

/**
 * Of a field that admission fills in: the API server holds that it is there, by a rule, and no client asks for it (kubectl
 * explain, linters, and kubectl's own check of a List would, were it `required`).
 */
export const filledIn = { "filled-in": true };
export const present = (field: string, message: string): Rule => rule(message, `has(self.${field})`);

export const oneOf = (words: readonly string[]): string => `[${words.map((word) => `'${word}'`).join(", ")}]`;
