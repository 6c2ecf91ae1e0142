import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import {
  type Answer,
  challengePath,
  codeVerifier,
  newCertificate,
  now,
  proof,
  registerPath,
  serve,
  spoken,
  spokenPlainly,
  statusOf,
  tls,
  verified,
  verifyPath,
} from "../../test/fakes/served.ts";
import { endpointReasons, refusalReasons } from "../api/v1alpha1/reasons.ts";
import { authenticatorPath, httpStatusOf, requestPath } from "../api/v1alpha1/wire.ts";
import type { Reason } from "../domain/reasons.ts";
import { later } from "../domain/time.ts";
import type { Refusal } from "../flows/spend.ts";
import { usualLimits } from "./limits.ts";
import type { Page } from "./page.ts";
import type { EndpointFlows } from "./server.ts";

const refusing = (refusal: Refusal): Partial<EndpointFlows> => ({ prove: async () => refusal });

test("each of the four paths reaches its flow with the parsed body, and answers as the flow does", async () => {
  const { post, calls } = await serve();
  const about = { namespace: "payments", name: "debug-x7k2m" };
  expect(await post()).toMatchObject({ status: 200, text: JSON.stringify(verified) });
  expect((await post({ path: challengePath, body: { codeVerifier } })).status).toBe(200);
  const options = await post({ path: authenticatorPath("616c696365.totp", "challenge"), body: { codeVerifier } });
  expect(JSON.parse(options.text)).toEqual({ totp: { secret: "S", uri: "otpauth://totp/x" } });
  expect((await post({ path: registerPath })).status).toBe(201);
  expect(calls).toEqual([
    ["prove", about, proof],
    ["challenge", about, { codeVerifier }],
    ["enrollmentOptions", "616c696365.totp", { codeVerifier }],
    ["register", "616c696365.totp", proof],
  ]);
});

test("an answer with the reason of an end is no refusal", async () => {
  const { post } = await serve({ prove: async () => ({ ...verified, phase: "Denied", reason: "RoleChanged" }) });
  expect(await post()).toMatchObject({
    status: 200,
    text: JSON.stringify({ ...verified, phase: "Denied", reason: "RoleChanged" }),
  });
});

const expected: { readonly [reason: string]: number } = {
  CallerUnknown: 401,
  NotReady: 409,
  RequestEnded: 409,
  MethodNotAllowed: 403,
  ProofRejected: 403,
  ProofAlreadyUsed: 403,
  AuthenticatorUnknown: 403,
  AuthenticatorLocked: 423,
  TicketExpired: 403,
};
test("HT15: the endpoint's own words are all in the map", () => {
  expect(Object.keys(expected).toSorted()).toEqual([...endpointReasons].toSorted());
});

test.each<Reason>([...endpointReasons, ...refusalReasons, "DeadlinePassed"])(
  "HT15: %s is told as a metav1.Status with its word, its code and a sentence",
  async (reason) => {
    const { post } = await serve(refusing({ reason, message: "a sentence" }));
    const answer = await post();
    const code = expected[reason] ?? 403;
    expect(answer.status).toBe(code);
    expect(httpStatusOf(reason)).toBe(code);
    expect(statusOf(answer)).toMatchObject({ reason, code, status: "Failure" });
    expect(statusOf(answer).message).toMatch(reason === "CallerUnknown" ? /codeVerifier/ : /^a sentence$/);
  },
);

test("HT11: a stranger is not told sooner where there was less to look up", async () => {
  const strangerMs = 300;
  const told = async (lookedUpMs: number): Promise<number> => {
    let begunMs = 0;
    const challenge = async () => {
      begunMs = performance.now();
      await sleep(lookedUpMs);
      return { reason: "CallerUnknown", message: "" } as const;
    };
    const { post } = await serve({ challenge }, { strangerMs });
    expect((await post({ path: challengePath, body: { codeVerifier } })).status).toBe(401);
    return performance.now() - begunMs;
  };
  const [none, little, much] = await Promise.all([told(0), told(100), told(strangerMs + 50)]);
  for (const ms of [none, little]) expect(ms).toBeGreaterThan(strangerMs - 10);
  expect(much).toBeGreaterThan(2 * strangerMs - 10);
});

test("HT11: whatever a flow says with CallerUnknown, the answer is the same, headers and all", async () => {
  const answers: Answer[] = [];
  for (const message of ["no such request", "wrong verifier", "unclaimed"]) {
    const { post } = await serve(refusing({ reason: "CallerUnknown", message }));
    answers.push(await post());
    const byName = await serve({ register: async () => ({ reason: "CallerUnknown", message }) });
    answers.push(await byName.post({ path: registerPath }));
  }
  const seen = answers.map(({ status, headers, text }) =>
    JSON.stringify({ status, text, ...headers, date: undefined }),
  );
  expect(new Set(seen).size).toBe(1);
  expect(answers[0]?.status).toBe(401);
});

test("HT11: a codeVerifier in the query is not read, and not logged", async () => {
  const secret = "Q".repeat(43);
  const { post, calls, logged } = await serve({ prove: () => Promise.reject(new Error("broken")) });
  expect((await post({ path: `${challengePath}?codeVerifier=${codeVerifier}`, body: {} })).status).toBe(400);
  expect(calls).toEqual([]);
  expect((await post({ path: `${verifyPath}?codeVerifier=${secret}` })).status).toBe(500);
  expect(logged).toHaveLength(1);
  expect(logged.join("")).not.toContain("QQQ");
});

test("a locked authenticator says when to come back; one that is locked for good does not", async () => {
  const locked = { reason: "AuthenticatorLocked", message: "locked" } as const;
  const forAWhile = await (await serve(refusing({ ...locked, lockedUntil: later(now, 59_001) }))).post();
  expect(forAWhile).toMatchObject({ status: 423, headers: { "retry-after": "60" } });
  expect(statusOf(forAWhile).details).toEqual({ retryAfterSeconds: 60 });
  const forGood = await (await serve(refusing(locked))).post();
  expect(forGood.headers).not.toHaveProperty("retry-after");
});

const malformedCodes: readonly unknown[] = [
  " 12345",
  "12345 ",
  "123 456",
  "12\t456",
  "12\u00a0456",
  "12\u200b456",
  "\ufeff123456",
  "123456\n",
  "１２３４５６",
  "٠١٢٣٤٥",
  "+12345",
  "-12345",
  "1e5",
  "100e03",
  "0x1234",
  "0x1",
  123456,
  12345,
  ["123456"],
  { 0: "123456" },
  null,
  true,
  "12345",
  "1234567",
  "",
];
test.each(malformedCodes.map((code) => ({ code })))("TO04: %j is a 400, and no flow looks at it", async ({ code }) => {
  const { post, calls } = await serve();
  for (const path of [verifyPath, registerPath]) {
    const answer = await post({ path, body: { codeVerifier, totp: { code } } });
    expect(statusOf(answer)).toMatchObject({
      code: 400,
      reason: "BadRequest",
      message: "field totp.code is missing or malformed",
    });
  }
  expect(calls).toEqual([]);
});

test.each<[string, unknown]>([
  ["no codeVerifier", { totp: { code: "123456" } }],
  ["a short one", { ...proof, codeVerifier: "A".repeat(42) }],
  ["one whose last character carries bits too many", { ...proof, codeVerifier: `${"A".repeat(42)}B` }],
  ["one that is a list", { ...proof, codeVerifier: [codeVerifier] }],
  ["an unknown field", { ...proof, sekret: "x" }],
  ["an unknown field further in", { ...proof, totp: { code: "123456", sekret: 1 } }],
  ["no proof", { codeVerifier }],
  ["a list", [proof]],
  ["null", null],
  ["text", "codeVerifier"],
])("a body with %s is a 400 that repeats nothing of it", async (_what, body) => {
  const { post, calls } = await serve();
  const answer = await post({ body });
  expect(statusOf(answer)).toMatchObject({ code: 400, reason: "BadRequest" });
  expect(answer.text).not.toMatch(/sekret|AAAA|123456/);
  expect(calls).toEqual([]);
});

test.each([
  ["no JSON", "{codeVerifier"],
  ["nothing", ""],
  ["JSON of deep lists", "[".repeat(8000)],
  ["a key __proto__", `{"codeVerifier":"${codeVerifier}","totp":{"code":"123456"},"__proto__":{"admin":true}}`],
  ["a key constructor", `{"codeVerifier":"${codeVerifier}","totp":{"code":"123456","constructor":{}}}`],
])("a body of %s is a 400", async (_what, raw) => {
  const { post, calls } = await serve();
  expect(statusOf(await post({ raw }))).toMatchObject({ code: 400, reason: "BadRequest" });
  expect(calls).toEqual([]);
});

test("of a doubled field the last counts, for all", async () => {
  const { post, calls } = await serve();
  await post({ raw: `{"codeVerifier":"x","codeVerifier":"${codeVerifier}","totp":{"code":"012345"}}` });
  expect(calls).toEqual([["prove", { namespace: "payments", name: "debug-x7k2m" }, proof]]);
});

test("a body over 16 KiB is a 413, with and without a length", async () => {
  const { post, calls } = await serve();
  const raw = JSON.stringify({ ...proof, pad: "x".repeat(usualLimits.bodyBytes) });
  for (const headers of [{ "Content-Length": String(raw.length) }, { "Transfer-Encoding": "chunked" }]) {
    const answer = await post({ raw, headers });
    expect(statusOf(answer)).toMatchObject({ code: 413, reason: "RequestEntityTooLarge" });
    expect(answer.headers["connection"]).toBe("close");
  }
  expect(calls).toEqual([]);
});

test.each<{ [name: string]: string | string[] }>([
  { "Content-Type": "text/plain" },
  { "Content-Type": "application/x-www-form-urlencoded" },
  { "Content-Type": "application/json; charset=utf-16" },
  { "Content-Type": "application/merge-patch+json" },
  { "Content-Type": "" },
  { "Content-Type": ["application/json", "text/plain"] },
  { "Content-Type": "application/json", "Content-Encoding": "gzip" },
])("HT03: %j is a 415", async (headers) => {
  const { post, calls } = await serve();
  expect(statusOf(await post({ headers }))).toMatchObject({ code: 415, reason: "UnsupportedMediaType" });
  expect(calls).toEqual([]);
});

test("application/json with its charset spelled out is taken", async () => {
  const { post } = await serve();
  expect((await post({ headers: { "Content-Type": 'Application/JSON; charset="UTF-8"' } })).status).toBe(200);
});

test.each(["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])(
  "HT03: %s on a path of ours is a 405 without a word",
  async (verb) => {
    const { post, calls } = await serve();
    const answer = await post({ verb });
    expect(answer).toMatchObject({ status: 405, headers: { allow: "POST" } });
    expect(statusOf(answer)).not.toHaveProperty("reason");
    expect(calls).toEqual([]);
  },
);

test.each([
  "/",
  "/metrics",
  "/livez",
  "/v1alpha1",
  `${verifyPath}/`,
  verifyPath.toUpperCase(),
  `/${verifyPath}`,
  requestPath("Payments", "x", "verify"),
  requestPath("pay.ments", "x", "verify"),
  requestPath("a".repeat(64), "x", "verify"),
  requestPath("payments", "a".repeat(64), "verify"),
  requestPath("payments", "-x", "verify"),
  requestPath("payments", "..", "verify"),
  requestPath("payments", "%2e%2e", "verify"),
  requestPath("payments", "a%2Fb", "verify"),
  requestPath("payments", "x_y", "verify"),
  requestPath("pay%6dents", "x", "verify"),
  requestPath("payments", "%ff", "verify"),
  "/v1alpha1/namespaces/payments/elevationrequests/x/register",
  "/v1alpha1/namespaces//elevationrequests/x/verify",
  authenticatorPath("alice.totp", "register"),
  authenticatorPath("616C.totp", "register"),
  authenticatorPath("616.totp", "register"),
  authenticatorPath("616c.key-0", "register"),
  authenticatorPath("616c.key-10", "register"),
  authenticatorPath(".totp", "register"),
  authenticatorPath(`${"61".repeat(111)}.totp`, "register"),
])("HT07: nothing is at %s", async (path) => {
  const { post, calls } = await serve();
  expect(statusOf(await post({ path }))).toMatchObject({ code: 404, reason: "NotFound" });
  expect(calls).toEqual([]);
});

test("names as long as they may be are taken", async () => {
  const { post } = await serve();
  expect((await post({ path: requestPath("a".repeat(63), `a.${"b".repeat(61)}`, "verify") })).status).toBe(200);
  expect((await post({ path: authenticatorPath(`${"61".repeat(110)}.key-9`, "register") })).status).toBe(201);
});

test("an unexpected error is a 500 that says nothing, and is logged under the number that it gives", async () => {
  const { post, logged } = await serve({ prove: () => Promise.reject(new Error("the seed was 42")) });
  const answer = await post();
  expect(statusOf(answer)).toMatchObject({ code: 500, reason: "InternalError" });
  expect(answer.text).toContain("id-1");
  expect(answer.text).not.toContain("seed");
  expect(logged).toEqual([expect.stringMatching(/the seed was 42.*id-1/)]);
});

test("an API server that cannot be reached is a 503 with Retry-After", async () => {
  const { post } = await serve({ prove: () => Promise.reject(new Error("connect ECONNREFUSED")) });
  const answer = await post();
  expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "2" } });
  expect(statusOf(answer).reason).toBe("ServiceUnavailable");
});

test("who opens one object has a limit, and those of another do not feel it, whatever address they claim", async () => {
  const { post } = await serve({}, { perCodeVerifier: 2 });
  for (const path of [verifyPath, requestPath("payments", "other", "verify"), registerPath]) {
    expect([await post({ path }), await post({ path })].map(({ status }) => status < 300)).toEqual([true, true]);
    const answer = await post({ path, headers: { "X-Forwarded-For": "203.0.113.9" } });
    expect(statusOf(answer)).toMatchObject({ code: 429, reason: "TooManyRequests" });
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  }
});

test("a stranger's posts use up nothing of who has the codeVerifier", async () => {
  const { post, calls } = await serve({}, { perCodeVerifier: 2 });
  for (const wrong of ["B", "B", "B", "B", "C", "D"])
    await post({ body: { ...proof, codeVerifier: `${wrong.repeat(42)}A` } });
  for (const body of [{}, { codeVerifier: 1 }, [codeVerifier], null]) await post({ body });
  expect(calls).toHaveLength(4); // of the four alike two
  expect([(await post()).status, (await post()).status, (await post()).status]).toEqual([200, 200, 429]);
});

test("one address has a limit, and what it is refused is not counted for all", async () => {
  const { post } = await serve({}, { perAddress: 2, overall: 3 });
  const statuses: number[] = [];
  for (let count = 0; count < 5; count++) statuses.push((await post()).status);
  expect(statuses).toEqual([200, 200, 429, 429, 429]);
});

test("all callers together have a limit too, on any path", async () => {
  const { post } = await serve({}, { overall: 3 });
  const statuses: number[] = [];
  for (const path of ["/", requestPath("payments", "a", "verify"), requestPath("payments", "b", "verify"), verifyPath])
    statuses.push((await post({ path })).status);
  expect(statuses).toEqual([404, 200, 200, 429]);
});

test("waiting answers are bounded: one too many is a 429, and there is room again when one has been told", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof verified>();
  const started = Promise.withResolvers<void>();
  const { post } = await serve(
    {
      prove: () => {
        started.resolve();
        return promise;
      },
    },
    { inFlight: 1 },
  );
  const first = post();
  await started.promise;
  expect((await post()).status).toBe(429);
  resolve(verified);
  expect((await first).status).toBe(200);
  await expect.poll(async () => (await post()).status).toBe(200);
});

test("nothing invites a browser: no CORS, no cookie, no cache, no framework's name", async () => {
  const { post } = await serve();
  for (const answer of [await post({ headers: { Origin: "https://evil.example" } }), await post({ path: "/" })]) {
    expect(Object.keys(answer.headers).join(" ")).not.toMatch(/access-control|set-cookie|x-powered-by|etag|ratelimit/i);
    expect(answer.headers).toMatchObject({
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
    });
  }
});

test("the page is served at /, with what it loads, and may run its own script and nothing else", async () => {
  const page: Page = new Map([
    ["index.html", Buffer.from("<p>")],
    ["page.js", Buffer.from("1")],
  ]);
  const { post } = await serve({}, {}, page);
  const answer = await post({ path: "/", verb: "GET" });
  expect(answer).toMatchObject({ status: 200, text: "<p>" });
  expect(answer.headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "content-security-policy":
      "default-src 'none';script-src 'self';style-src 'self';connect-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
  });
  expect((await post({ path: "/page.js", verb: "GET" })).headers["content-type"]).toBe(
    "text/javascript; charset=utf-8",
  );
  expect(await post({ path: "/" })).toMatchObject({ status: 405, headers: { allow: "GET" } });
  for (const path of ["/page.css", "/index.html", "//", "/./", "/PAGE.JS"])
    expect((await post({ path, verb: "GET" })).status).toBe(404);
});

test("HT18: plain HTTP gets no answer, TLS 1.1 no handshake, TLS 1.2 and 1.3 do", async () => {
  const { port } = await serve();
  expect(await spokenPlainly(port, `GET / HTTP/1.1\r\nHost: x\r\n\r\n`)).not.toContain("HTTP/1.1");
  const handshake = (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3"): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls(
        {
          host: "127.0.0.1",
          port,
          ca: tls.cert,
          servername: "localhost",
          minVersion: version,
          maxVersion: version,
          ciphers: "DEFAULT:@SECLEVEL=0",
        },
        () => {
          resolve(socket.getProtocol() ?? "");
          socket.destroy();
        },
      );
      socket.on("error", reject);
    });
  await expect(handshake("TLSv1.1")).rejects.toThrow(/protocol|alert|reset|hang up/i);
  expect(await handshake("TLSv1.2")).toBe("TLSv1.2");
  expect(await handshake("TLSv1.3")).toBe("TLSv1.3");
});

test("HT02: slow headers, a slow body and a silent connection are closed in their time", async () => {
  const { port, calls } = await serve({}, { headersMs: 60, requestMs: 120 });
  expect(await spoken(port, `POST ${verifyPath} HTTP/1.1\r\nHost: x\r\nX-A`)).toMatch(/408/);
  const head = `POST ${verifyPath} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{`;
  expect(await spoken(port, head)).toMatch(/40[08]/);
  expect(await spokenPlainly(port, "")).toBe("");
  expect(calls).toEqual([]);
});

test("a new certificate serves from the next connection on", async () => {
  const { port, endpoint } = await serve();
  const served = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  const before = await served();
  endpoint.useCertificate(await newCertificate());
  expect(await served()).not.toBe(before);
});

test("closing lets what is under way be told, and takes nothing new", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof verified>();
  const started = Promise.withResolvers<void>();
  const { post, endpoint } = await serve({
    prove: () => {
      started.resolve();
      return promise;
    },
  });
  const first = post();
  await started.promise;
  const closed = endpoint.close(10_000);
  await expect(post()).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
  resolve(verified);
  expect((await first).status).toBe(200);
  await closed;
});
