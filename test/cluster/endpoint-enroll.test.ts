import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { z } from "zod";
import { endpointCAFile, startVerifier, type Verifier } from "../../hack/controlplane/processes.ts";
import { authenticatorPath } from "../../src/api/v1alpha1/wire.ts";
import { instant } from "../../src/domain/time.ts";
import { keyMaker } from "../../src/mfa/keys.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import {
  challengeOf,
  codeAt,
  enroll,
  invite,
  newSecret,
  post,
  type Said,
  seedOf,
  shownOf,
  stepNow,
  totpOf,
} from "./support/endpoint.ts";

// The verifier as a process of its own, with the rights of its ServiceAccount, on a real API server: from empty keys to
// enrolled people. The tests stand in their order: the first finds an empty Secret.

const cluster = useControlPlane({ installed: "samples" });
const verifiers: Verifier[] = [];
let ca = "";

const [one, two] = [() => verifierAt(0), () => verifierAt(1)];
function verifierAt(index: number): Verifier {
  const found = verifiers[index];
  if (found === undefined) throw new Error("the first test starts the verifiers");
  return found;
}

const dataOf = async (kind: "secret" | "configmap", name: string): Promise<Readonly<Record<string, string>>> => {
  const text = await cluster.kubectl("admin", "get", kind, name, "-n", "elevate-system", "-o", "json");
  return z.object({ data: z.record(z.string(), z.string()).default({}) }).parse(JSON.parse(text)).data;
};
const authenticator = async (username: string): Promise<Readonly<Record<string, unknown>>> => {
  const text = await cluster.kubectl("admin", "get", "authenticator", totpOf(username), "-o", "json");
  return z.object({ status: z.record(z.string(), z.unknown()).default({}) }).parse(JSON.parse(text)).status;
};
const readyz = async ({ health }: Verifier): Promise<{ readonly code: number; readonly text: string }> => {
  const response = await fetch(`${health}/readyz?verbose`);
  return { code: response.status, text: await response.text() };
};
const challenge = (at: Verifier, username: string, ticket: string): Promise<Said> =>
  post(at, ca, authenticatorPath(totpOf(username), "challenge"), { codeVerifier: ticket });
const register = (at: Verifier, username: string, ticket: string, code: string): Promise<Said> =>
  post(at, ca, authenticatorPath(totpOf(username), "register"), { codeVerifier: ticket, totp: { code } });
const certificateOf = ({ ports }: Verifier): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port: ports.endpoint, ca }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on("error", reject);
  });

test("KY01: two verifiers that start on the empty Secret at once make one set of keys, and both serve with it", async () => {
  expect(await dataOf("secret", "kube-elevate-keys")).toEqual({});
  // one address, as the Service is: what is published does not depend on who comes first
  const env = { KUBE_ELEVATE_URL: "https://127.0.0.1:8443" };
  verifiers.push(
    ...(await Promise.all([startVerifier(cluster.plane, { env }), startVerifier(cluster.plane, { env })])),
  );
  const keys = await dataOf("secret", "kube-elevate-keys");
  const kinds = Object.keys(keys).map((key) => key.replace(/\..*$/, ""));
  expect(kinds.toSorted()).toEqual(["endpoint-certificate", "endpoint-key", "seal-key", "seed-key"]);
  const trust = await dataOf("configmap", "kube-elevate-trust");
  expect(trust).toMatchObject({ url: env.KUBE_ELEVATE_URL, clusterName: "kubernetes" });
  expect(JSON.stringify(trust)).not.toContain("PRIVATE");
  ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
  expect(await certificateOf(one())).toBe(await certificateOf(two()));
});

test("EN06: a restart between challenge and register shows the same seed, and its code is taken, at any verifier", async () => {
  const ticket = await invite(cluster, "ann");
  const { secret: seed, shownBefore } = await shownOf(one(), ca, "ann", ticket);
  expect(shownBefore).toBe(false);
  const before = await certificateOf(one());
  const { ports } = one();
  await one().stop("SIGTERM", 20_000);
  expect(await one().exited).toBe(0);
  verifiers[0] = await startVerifier(cluster.plane, { ports, env: { KUBE_ELEVATE_URL: "https://127.0.0.1:8443" } });
  expect(await certificateOf(one())).toBe(before); // KY01: after a restart the same keys
  for (const at of [one(), two()])
    expect(await shownOf(at, ca, "ann", ticket)).toMatchObject({ secret: seed, shownBefore: true });
  expect((await register(two(), "ann", ticket, codeAt(seed, await stepNow()))).body).toEqual({
    name: totpOf("ann"),
    method: "TOTP",
  });
  expect(await authenticator("ann")).toMatchObject({ phase: "Active" });
});

test("EN06: one ticket shown by two verifiers at once: one seed, and one of the two says that it is the first", async () => {
  for (const username of ["abe-1", "abe-2", "abe-3", "abe-4", "abe-5"]) {
    const ticket = await invite(cluster, username);
    const shown = await Promise.all([one(), two()].map((at) => shownOf(at, ca, username, ticket)));
    expect(new Set(shown.map(({ secret }) => secret)).size).toBe(1);
    expect(shown.map(({ shownBefore }) => String(shownBefore)).toSorted()).toEqual(["false", "true"]);
  }
});

test("EN03: one ticket registered at two verifiers at once: one 201, one refusal, one seal", async () => {
  for (const username of ["ben-1", "ben-2", "ben-3", "ben-4", "ben-5"]) {
    const ticket = await invite(cluster, username);
    const seed = await seedOf(one(), ca, username, ticket);
    const code = codeAt(seed, await stepNow());
    const said = await Promise.all([one(), two()].map((at) => register(at, username, ticket, code)));
    expect(said.map(({ status }) => String(status)).toSorted()).toEqual(["201", "401"]);
    expect(await authenticator(username)).toMatchObject({ phase: "Active", seal: expect.any(String) as unknown });
  }
});

test("EN13: a spent ticket shows no seed and registers nothing; the seed is never shown again", async () => {
  const { ticket, seed } = await enroll(cluster, one(), ca, "cem");
  const active = await authenticator("cem");
  const shown = await challenge(two(), "cem", ticket);
  const again = await register(one(), "cem", ticket, codeAt(seed, await stepNow()));
  for (const { status, body } of [shown, again]) expect([status, body["reason"]]).toEqual([401, "CallerUnknown"]);
  expect(shown.text).not.toContain(seed);
  expect(await authenticator("cem")).toEqual(active);
});

test("EN12: a ticket past its time is refused with TicketExpired, and nothing is Active", async () => {
  const until = new Date(Date.now() + 2_500).toISOString();
  const ticket = await invite(cluster, "dee", until);
  const seed = await seedOf(one(), ca, "dee", ticket);
  await eventually(() => Date.now() > Date.parse(until), 5, "the ticket is over");
  for (const said of [
    await register(one(), "dee", ticket, codeAt(seed, await stepNow())),
    await challenge(two(), "dee", ticket),
  ])
    expect([said.status, said.body["reason"]]).toEqual([403, "TicketExpired"]);
  expect(await authenticator("dee")).not.toMatchObject({ phase: "Active" });
});

test("EN12: an invitation that lasts longer than 168h is refused", async () => {
  const far = new Date(Date.now() + 169 * 3_600_000).toISOString();
  await expect(invite(cluster, "eve", far)).rejects.toThrow(/expirationTime|168h/);
});

test("EN04: a ticket opens only the authenticator that it was made for", async () => {
  const tickets = { eve: await invite(cluster, "eve"), fay: await invite(cluster, "fay") };
  const seed = await seedOf(one(), ca, "eve", tickets.eve);
  const right = codeAt(seed, await stepNow());
  const said = [
    await challenge(one(), "eve", tickets.fay),
    await challenge(one(), "eve", newSecret()),
    await challenge(one(), "nobody", tickets.eve),
    await register(one(), "eve", tickets.fay, right),
  ];
  expect(new Set(said.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(said[0]).toMatchObject({ status: 401, body: { reason: "CallerUnknown" } });
  expect(await authenticator("eve")).not.toMatchObject({ phase: "Active" });
});

test("a wrong code registers nothing, and the right one after it does", async () => {
  const ticket = await invite(cluster, "fay-two");
  const seed = await seedOf(one(), ca, "fay-two", ticket);
  const step = await stepNow(3_000);
  const wrong = await register(one(), "fay-two", ticket, codeAt(seed, step + 1));
  expect([wrong.status, wrong.body["reason"]]).toEqual([403, "ProofRejected"]);
  expect((await register(one(), "fay-two", ticket, codeAt(seed, step))).status).toBe(201);
});

test("EN01: an authenticator that its owner made without an inviter never becomes Active", async () => {
  const ticket = newSecret();
  await cluster.apply("alice", {
    apiVersion: "kube-elevate.dev/v1alpha1",
    kind: "Authenticator",
    metadata: { name: totpOf("alice") },
    spec: {
      owner: { username: "alice" },
      method: "TOTP",
      codeChallenge: challengeOf(ticket),
      expirationTime: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  const said = await challenge(one(), "alice", ticket);
  expect([said.status, said.body["reason"]]).toEqual([403, "InvalidAuthenticator"]);
  expect(said.text).not.toMatch(/otpauth|secret/);
});

test("HT18: HTTPS alone; who trusts another certificate authority gets no answer", async () => {
  const { ports } = one();
  await expect(fetch(`http://127.0.0.1:${ports.endpoint}/`)).rejects.toThrow("fetch failed");
  await expect(post(one(), "", authenticatorPath(totpOf("eve"), "challenge"), {})).rejects.toThrow(
    /self-signed|unable/,
  );
});

test("KY01: an incomplete Secret is left as it is; a verifier that starts on it is not ready, says why, and lives", async () => {
  const whole = await dataOf("secret", "kube-elevate-keys");
  const seedKey = Object.keys(whole).find((key) => key.startsWith("seed-key.")) ?? "";
  await setKeys({ [seedKey]: null });
  const late = await startVerifier(cluster.plane, { waitUntilReady: false });
  const said = await eventually(
    async () => {
      const answer = await readyz(late).catch(() => undefined);
      return answer?.text.includes("is incomplete") === true && answer;
    },
    20,
    "the new verifier says what is missing",
  );
  expect(said.code).toBe(503);
  expect(said.text).toContain(`[-] keys: secret kube-elevate-keys is incomplete (${seedKey} is missing)`);
  expect((await fetch(`${late.health}/livez`)).status).toBe(200);
  expect(await dataOf("secret", "kube-elevate-keys")).not.toHaveProperty([seedKey]);
  expect((await readyz(one())).code).toBe(200); // those that serve go on with what they have
  await setKeys({ [seedKey]: whole[seedKey] ?? null });
  await eventually(async () => (await readyz(late)).code === 200, 20, "it is ready once the key is back");
  expect(await dataOf("secret", "kube-elevate-keys")).toEqual(whole);
  await late.stop("SIGTERM", 20_000);
});

test("KY02: a second pair of keys is taken up by those that run, and changes nobody's seed", async () => {
  const { seed } = await enrolling("gus");
  const id = "29990101T000000000Z";
  await setKeys({ [`seal-key.${id}`]: base64(keyMaker.sealKey()), [`seed-key.${id}`]: base64(keyMaker.seedKey()) });
  await eventually(
    async () => Object.keys(await dataOf("configmap", "kube-elevate-trust")).includes(`seal-key.${id}`),
    20,
    "the public half of the new key is published",
  );
  let count = 0;
  await eventually(
    async () => {
      const username = `hal-${++count}`; // the first showing of a seed writes down the key, for good
      await enrolling(username);
      return (await authenticator(username))["keyID"] === id;
    },
    20,
    "the new key is used for what is new",
  );
  expect(await seedOf(one(), ca, "gus", seed.ticket)).toBe(seed.text);
});

test("I7: no seed, ticket or key is in the log of a verifier", async () => {
  const secrets = Object.values(await dataOf("secret", "kube-elevate-keys")).map((value) =>
    Buffer.from(value, "base64").toString().trim(),
  );
  const { seed } = await enrolling("ida");
  for (const { logFile } of verifiers) {
    const log = await readFile(logFile, "utf8");
    expect(log).toContain('"msg":"attempt"');
    for (const secret of [...secrets, seed.ticket, seed.text]) expect(log).not.toContain(secret);
    for (const line of log.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
  }
});

test("a given certificate is served and published instead of ours, and taken up again when it is renewed in place", async () => {
  await Promise.all(verifiers.map((verifier) => verifier.stop("SIGTERM", 20_000)));
  const files = { cert: join(cluster.plane.dir, "given.crt"), key: join(cluster.plane.dir, "given.key") };
  const renew = async (): Promise<string> => {
    const { certificate, key } = await keyMaker.endpoint(["127.0.0.1"], instant(Date.now()));
    await writeFile(files.key, key);
    await writeFile(files.cert, certificate);
    return new X509Certificate(certificate).fingerprint256;
  };
  const first = await renew();
  const given = { KUBE_ELEVATE_TLS_CERT_FILE: files.cert, KUBE_ELEVATE_TLS_KEY_FILE: files.key };
  const verifier = await startVerifier(cluster.plane, { env: given });
  ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
  expect(await certificateOf(verifier)).toBe(first);
  const second = await renew();
  await eventually(
    async () => {
      ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
      return (await certificateOf(verifier).catch(() => "")) === second;
    },
    20,
    "the renewed certificate is served and published",
  );
  const log = await readFile(verifier.logFile, "utf8");
  expect(log).not.toContain("PRIVATE KEY");
});

async function enrolling(
  username: string,
): Promise<{ readonly seed: { readonly ticket: string; readonly text: string } }> {
  const ticket = await invite(cluster, username);
  return { seed: { ticket, text: await seedOf(one(), ca, username, ticket) } };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** As the verifier's account, since admission lets nobody else. */
async function setKeys(data: Readonly<Record<string, string | null>>): Promise<void> {
  const user = "system:serviceaccount:elevate-system:verifier";
  const path = "/api/v1/namespaces/elevate-system/secrets/kube-elevate-keys";
  const { code, body } = await cluster.plane.ask(user, "PATCH", path, { data }, "application/merge-patch+json");
  if (code !== 200) throw new Error(JSON.stringify(body));
}
