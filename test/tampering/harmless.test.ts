import { expect, test } from "vitest";
import { factorRows, resetRows } from "./authenticators.ts";
import { stages } from "./factors.ts";
import { moments } from "./lives.ts";
import { bindingRows, type OtherRow, policyRows, trustRows } from "./others.ts";
import { requestRows } from "./requests.ts";

type Told = OtherRow & { readonly when?: string };
const whenOf = (all: readonly string[], { becomes }: { readonly becomes: object }): string => {
  const changed = new Map(Object.entries(becomes));
  const left = all.filter((time) => time !== "cut" && (changed.get(time) ?? "as asked") === "as asked");
  return left.length === all.filter((time) => time !== "cut").length ? "always" : left.join(", ");
};
const requests = requestRows.map((row) => ({
  ...row,
  leaf: row.leaf === "status.phase" ? `status.phase: ${String(row.value)}` : row.leaf,
  when: whenOf(moments, row),
}));
const kinds: readonly (readonly [string, readonly Told[]])[] = [
  ["ElevationRequest", requests],
  ["Authenticator", [...factorRows.map((row) => ({ ...row, when: whenOf(stages, row) })), ...resetRows]],
  ["ElevationPolicy", policyRows],
  ["RoleBinding of a grant", bindingRows],
  ["ConfigMap kube-elevate-trust", trustRows],
];

test("TA22: what can be written and changes nothing, and what gives its writer something, stands in the page that SECURITY.md names", async () => {
  const page = [
    "# What an admin without our guards can write",
    "",
    "With the admission policies off, and the rules of the CRDs too, a cluster admin can write every field. What is not named",
    "here is refused at the next decision: the request ends, the binding goes, or the factor is not taken. `test/tampering`",
    "writes each field at each moment of its life, and fails where a field is not judged; this page is made from its tables.",
    "",
    "A request is new until it is offered; proven by the verifier; promised, bound and active by the controller. Once it is",
    "over it gives no access, whatever is written into it: the proof in it can be checked without the cluster (EVIDENCE.md),",
    "the rest is the controller's word, and the API server's audit log has who wrote what. Set back to an open phase, it is",
    "over again: RecordTampered. With its endTime taken away too it can be opened again, for its requester, for its role, and",
    "until the end that its proof allows, never later; the gates are judged again.",
    "",
    "An authenticator is invited or, by its owner, further; its seed is shown; it is in use; disabled; or its ticket lapsed.",
    "",
    "## What can be written and changes nothing",
    "",
    ...tableOf("when | why it changes nothing", ({ why }) => why),
    "",
    "## What gives its writer something",
    "",
    ...tableOf("what it gives", ({ gives }) => gives),
    "",
  ];
  await expect(page.join("\n")).toMatchFileSnapshot("../contract/harmless.md");
});

function tableOf(title: string, sentenceOf: (row: Told) => string | undefined): readonly string[] {
  const lines = kinds.flatMap(([kind, rows]) => {
    const fields = new Map<string, Set<string>>();
    for (const row of rows) {
      const sentence = sentenceOf(row);
      if (sentence === undefined) continue;
      const about = row.gives === sentence ? sentence : `${row.when ?? "always"} | ${sentence}`;
      fields.set(about, (fields.get(about) ?? new Set()).add(`\`${row.leaf}\``));
    }
    return [...fields].map(([about, leaves]) => `| ${kind} | ${[...leaves].join(", ")} | ${about} |`);
  });
  return [`| of | field | ${title} |`, `|${"---|".repeat(title.split("|").length + 2)}`, ...lines];
}
