import { assert, infiniteStream, nat, property, shuffledSubarray, tuple } from "fast-check";
import { expect, test } from "vitest";
import { type Role, rulesHash } from "./rules-hash.ts";

const pods = { apiGroups: [""], resources: ["pods", "pods/log"], verbs: ["get", "list", "watch"] };
const exec = { apiGroups: [""], resources: ["pods/exec"], resourceNames: ["a", "b"], verbs: ["create"] };
const role = (rules: Role["rules"], uid = "u1"): Role => ({
  metadata: { uid },
  ...(rules === undefined ? {} : { rules }),
});
const hash = (...rules: NonNullable<Role["rules"]>): string => rulesHash(role(rules));

test("IA15: the same rules in another order are the same", () => {
  const shuffled = tuple(shuffledSubarray([pods, exec], { minLength: 2 }), infiniteStream(nat()));
  assert(
    property(shuffled, ([rules, numbers]) => {
      const turned = rules.map((rule): { [field: string]: unknown } => {
        const lists = Object.entries(rule).map(([field, list]): [string, unknown] => [
          field,
          list.toSorted(() => ((numbers.next().value ?? 0) % 2 === 0 ? 1 : -1)),
        ]);
        return Object.fromEntries<unknown>(lists.toReversed());
      });
      expect(hash(...turned)).toBe(hash(pods, exec));
    }),
  );
  expect(hash(pods, pods)).toBe(hash(pods));
  expect(hash({ ...pods, verbs: [...pods.verbs, "get"], resourceNames: [] })).toBe(hash(pods));
  expect(rulesHash(role(null))).toBe(rulesHash(role(undefined)));
});

test.each([
  ["one rule more", hash(pods, exec)],
  ["a verb more", hash({ ...pods, verbs: [...pods.verbs, "delete"] })],
  ["a verb less", hash({ ...pods, verbs: ["get", "list"] })],
  ["another list with the same words", hash({ ...pods, resources: pods.verbs, verbs: pods.resources })],
  ["names of objects", hash({ ...pods, resourceNames: ["a"] })],
  ["a field that is not known yet", hash({ ...pods, someday: true })],
  ["two words for one", hash({ ...pods, resources: ["pods,pods/log"] })],
  ["two rules of one", hash({ ...pods, verbs: ["get"] }, { ...pods, verbs: ["list", "watch"] })],
  ["no rule", hash()],
  ["a role made again", rulesHash(role([pods], "u2"))],
])("IA15: %s makes it another", (_what, other) => {
  expect(other).not.toBe(hash(pods));
});
