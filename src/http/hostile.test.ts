import { gzipSync } from "node:zlib";
import { assert, asyncProperty, constantFrom, string } from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import {
  challengePath,
  codeVerifier,
  connected,
  heard,
  proof,
  registerPath,
  serve,
  spoken,
  statusOf,
  verifyPath,
} from "../../test/fakes/served.ts";
import { requestPath } from "../api/v1alpha1/wire.ts";
import { usualLimits } from "./limits.ts";

// What no honest client sends, byte by byte where it has to be. Each is answered with a Status that tells nothing of the
// inside, and reaches no flow.

afterEach(() => {
  vi.restoreAllMocks();
});

const good = JSON.stringify(proof);
const type = "Content-Type: application/json";
const length = `Content-Length: ${String(good.length)}`;
const chunked = "Transfer-Encoding: chunked";
const inChunks = `${good.length.toString(16)}\r\n${good}\r\n0\r\n\r\n`;
const message = (line: string, headers: readonly string[], body = ""): string =>
  `${[line, ...headers].join("\r\n")}\r\n\r\n${body}`;
const verifying = `POST ${verifyPath} HTTP/1.1`;
const honest = message(verifying, ["Host: x", type, length, "Connection: close"], good);

/** The last answer of those that came, which is a Status with its own code, and closes the connection. */
function refusalIn(text: string): { readonly code: number; readonly message: string } {
  const [head = "", body = ""] = text.slice(text.lastIndexOf("HTTP/1.1 ")).split("\r\n\r\n");
  const status = statusOf({ text: body });
  expect(head.startsWith(`HTTP/1.1 ${String(status.code)} `)).toBe(true);
  expect(head).toMatch(/\r\nConnection: close(?:\r\n|$)/);
  expect(head).toMatch(/\r\nCache-Control: no-store\r\n/);
  expect(text).not.toMatch(/node|express|llhttp|HPE_|\.ts|stack|<html/i);
  return status;
}

test("the bytes of an honest request, which the others here are made of, are taken", async () => {
  const { port, calls } = await serve();
  expect(await spoken(port, honest)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(await spoken(port, message(verifying, ["Host: x", type, chunked, "Connection: close"], inChunks))).toMatch(
    /^HTTP\/1\.1 200 OK\r\n/,
  );
  expect(calls).toHaveLength(2);
});

test.each<[string, string]>([
  ["Content-Length and Transfer-Encoding", message(verifying, ["Host: x", type, length, chunked], inChunks)],
  ["Transfer-Encoding and Content-Length", message(verifying, ["Host: x", type, chunked, length], inChunks)],
  ["two lengths", message(verifying, ["Host: x", type, length, "Content-Length: 3"], good)],
  ["two lengths alike", message(verifying, ["Host: x", type, length, length], good)],
  ["a list of lengths", message(verifying, ["Host: x", type, `Content-Length: ${String(good.length)}, 3`], good)],
  ["a length below none", message(verifying, ["Host: x", type, "Content-Length: -1"])],
  ["a length with a sign", message(verifying, ["Host: x", type, `Content-Length: +${String(good.length)}`], good)],
  ["a length in hexadecimal", message(verifying, ["Host: x", type, "Content-Length: 0x3d"], good)],
  ["a length that overflows", message(verifying, ["Host: x", type, "Content-Length: 18446744073709551677"], good)],
  [
    "an encoding after chunked",
    message(verifying, ["Host: x", type, "Transfer-Encoding: chunked, identity"], inChunks),
  ],
  ["an encoding unknown", message(verifying, ["Host: x", type, "Transfer-Encoding: xchunked"], inChunks)],
  [
    "an encoding in two headers",
    message(verifying, ["Host: x", type, chunked, "Transfer-Encoding: identity"], inChunks),
  ],
  ["a blank before the colon", message(verifying, ["Host: x", type, "Transfer-Encoding : chunked"], inChunks)],
  ["a blank before a header", message(verifying, ["Host: x", ` ${chunked}`, type, length], good)],
  ["a header that is folded", message(verifying, ["Host: x", type, "X-A: b\r\n c", length], good)],
  ["bare line feeds", honest.replaceAll("\r\n", "\n")],
  ["a bare line feed in a header", message(verifying, ["Host: x", type, `X-A: b\n${chunked}`, length], good)],
  ["a bare carriage return", message(verifying, ["Host: x", type, `X-A: b\r${chunked}`, length], good)],
  ["a NUL in a header", message(verifying, ["Host: x", type, "X-A: b\0c", length], good)],
  ["a NUL in the path", message("GET /a\0b HTTP/1.1", ["Host: x"])],
  ["a path of another script", message("GET /\u00e9\u2028 HTTP/1.1", ["Host: x"])],
  ["an escape sequence in the path", message("GET /\u001b[31m HTTP/1.1", ["Host: x"])],
  ["a path with a blank", message("GET /a b HTTP/1.1", ["Host: x"])],
  ["no path", message("GET ?codeVerifier HTTP/1.1", ["Host: x"])],
  ["a mail address as path", message("POST mailto:x@y HTTP/1.1", ["Host: x", type, length], good)],
  ["a chunk of no length", message(verifying, ["Host: x", type, chunked], "zz\r\n")],
  ["a chunk of more than there is", message(verifying, ["Host: x", type, chunked], "FFFFFFFFFFFFFFFFF\r\n")],
  [
    "a length in a trailer",
    message(verifying, ["Host: x", type, chunked], `${inChunks.slice(0, -2)}${length}\r\n\r\n`),
  ],
  ["HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["HTTP/3.0", message(`POST ${verifyPath} HTTP/3.0`, ["Host: x", type, length], good)],
  ["a verb that nobody knows", message(`CODE ${verifyPath} HTTP/1.1`, ["Host: x"])],
  ["no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n"],
  ["a path with backslashes", message("POST http:\\\\evil.example\\x HTTP/1.1", ["Host: x", type, length], good)],
])("HT01, HT02: %s is a 400, and the connection ends there", async (_what, bytes) => {
  const { port, calls } = await serve();
  // what would be smuggled is a whole request that stands behind
  expect(refusalIn(await spoken(port, `${bytes}${honest}`))).toMatchObject({ code: 400, reason: "BadRequest" });
  expect(calls).toEqual([]);
});

test.each<[string, string]>([
  ["no host", message(verifying, [type, length], good)],
  ["two hosts", message(verifying, ["Host: x", "Host: evil.example", type, length], good)],
  ["HTTP/1.0 without a host", message(`POST ${verifyPath} HTTP/1.0`, [type, length], good)],
  ["HTTP/0.9", "GET /\r\n\r\n"],
])("HT09: %s is a 400, and the connection ends there", async (_what, bytes) => {
  const { port, calls } = await serve();
  expect(refusalIn(await spoken(port, bytes))).toMatchObject({ code: 400, reason: "BadRequest" });
  expect(calls).toEqual([]);
});

test.each<[string, string]>([
  ["a huge path", message(`GET /${"a".repeat(9_000)} HTTP/1.1`, ["Host: x"])],
  ["a huge header", message("GET / HTTP/1.1", ["Host: x", `X-A: ${"a".repeat(9_000)}`])],
  ["1,500 headers", message("GET / HTTP/1.1", ["Host: x", ...Array.from({ length: 1_500 }, () => "a:bc")])],
])("HT01: %s is a 431", async (_what, bytes) => {
  const { port } = await serve();
  expect(refusalIn(await spoken(port, bytes)).code).toBe(431);
});

test("HT01: extensions of chunks have an end too", async () => {
  const { port, calls } = await serve();
  const body = `1;${"a".repeat(20_000)}\r\n{\r\n`;
  expect(refusalIn(await spoken(port, message(verifying, ["Host: x", type, chunked], body))).code).toBe(400);
  expect(calls).toEqual([]);
});

test.each<[string, string]>([
  ["a URL of somebody's as path", `POST https://evil.example${verifyPath} HTTP/1.1`],
  ["one that is none", "POST http://[::1 HTTP/1.1"],
  ["one with a port too many", "POST http://a:99999999/ HTTP/1.1"],
  ["a host within the path", "POST //a@[::1#/ HTTP/1.1"],
  ["a fragment", `POST ${verifyPath}#x HTTP/1.1`],
  ["no path but a star", "OPTIONS * HTTP/1.1"],
])("HT07: nothing is at %s, and it is said as everywhere", async (_what, line) => {
  const { port, calls } = await serve();
  const said = await spoken(port, message(line, ["Host: x", type, length, "Connection: close"], good));
  expect(refusalIn(said)).toMatchObject({ code: 404, reason: "NotFound" });
  expect(calls).toEqual([]);
});

test.each([
  "/v1alpha1/../metrics",
  "/v1alpha1/%2e%2e/metrics",
  "/v1alpha1//namespaces/payments/elevationrequests/debug-x7k2m/verify",
  "/v1alpha1/./namespaces/payments/elevationrequests/debug-x7k2m/verify",
  "/v1alpha1/namespaces/x/../payments/elevationrequests/debug-x7k2m/verify",
  "/v1alpha1/namespaces/payments%2felevationrequests/debug-x7k2m/verify",
  "/v1alpha1/namespaces/payments/elevationrequests/debug-x7k2m%00/verify",
  "/v1alpha1/namespaces/payments/elevationrequests/debug-x7k2m%c0%af/verify",
  "/v1alpha1/namespaces/payments/elevationrequests/debug-x7k2m%/verify",
  "/v1alpha1/namespaces/payments/elevationrequests/debug-x7k2m;v=1/verify",
  "/v1alpha1/namespaces/payments/elevationrequests/debug-x7k2m/verify;v=1",
  "/v1alpha1\\namespaces\\payments\\elevationrequests\\debug-x7k2m\\verify",
  "/%761alpha1/namespaces/payments/elevationrequests/debug-x7k2m/verify",
  "/readyz",
  "/index.html/../readyz",
  "/page.js/..%2f..%2fetc/passwd",
])("HT07: nothing is at %s", async (path) => {
  const { port, calls } = await serve();
  for (const verb of ["GET", "POST"]) {
    const said = await spoken(
      port,
      message(`${verb} ${path} HTTP/1.1`, ["Host: x", type, length, "Connection: close"], good),
    );
    expect(refusalIn(said)).toMatchObject({ code: 404, reason: "NotFound" });
  }
  expect(calls).toEqual([]);
});

test("HT07: whatever stands in the path, the answer is a Status of ours, and nothing is thrown", async () => {
  const { port, calls, logged } = await serve();
  const part = constantFrom(
    "/",
    "..",
    "%2e",
    "%2F",
    "%00",
    "%",
    "a",
    "@",
    "[::1",
    "#",
    "?",
    ":",
    "\\",
    "*",
    "v1alpha1",
    "=",
  );
  await assert(
    asyncProperty(string({ unit: part, minLength: 1, maxLength: 12 }), async (path) => {
      const said = await spoken(port, message(`POST ${path} HTTP/1.1`, ["Host: x", type, "Connection: close"]));
      expect([400, 404, 405]).toContain(refusalIn(said).code);
    }),
    { numRuns: 50 },
  );
  expect([calls, logged]).toEqual([[], []]);
});

test("HT01: of one that says that it is small and is not, the rest is another request, and a bad one", async () => {
  const { port, calls } = await serve();
  expect(refusalIn(await spoken(port, message(verifying, ["Host: x", type, length], `${good}${good}`))).code).toBe(400);
  expect(calls).toEqual([["prove", { namespace: "payments", name: "debug-x7k2m" }, proof]]);
});

test("HT01: requests in one breath are answered in their order, each by its own", async () => {
  const { port } = await serve({
    prove: async (about) => ({ reason: "NotReady", message: about.name }),
    challenge: async (about) => {
      await new Promise((resolve) => setTimeout(resolve, 50)); // the slower one comes first
      return { reason: "NotReady", message: about.name };
    },
  });
  const open = JSON.stringify({ codeVerifier });
  const slow = message(
    `POST ${requestPath("payments", "first", "challenge")} HTTP/1.1`,
    ["Host: x", type, `Content-Length: ${String(open.length)}`],
    open,
  );
  const said = await spoken(port, `${slow}${honest}`);
  expect([...said.matchAll(/"message":"([^"]+)"/g)].map(([, about]) => about)).toEqual(["first", "debug-x7k2m"]);
});

test("HT01: a gzip bomb is refused by what its header says, and one that says nothing is no JSON", async () => {
  const { port, calls } = await serve();
  const bomb = gzipSync(Buffer.alloc(12_000_000, 0x20));
  expect(bomb.length).toBeLessThan(usualLimits.bodyBytes);
  const of = (headers: readonly string[]): Buffer => {
    const sized = `Content-Length: ${String(bomb.length)}`;
    return Buffer.concat([
      Buffer.from(message(verifying, ["Host: x", type, sized, "Connection: close", ...headers])),
      bomb,
    ]);
  };
  const before = process.memoryUsage().rss;
  expect(refusalIn(await spoken(port, of(["Content-Encoding: gzip"]))).code).toBe(415);
  expect(refusalIn(await spoken(port, of([]))).code).toBe(400);
  expect(
    refusalIn(await spoken(port, message(verifying, ["Host: x", type, "Transfer-Encoding: gzip, chunked"], inChunks)))
      .code,
  ).toBe(415);
  expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  expect(calls).toEqual([]);
});

test("HT01: what is too large is refused by its first byte too many, and nobody waits for its end", async () => {
  const { port, calls } = await serve();
  const begun = "x".repeat(20_000);
  for (const body of [
    [chunked, `${(1e9).toString(16)}\r\n${begun}`],
    ["Content-Length: 1000000000", begun],
    ["Content-Length: 16385", ""],
  ])
    expect(refusalIn(await spoken(port, message(verifying, ["Host: x", type, body[0] ?? ""], body[1]))).code).toBe(413);
  expect(calls).toEqual([]);
});

test("HT01: 10^5 nested lists are too large; as many as fit are no body, alone or within a field", async () => {
  const { post, calls } = await serve();
  expect((await post({ raw: "[".repeat(100_000) })).status).toBe(413);
  const deep = 8_000;
  const nested = `${"[".repeat(deep)}${"]".repeat(deep)}`;
  expect((await post({ raw: nested })).status).toBe(400);
  const objects = `${'{"a":'.repeat(2_500)}1${"}".repeat(2_500)}`;
  for (const inner of [nested.slice(200, -200), objects]) {
    const bodies = [
      `{"codeVerifier":${inner}}`,
      `{"codeVerifier":"${codeVerifier}","totp":${inner}}`,
      `{"codeVerifier":"${codeVerifier}","webauthn":{"id":"A","type":"public-key","response":${inner}}}`,
    ];
    for (const raw of bodies) expect([raw.slice(0, 70), (await post({ raw })).status]).toEqual([raw.slice(0, 70), 400]);
  }
  // what a browser adds and nobody looks at may be of any shape
  const extended = `{"codeVerifier":"${codeVerifier}","webauthn":{"id":"A","type":"public-key","clientExtensionResults":{"x":${objects}},"response":{"clientDataJSON":"A","authenticatorData":"A","signature":"A"}}}`;
  expect((await post({ raw: extended })).status).toBe(200);
  expect(calls).toHaveLength(1);
  expect(JSON.stringify(calls)).not.toContain('"a"');
});

test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__defineGetter__"])(
  "HT01: a key %s is one that nobody knows, wherever it stands, and changes no object",
  async (key) => {
    const { post, calls } = await serve();
    const evil = `"${key}":{"polluted":true,"codeVerifier":"${codeVerifier}"}`;
    const code = `"totp":{"code":"012345"}`;
    for (const raw of [
      `{"codeVerifier":"${codeVerifier}",${code},${evil}}`,
      `{"codeVerifier":"${codeVerifier}","totp":{"code":"012345",${evil}}}`,
      `{${code},${evil}}`,
      `{${evil}}`,
    ])
      for (const path of [verifyPath, challengePath, registerPath]) {
        const answer = await post({ path, raw });
        expect(answer.status).toBe(400);
        expect(answer.text).not.toContain("polluted");
      }
    expect(calls).toEqual([]);
    expect({}).not.toHaveProperty("polluted");
  },
);

test("HT01: half of a character, a byte order mark within, or bytes that are no UTF-8 are no body", async () => {
  const { post, calls } = await serve();
  for (const raw of [
    `{"codeVerifier":"\\ud800${codeVerifier.slice(1)}","totp":{"code":"012345"}}`,
    `{"codeVerifier":"${codeVerifier}","totp":{"code":"01234\\udc00"}}`,
    `{"codeVerifier":"${codeVerifier}","totp":{"code":"\ufeff12345"}}`,
    Buffer.concat([
      Buffer.from(`{"codeVerifier":"${codeVerifier}","totp":{"code":"01234`),
      Buffer.from([0xff]),
      Buffer.from('"}}'),
    ]),
    Buffer.from(good, "utf16le"),
  ])
    expect((await post({ raw })).status).toBe(400);
  expect(calls).toEqual([]);
});

const lies: readonly (readonly [string, string])[] = [
  ["X-Forwarded-For", "203.0.113.9"],
  ["X-Forwarded-Host", "evil.example"],
  ["X-Forwarded-Proto", "http"],
  ["X-Real-IP", "203.0.113.9"],
  ["Forwarded", "for=203.0.113.9;host=evil.example"],
  ["X-Remote-User", "system:admin"],
  ["X-Remote-Group", "system:masters"],
  ["X-Remote-Extra-Scopes", "all"],
  ["Impersonate-User", "alice"],
  ["Impersonate-Group", "system:masters"],
  ["Authorization", "Bearer forged"],
  ["Cookie", "session=1"],
  ["X-HTTP-Method-Override", "DELETE"],
  ["X-Original-URL", "/metrics"],
  ["X-Rewrite-URL", "/metrics"],
  ["Host", "evil.example"],
  ["Upgrade", "h2c"],
  ["Expect", "the unexpected"],
  ["Max-Forwards", "0"],
  ["Range", "bytes=0-1"],
];

test("HT09: headers that claim an address, a user or a path have no effect, and leave no line in the log", async () => {
  const { post, calls, logged } = await serve();
  const seen = new Set<string>();
  const tell = ({ status, headers, text }: Awaited<ReturnType<typeof post>>): void => {
    seen.add(JSON.stringify({ status, text, ...headers, date: undefined }));
  };
  const written = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  // the first request is when a library would warn of it
  tell(await post({ headers: Object.fromEntries(lies.filter(([name]) => name !== "Upgrade")) }));
  for (const [name, value] of lies) tell(await post({ headers: { [name]: value } }));
  tell(await post());
  expect(seen.size).toBe(1);
  expect(new Set(calls.map((call) => JSON.stringify(call))).size).toBe(1);
  expect([logged, written.mock.calls, warned.mock.calls]).toEqual([[], [], []]);
});

test("HT09: whoever claims another address each time is counted at the one that he has", async () => {
  const { post } = await serve({}, { perAddress: 4 });
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) {
    const address = `203.0.113.${String(i)}`;
    const headers = {
      "X-Forwarded-For": address,
      Forwarded: `for=${address}`,
      "X-Real-IP": address,
      "True-Client-IP": address,
    };
    statuses.push((await post({ headers })).status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
});

test("HT09: whoever asks for CONNECT is let go without a word", async () => {
  const { port, calls } = await serve();
  expect(await spoken(port, message("CONNECT evil.example:443 HTTP/1.1", ["Host: evil.example"]))).toBe("");
  expect(calls).toEqual([]);
});

test("HT01: who offers HTTP/2 alone gets no handshake", async () => {
  const { port } = await serve();
  await expect(connected(port, { ALPNProtocols: ["h2"] })).rejects.toThrow(/no application protocol/);
  const either = await connected(port, { ALPNProtocols: ["h2", "http/1.1"] });
  expect(either.alpnProtocol).toBe("http/1.1");
  either.destroy();
});

const controls = [
  "\u0085",
  "\u009b31m",
  "\u2028",
  "\u2029",
  "\u202e",
  "\u2066",
  "\u200b",
  "\ufeff",
  "\u007f",
  "\ud800",
  "\u{e0041}",
];

test("HT08: whatever is in a path, a header or an error, a line of the log is one record, of characters that do nothing", async () => {
  const { port, post, logged } = await serve({
    prove: () => Promise.reject(new Error(`no ${controls.join("")}\u001b[2J\rsecond\nthird`)),
  });
  await post({ path: `${verifyPath}?${encodeURIComponent(controls.slice(0, 8).join(""))}` });
  for (const letter of ["\u0085", "\u009b", "\u00ad"])
    await spoken(
      port,
      Buffer.from(honest.replace("Host: x", `Host: x\r\nX-A: ${letter}\r\nReferer: ${letter}`), "latin1"),
    );
  expect(logged).toHaveLength(4);
  for (const line of logged) {
    expect(line).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+\n$/u);
    expect(JSON.parse(line)).toMatchObject({
      level: "error",
      path: verifyPath,
    });
  }
});

test("HT08: no answer repeats what it was sent", async () => {
  const { post } = await serve({ prove: () => Promise.reject(new Error("broken")) });
  const word = "Zx9-canary";
  const answers = [
    await post({ path: `/${word}` }),
    await post({ path: `${verifyPath}?${word}` }),
    await post({ verb: "PUT", path: `${verifyPath}?${word}` }),
    await post({ body: { [word]: word, codeVerifier: word } }),
    await post({ raw: word }),
    await post({ headers: { "Content-Type": word } }),
    await post({ headers: { Host: word, Origin: word, "X-Request-Id": word } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 500, 405, 400, 400, 415, 500]);
  for (const { headers, text } of answers) expect(JSON.stringify(headers) + text).not.toContain(word);
});

test("HT01: of a body that nobody reads, the rest is not waited for", async () => {
  const { port } = await serve();
  const announced = "Content-Length: 1000000000";
  const lines = ["POST /nothing HTTP/1.1", `PUT ${verifyPath} HTTP/1.1`];
  for (const line of lines) refusalIn(await spoken(port, message(line, ["Host: x", type, announced])));
  const socket = await connected(port);
  const all = heard(socket);
  socket.write(message("POST /nothing HTTP/1.1", ["Host: x", type, chunked]));
  expect(refusalIn(await all).code).toBe(404);
});
