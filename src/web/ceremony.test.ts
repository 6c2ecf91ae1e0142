import { deflateSync } from "node:zlib";
import { assert, asyncProperty, string } from "fast-check";
import { expect, test } from "vitest";
import type { AssertCeremony, EnrollCeremony } from "../api/v1alpha1/ceremony.ts";
import { challengePreimage, enrollmentPreimage } from "../domain/challenge.ts";
import { sha256 } from "../mfa/digest.ts";
import { readCeremony } from "./ceremony.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const fragmentOf = (value: unknown): string => `#${text(deflateSync(JSON.stringify(value), { level: 9 }))}`;
const metadata = { uid: "u-1", namespace: "payments", name: "payments-debug-7k2mx" };
const spec = {
  policyName: "payments-debug",
  duration: "30m",
  justification: "INC-4312 Pods stürzen ab 🔥",
  requester: { username: "oidc:alice@example.com", uid: "a", groups: ["devs"] },
};
const offer = {
  cluster: { name: "prod-eu", uid: "c-1" },
  roleRef: { kind: "ClusterRole" as const, name: "pod-debugger" },
  rulesHash: "h",
  methods: [{ method: "WebAuthn" as const, duration: "30m" }],
  deadlineTime: "2026-11-24T10:05:00.000Z",
  authorizedBy: "RBAC",
};
const asking = (challenge: Uint8Array) => ({
  challenge: text(sha256(challenge)),
  rpId: "example.com",
  allowCredentials: [{ id: "Y3JlZA", type: "public-key" as const, transports: ["usb"] }],
  userVerification: "required" as const,
});
const back = { port: 40_123, state: "A".repeat(22) };
const request: AssertCeremony = {
  ...back,
  kind: "assert",
  request: { metadata, spec },
  offer,
  options: asking(challengePreimage({ metadata, spec }, offer)),
};
const authenticator = {
  metadata: { uid: "k-1", name: "616c696365.key-1" },
  spec: { owner: { username: "alice" }, method: "WebAuthn" as const },
};
const enrolled = enrollmentPreimage("c-1", authenticator);
const enrollment: EnrollCeremony = {
  ...back,
  kind: "enroll",
  cluster: { name: "prod-eu", uid: "c-1" },
  authenticator,
  options: {
    challenge: text(sha256(enrolled)),
    rp: { id: "example.com", name: "kube-elevate prod-eu" },
    user: { id: "azE", name: "alice", displayName: "alice" },
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    excludeCredentials: [],
    authenticatorSelection: { residentKey: "discouraged", userVerification: "required" },
    attestation: "none",
  },
  existing: asking(enrolled),
};

test.each([request, enrollment])("what the plugin writes is read: $kind", async (ceremony) => {
  expect(await readCeremony(fragmentOf(ceremony))).toEqual(ceremony);
});

test("without a port the answer is to be pasted", async () => {
  const { port: _port, ...pasted } = request;
  expect(await readCeremony(fragmentOf(pasted))).toEqual(pasted);
});

/** Every text and number in it, each changed alone; arrays once with one more and once with one less. */
function* changes(value: unknown, path: readonly string[] = []): Generator<readonly [string, unknown]> {
  const here = path.join(".");
  if (typeof value === "string") yield [here, `${value}x`];
  else if (typeof value === "number") yield [here, value + 1];
  else if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    yield [`${here} longer`, [...items, items[0] ?? "x"]];
    for (const [index, item] of items.entries())
      for (const [where, changed] of changes(item, [...path, String(index)])) yield [where, items.with(index, changed)];
  } else if (typeof value === "object" && value !== null)
    for (const [name, member] of Object.entries(value))
      for (const [where, changed] of changes(member, [...path, name])) yield [where, { ...value, [name]: changed }];
}
/** What is not signed: where the answer goes, and by which keys. The verifier knows its keys, the plugin its state. */
const unsigned = /^(port|state|options\.(rpId|allowCredentials|rp|user|pubKey|exclude)|existing\.(rpId|allow))/;
const signed = [request, enrollment].flatMap((ceremony) =>
  [...changes(ceremony)].filter(([where]) => !unsigned.test(where)).map(([where, value]) => ({ where, value })),
);

test("WA19: there are fields enough to change", () => {
  expect(signed.length).toBeGreaterThan(30);
});

test.each(signed)("WA17, WA19: $where altered in the address: nothing is asked of a key", async ({ where, value }) => {
  const isName = where === "authenticator.metadata.name" || where === "cluster.name"; // shown, and not signed by enrollment
  if (isName) expect(await readCeremony(fragmentOf(value))).toEqual(value);
  else await expect(readCeremony(fragmentOf(value))).rejects.toThrow(/start again in your terminal/);
});

test.each<[string, object]>([
  ["a URL", { url: "https://evil.example" }],
  ["a callback", { callback: "http://127.0.0.1:40123" }],
  ["a host", { host: "evil.example" }],
  ["a port with a host in it", { port: "40123@evil.example" }],
  ["a port below 1024", { port: 80 }],
  ["a port above 65535", { port: 70_000 }],
  ["a port that is no whole number", { port: 4012.5 }],
  ["a state with more in it", { state: `${"A".repeat(21)}&` }],
  ["another kind", { kind: "sign" }],
  ["a codeVerifier", { codeVerifier: "A".repeat(43) }],
])("WA18: %s in the address: nothing is asked of a key", async (_what, added) => {
  await expect(readCeremony(fragmentOf({ ...request, ...added }))).rejects.toThrow(/incomplete or was changed/);
});

test("whatever else is in the address is a plain sentence, never another error", async () => {
  await assert(
    asyncProperty(string(), async (fragment) => {
      await expect(readCeremony(`#${fragment}`)).rejects.toThrow("This address is incomplete or was changed");
    }),
  );
  const bomb = text(deflateSync(Buffer.alloc(15_000_000)));
  await expect(readCeremony(`#${bomb}`)).rejects.toThrow("This address is incomplete");
});
