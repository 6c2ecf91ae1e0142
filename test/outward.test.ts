import { globSync, readFileSync } from "node:fs";
import { loadAll } from "js-yaml";
import { expect, test } from "vitest";
import { z } from "zod";

// What the code does not do with what people write, by the code itself: each place where it could is named here, so a new
// one is looked at before it is there.

const files = globSync("src/**/*.ts", { exclude: ["**/*.test.ts"] }).toSorted();
const codeOf = (file: string): string => readFileSync(file, "utf8").replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, "");
const thoseWith = (pattern: RegExp): readonly string[] => files.filter((file) => pattern.test(codeOf(file)));

test("the scan sees the code", () => {
  expect(files.length).toBeGreaterThan(100);
  expect(thoseWith(/\bimport\b/).length).toBeGreaterThan(100);
});

test("DS04: a pattern of a policy is the API server's to judge (RE2): no regular expression here is built of a value", () => {
  // of parts that are written down in the same file
  expect(thoseWith(/\bRegExp\(/)).toEqual(["src/cli/paste.ts", "src/http/routes.ts"]);
  for (const file of ["src/cli/paste.ts", "src/http/routes.ts"])
    for (const [, built = ""] of codeOf(file).matchAll(/\bRegExp\(([^\n]*)/g)) {
      const parts = [...built.matchAll(/\$\{(\w+)\}/g)].map(([, part = ""]) => part);
      const written = new RegExp(
        String.raw`^(?:const (?:\[.*)?\b(?:${parts.join("|")})\b.*= .*["\x60]|.*\(action: string\): RegExp)`,
        "m",
      );
      expect(codeOf(file)).toMatch(written);
    }
  // strings that are taken for regular expressions, and what judges a schema's patterns
  expect(thoseWith(/\.(?:match|matchAll|search)\((?!\/)/)).toEqual([]);
  expect(thoseWith(/\.justification\?*\.pattern|justification\?*\.\w*pattern/i)).toEqual([]);
});

test("HT10: few files can reach out, each to one place that no request names", () => {
  const uses =
    /import (?!type\b|\{ (?:isIP|STATUS_CODES) \})[^;]*from "(?:undici|node:(?:https?|http2|net|tls|dns|dgram))"/;
  const reaches = new RegExp(String.raw`${uses.source}|\bfetch\(|\bWebSocket\(|XMLHttpRequest`);
  expect(thoseWith(reaches)).toEqual([
    "src/cli/endpoint.ts", // the plugin, to the verifier that the trust ConfigMap names
    "src/cli/key/listener.ts", // listens
    "src/cli/key/local-page.ts", // listens
    "src/http/server.ts", // listens
    "src/kube/shared-agent.ts", // the API server, as the kubeconfig names it
    "src/ops/health.ts", // listens
  ]);
  expect(codeOf("src/http/server.ts")).toMatch(/import \{ createServer, type Server \} from "node:https"/);
  expect(codeOf("src/ops/health.ts")).toMatch(/import \{ createServer, type Server \} from "node:http"/);
});

const policy = z.object({
  kind: z.literal("NetworkPolicy"),
  spec: z.object({
    policyTypes: z.array(z.string()),
    egress: z.array(z.object({ ports: z.array(z.object({ port: z.number(), protocol: z.literal("TCP") })) })),
  }),
});

test("HT10: by its NetworkPolicy the verifier reaches the ports of API servers, and nothing asks for names", () => {
  const objects = loadAll(readFileSync("config/verifier/network.yaml", "utf8")).map((object) => policy.parse(object));
  expect(objects).toHaveLength(1);
  for (const { spec } of objects) {
    expect(spec.policyTypes).toContain("Egress");
    expect(spec.egress.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual([443, 6443, 8443]);
  }
});
