import { globSync, readFileSync } from "node:fs";
import { loadAll } from "js-yaml";
import { expect } from "vitest";
import { z } from "zod";
import type { Reply } from "./installed.ts";

/** What was answered, by what was tried. */
export type Tries = { readonly [what: string]: Reply | Promise<Reply> };

export type Judge = {
  /** Each is refused by this rule of this policy (the first is 1), in words that begin with the reason and a colon. */
  expectRefused(policy: string, rule: number, reason: string, tries: Tries): Promise<void>;
  /** Every rule of these policies has refused something: one that no case reaches is not tested. */
  expectAllReached(...policies: readonly string[]): void;
};

/** Knows which rule of config/admission a message is from. */
export function newJudge(): Judge {
  const rules = rulesOfAdmission();
  const reached = new Set<string>();
  const deciphered = (message: string): string => {
    const [, policy = "", text = ""] = denial.exec(message) ?? [];
    const rule = 1 + (rules.get(policy)?.findIndex((pattern) => pattern.test(text)) ?? -1);
    if (policy === "") return message;
    reached.add(`${policy} ${String(rule)}`);
    return `${policy} ${String(rule)} ${text.split(":")[0] ?? ""}`;
  };
  return {
    async expectRefused(policy, rule, reason, tries) {
      const answers = await answersTo(tries);
      const expected = answers.map(([what]) => [what, `kube-elevate-${policy} ${String(rule)} ${reason}`]);
      expect(answers.map(([what, { message }]) => [what, deciphered(message)])).toEqual(expected);
      expect(answers.filter(([, { code }]) => ![0, 403, 422].includes(code))).toEqual([]);
    },
    expectAllReached(...policies) {
      const all = policies.flatMap((name) =>
        (rules.get(`kube-elevate-${name}`) ?? []).map((_, index) => `kube-elevate-${name} ${String(index + 1)}`),
      );
      expect(all.length).toBeGreaterThan(0);
      expect(all.filter((rule) => !reached.has(rule))).toEqual([]);
    },
  };
}

/** Refused by the API server itself (RBAC, schema, CEL of the CRD), with this in its words. */
export async function expectRefusedBy(code: number, words: string, tries: Tries): Promise<void> {
  const answers = await answersTo(tries);
  const told = answers.map(([what, { code: was, message }]) => [what, was, message.includes(words) ? words : message]);
  expect(told).toEqual(answers.map(([what]) => [what, code, words]));
  expect(answers.filter(([, { message }]) => denial.test(message))).toEqual([]);
}

export async function expectAccepted(tries: Tries): Promise<void> {
  const answers = await answersTo(tries);
  const told = answers.map(([what, { code, message }]) => [what, code >= 200 && code < 300 ? "accepted" : message]);
  expect(told).toEqual(answers.map(([what]) => [what, "accepted"]));
}

const denial = /ValidatingAdmissionPolicy '(\S+)' with binding '\S+' denied request: ([^]*)/;

async function answersTo(tries: Tries): Promise<readonly (readonly [string, Reply])[]> {
  return Promise.all(Object.entries(tries).map(async ([what, reply]) => [what, await reply] as const));
}

const policy = z.object({
  kind: z.literal("ValidatingAdmissionPolicy"),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    validations: z.array(z.object({ message: z.string().optional(), messageExpression: z.string().optional() })),
  }),
});

function rulesOfAdmission(): ReadonlyMap<string, readonly RegExp[]> {
  const objects = globSync("config/admission/**/*.yaml").flatMap((file) => loadAll(readFileSync(file, "utf8")));
  const policies = objects.flatMap((object) => policy.safeParse(object).data ?? []);
  return new Map(policies.map(({ metadata, spec }) => [metadata.name, spec.validations.map(patternOf)]));
}

/** The literals of a message, in their order. Where a part depends on a condition the first one must do. */
function patternOf({
  message,
  messageExpression = "",
}: {
  readonly message?: string | undefined;
  readonly messageExpression?: string | undefined;
}): RegExp {
  const quoted = [...messageExpression.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, text = ""]) =>
    text.replaceAll("\\'", "'"),
  );
  const literals = message === undefined ? quoted.slice(0, messageExpression.includes(" ? ") ? 1 : 2) : [message];
  return new RegExp(`^${literals.map(escaped).join("[^]*")}`);
}

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
