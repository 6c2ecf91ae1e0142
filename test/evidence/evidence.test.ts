import { expect, test } from "vitest";
import { elevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { checkEvidence } from "../../src/cli/evidence.ts";
import { recordBy, recordByCode, sealKeys } from "./records.ts";

type Record = ReturnType<typeof recordBy>;
type Trust = "trusted" | "no trust at hand";
const findings = async (record: Record, trust: Trust = "trusted") =>
  checkEvidence(record, trust === "trusted" ? sealKeys : undefined);
const words = async (record: Record, trust?: Trust) =>
  (await findings(record, trust)).map(({ is, says }) => `${is}: ${says}`);
const holds = async (record: Record, trust?: Trust): Promise<boolean> =>
  (await findings(record, trust)).every(({ is }) => is !== "bad");

test.each(["ES256", "Ed25519", "RS256"] as const)(
  "WA15: the object alone shows that a key of %s agreed to it",
  async (algorithm) => {
    expect(await words(recordBy(algorithm))).toEqual([
      "good: a key signed exactly this request, with its user verified, at https://elevate.example.com (relying party elevate.example.com)",
      "good: the verifier sealed it: proven with authenticator 616c696365.key-1 at 2026-11-24T10:01:30.250Z",
      "good: it was granted until 2026-11-24T10:31:30.250Z, no longer than the 30m that were offered",
      "open: when it was granted and when it ended is the controller's word: nothing here signs that",
    ]);
  },
);

test("PL15: a code signs nothing: the seal is all there is; without its keys nothing is shown", async () => {
  const said = await words(recordByCode());
  expect(said[0]).toBe("open: it was proven by a code, which signs nothing: the verifier's seal is all there is");
  expect(said[1]).toMatch(/^good: the verifier sealed it/);
  expect((await words(recordByCode(), "no trust at hand"))[1]).toMatch(/^open: the verifier's seal was not checked/);
});

/** Every text in it with one character changed, each alone: the first, the last and one in the middle. */
function* altered(value: unknown, path: readonly string[] = []): Generator<readonly [string, unknown]> {
  if (typeof value === "string") {
    for (const at of new Set([0, Math.floor(value.length / 2), value.length - 1])) {
      const other = value[at] === "A" ? "B" : "A";
      if (value !== "") yield [`${path.join(".")}[${at}]`, value.slice(0, at) + other + value.slice(at + 1)];
    }
  } else if (typeof value === "object" && value !== null)
    for (const [name, member] of Object.entries(value))
      for (const [where, changed] of altered(member, [...path, name]))
        yield [where, Array.isArray(value) ? value.with(Number(name), changed) : { ...value, [name]: changed }];
}

const outside =
  /^(apiVersion|kind|metadata\.(resourceVersion|creation)|status\.(phase|reason|endTime|grant\.(bindingName|grantTime)))/;
const record = recordBy();
const changes = [...altered(record)].filter(([where]) => !outside.test(where));

test("WA15: there is much to alter", () => {
  expect(changes.length).toBeGreaterThan(80);
});

test.each(changes)("PL15, WA15: %s altered: it does not hold", async (where, value) => {
  const read = elevationRequest.safeParse(value);
  if (!read.success) return expect(where).toMatch(/^(spec|status)\./); // cannot even be read as a record
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the record above, but for one text
  const changed = value as Record;
  expect(await holds(changed)).toBe(false);
});

test("what is under the seal alone is told as not checked where its keys are not at hand", async () => {
  const { verification } = record.status ?? {};
  if (verification?.webauthn === undefined) throw new Error("the record is by a key");
  const webauthn = { ...verification.webauthn, credentialId: "AAAA" };
  const changed = { ...record, status: { ...record.status, verification: { ...verification, webauthn } } };
  expect([await holds(changed), await holds(changed, "no trust at hand")]).toEqual([false, true]);
  expect((await words(record, "no trust at hand"))[1]).toMatch(/which authenticator, of whom, and when is under it/);
});

test("a grant longer than what was proven does not hold; nobody's proof is no evidence", async () => {
  const grant = { ...record.status?.grant, expirationTime: "2026-11-24T10:31:30.251Z" };
  expect(await holds({ ...record, status: { ...record.status, grant } })).toBe(false);
  expect(await words({ ...record, status: { phase: "TimedOut" } })).toEqual([
    "open: nobody proved this request, and nothing was granted: there is no evidence in it",
  ]);
  expect(await words({ ...record, status: { phase: "Expired" } })).toEqual(["bad: it was Expired, and holds no proof"]);
  const { grant: _grant, ...without } = record.status ?? {};
  expect(await holds({ ...record, status: without })).toBe(false);
});

test.each(["2099-02-30T00:00:00Z", "2099-01-01T00:00:00+00:00", "never", ""])(
  "an end that cannot be read, as %j, does not hold",
  async (expirationTime) => {
    const grant = { ...record.status?.grant, expirationTime };
    expect(await holds({ ...record, status: { ...record.status, grant } })).toBe(false);
    expect(await holds({ ...record, status: { ...record.status, grant } }, "no trust at hand")).toBe(false);
  },
);
