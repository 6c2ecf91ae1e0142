import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { recordBy } from "./records.ts";

// The recipe of EVIDENCE.md, run as it stands there: jq and openssl, and none of our code.

const page = readFileSync("EVIDENCE.md", "utf8");
const block = (language: string, holding: string): string =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].find(
    ([, of, text = ""]) => of === language && text.includes(holding),
  )?.[2] ?? "";
const tools = ["jq", "openssl", "xxd", "basenc"];
const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

const folder = mkdtempSync(join(tmpdir(), "evidence-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "challenge.jq"), block("jq", "encoded"));
const run = (record: unknown): string => {
  writeFileSync(join(folder, "record.json"), JSON.stringify(record));
  const { stdout, stderr } = spawnSync("bash", ["-c", block("sh", "does not hold")], { cwd: folder, encoding: "utf8" });
  return stdout.trim() === "" ? stderr.trim() : stdout.trim();
};
const record = recordBy();
const { status } = record;
const { verification } = status ?? {};
const changed = (change: object): unknown => ({ ...record, ...change });

test.skipIf(missing.length > 0)("WA15: the recipe finds that a record holds", () => {
  expect(run(record)).toBe("holds: oidc:alice@example.com asked for pod-debugger in payments");
});

test.skipIf(missing.length > 0)("WA15: so it does for a browser that leaves out crossOrigin, as Safari did", () => {
  expect(run(recordBy("ES256", { clientData: withoutCrossOrigin }))).toMatch(/^holds: /);
});

test.skipIf(missing.length > 0).each([
  ["justification", { spec: { ...record.spec, justification: "INC-4313" } }, "the key signed something else"],
  [
    "role",
    { status: { ...status, offer: { ...status?.offer, roleRef: { kind: "ClusterRole", name: "admin" } } } },
    "the key signed something else",
  ],
  ["signature", altered("signature", "AAAA"), "the signature"],
  ["flags and counter", altered("authenticatorData", "AAAA"), "another relying party"],
  ["relying party", altered("rpId", "example.com"), "another relying party"],
  [
    "public key",
    { ...altered("publicKey", recordBy().status?.verification?.webauthn?.publicKey ?? "") },
    "the signature",
  ],
] as const)("WA15: the recipe and the plugin agree where %s is altered", (_what, change, why) => {
  expect(run(changed(change))).toContain(
    why === "the signature" ? "does not hold: the signature" : `does not hold: ${why}`,
  );
});

const withoutCrossOrigin = (text: string): string => text.replace(',"crossOrigin":false', "");

function altered(field: string, text: string): object {
  const before: { readonly [name: string]: string } = { ...verification?.webauthn };
  const value = text === "AAAA" ? `AAAA${(before[field] ?? "").slice(4)}` : text;
  return { status: { ...status, verification: { ...verification, webauthn: { ...before, [field]: value } } } };
}
