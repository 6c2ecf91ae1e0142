import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { type ElevationRequest, elevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import type { RequestOptions } from "../../src/api/v1alpha1/webauthn.ts";
import { challengePreimage } from "../../src/domain/challenge.ts";
import { formatInstant, later } from "../../src/domain/time.ts";
import { type SecurityKey, securityKey } from "../fakes/security-key.ts";
import { alice, granted, offer, type Terminal, terminal } from "./terminal.ts";

// The plugin with a key, a browser and a verifier that are played. With real ones: test/browser.

const pageURL = "https://elevate.example.com";
const ask = 'request payments-debug -j "INC-1 x"';
const keyName = `${Buffer.from(alice).toString("hex")}.key-1`;

/** alice has a key on a cluster with a page; nothing is asked of a verifier yet. */
function withKey(): { readonly at: Terminal; readonly key: SecurityKey } {
  const at = terminal();
  const [trust] = at.of("ConfigMap");
  const [totp] = at.of("Authenticator");
  if (trust === undefined || totp === undefined) throw new Error("the scene has both");
  at.put({ ...trust, data: { ...dataOf(trust), pageURL, rpId: "elevate.example.com", clusterUID: "cluster" } });
  const metadata = { ...totp.metadata, name: keyName, uid: "k" };
  at.put({ ...totp, metadata, spec: { ...totp.spec, method: "WebAuthn" }, status: { phase: "Active" } });
  return { at, key: securityKey({ origin: pageURL }) };
}
const dataOf = (object: object): object =>
  "data" in object && typeof object.data === "object" && object.data !== null ? object.data : {};

const requestOf = (at: Terminal): ElevationRequest => {
  const [found] = at.of("ElevationRequest");
  if (found === undefined) throw new Error("nothing was asked for");
  const { name, namespace = "payments" } = found.metadata;
  const metadata = { uid: "u", resourceVersion: "1", creationTimestamp: "", name, namespace };
  return { ...elevationRequest.parse(found), metadata };
};
const optionsFor = (key: SecurityKey, challenge: string): RequestOptions => ({
  challenge,
  rpId: "elevate.example.com",
  allowCredentials: [{ id: text(key.credentialId), type: "public-key" }],
  userVerification: "required",
});
/** What an honest verifier offers for the request that is there. */
const offeredFor = (at: Terminal, key: SecurityKey) => {
  const request = requestOf(at);
  const stored = request.status?.offer;
  if (stored === undefined) throw new Error("nothing is offered");
  const challenge = createHash("sha256").update(challengePreimage(request, stored)).digest("base64url");
  return { offer: stored, methods: ["WebAuthn"], webauthn: optionsFor(key, challenge) };
};
const askedBy = (
  address: string,
): { readonly state: string; readonly port?: number; readonly options: RequestOptions } =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the plugin under test wrote, looked at field by field
  JSON.parse(inflateSync(Buffer.from(address.replace(/^.*#/, ""), "base64url")).toString("utf8")) as never;
const answerOf = (key: SecurityKey, address: string): string => {
  const { state, options } = askedBy(address);
  return Buffer.from(JSON.stringify({ state, webauthn: key.get(options) })).toString("base64url");
};

test("with a browser: the page is opened, its answer comes back to a port of this machine, and proves", async () => {
  const { at, key } = withKey();
  at.script.challenge = [() => offeredFor(at, key)];
  at.script.verify = [() => granted(at, "payments-debug-7k2mx", "30m", "WebAuthn")];
  const opened: string[] = [];
  at.browser = {
    open: async (address) => {
      opened.push(address);
      const { port = 0, state } = askedBy(address);
      void fetch(`http://127.0.0.1:${String(port)}/?state=${state}&answer=${answerOf(key, address)}`);
      return Promise.resolve(true);
    },
  };
  const { screen, stdout, exitCode } = await at.type(ask);
  expect(screen).toBe(`\
You ask for  ClusterRole/pod-debugger in namespace payments, for 30m
As           oidc:alice@example.com on prod-eu
Opening https://elevate.example.com in your browser: use your security key or passkey there.
Where no window opens, open this address:
${at.address}
Waiting, 5m left. Ctrl-C gives up; then ask again
Active until 03:57:07 UTC (30m), in every shell that uses your credentials.
Longer: kubectl elevate extend    Give back: kubectl elevate release
${stdout}`);
  expect([exitCode, opened]).toEqual([0, [at.address]]);
  const [, verify] = at.posts.filter(({ path }) => !path.endsWith("/challenge"));
  const proof = (verify ?? at.posts.find(({ path }) => path.endsWith("/verify")))?.body;
  expect(proof).toMatchObject({ webauthn: { id: text(key.credentialId) } });
  const verifier = String(at.posts[0]?.body["codeVerifier"]);
  expect(inflateSync(Buffer.from(at.address.replace(/^.*#/, ""), "base64url")).includes(verifier)).toBe(false);
});

test("no key answers in time: it says so, with exit 5, and no proof is sent", async () => {
  const { at, key } = withKey();
  const deadline = formatInstant(later(at.now, 50));
  at.judged = () => ({ phase: "Pending", reason: "AwaitingProof", offer: offer(deadline) });
  at.script.challenge = [() => offeredFor(at, key)];
  at.browser = { open: async () => Promise.resolve(false) };
  const { screen, exitCode } = await at.type(ask);
  expect(screen).toContain(`\
No window could be opened. Open this address:
${at.address}
Waiting, 0s left. Ctrl-C gives up; then ask again
error (DeadlinePassed): no key answered in time, payments-debug-7k2mx waits no longer
`);
  expect([exitCode, at.posts.some(({ path }) => path.endsWith("/verify"))]).toEqual([5, false]);
});

test("PL13: without a browser the answer is pasted; three times rubbish, and it is over", async () => {
  const { at, key } = withKey();
  at.script.challenge = [() => offeredFor(at, key)];
  const { screen, exitCode } = await at.type(ask, ["rubbish", "x".repeat(4096), "e30"]);
  expect(screen).toBe(`\
You ask for  ClusterRole/pod-debugger in namespace payments, for 30m
As           oidc:alice@example.com on prod-eu
No browser on this machine. Open this address where your key is (copied to your clipboard as well,
if your terminal allows it); check that the page shows payments-debug-7k2mx:
${at.address}
Paste here what the page answers: ****
That is not what the page answers to this. Copy it whole, and paste it again
Paste here what the page answers: ****
That is not what the page answers to this. Copy it whole, and paste it again
Paste here what the page answers: ****
error (ProofRejected): nothing was pasted that the page answers
`);
  expect(exitCode).toBe(3);
  expect(askedBy(at.address).port).toBeUndefined();
  expect(at.posts.some(({ path }) => path.endsWith("/verify"))).toBe(false);
});

test("WA20: a verifier that has the key asked for something else: nothing is opened, nothing is sent", async () => {
  const foreign: readonly ((at: Terminal, key: SecurityKey) => object)[] = [
    (_at, key) => ({ webauthn: optionsFor(key, createHash("sha256").update("else").digest("base64url")) }),
    (at, key) => {
      const request = requestOf(at);
      const other = { ...request, metadata: { ...request.metadata, name: "another" } };
      if (request.status?.offer === undefined) throw new Error("nothing is offered");
      const challenge = createHash("sha256").update(challengePreimage(other, request.status.offer)).digest("base64url");
      return { webauthn: optionsFor(key, challenge) };
    },
    () => ({ offer: offer("2026-11-24T04:00:00.000Z") }),
  ];
  for (const changed of foreign) {
    const { at, key } = withKey();
    at.script.challenge = [() => ({ ...offeredFor(at, key), ...changed(at, key) })];
    const opened: string[] = [];
    at.browser = {
      open: async (address) => {
        opened.push(address);
        return Promise.resolve(true);
      },
    };
    const { screen, exitCode } = await at.type(ask);
    expect(screen).toMatch(/the endpoint (asks your key for|offers) something else than payments-debug-7k2mx\s+says\./);
    expect([exitCode, opened, at.address]).toEqual([1, [], ""]);
    expect(at.posts.some(({ path }) => path.endsWith("/verify"))).toBe(false);
  }
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

test("a further key that is given up, or refused, leaves its name free", async () => {
  const { at } = withKey();
  at.script.challenge = [{ refuse: "MethodNotAllowed", code: 403, message: "no page is set up" }];
  const { screen, exitCode } = await at.type("enroll webauthn");
  expect(screen).toContain("You have a key on this cluster: it confirms the new one");
  expect([
    exitCode,
    at
      .of("Authenticator")
      .map(({ metadata }) => metadata.name)
      .toSorted(),
  ]).toEqual([3, [keyName, keyName.replace("key-1", "totp")]]);
});
