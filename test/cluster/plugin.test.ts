import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import {
  endpointCAFile,
  type Process,
  startController,
  startVerifier,
  type Verifier,
} from "../../hack/controlplane/processes.ts";
import { instant } from "../../src/domain/time.ts";
import { keyMaker } from "../../src/mfa/keys.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { ask, codeAt, enroll, invite, type Person, stepNow, wrongCodes } from "./support/endpoint.ts";
import { cacheOf, type Ended, pluginOf, type Run, recordingKubectl } from "./support/plugin.ts";

// kubectl elevate from end to end: the real kubectl, API server, controller and verifier. Each test has a person of its
// own, because a code is good once.

const people = ["ada", "ben", "cem", "dee", "eve", "fay", "gus"];
const cluster = useControlPlane({
  installed: "samples",
  users: people.map((name) => ({ name, groups: ["devs"] })),
});
const elevate: Run = pluginOf(() => cluster.plane);
const run = async (user: string, ...args: readonly string[]): Promise<Ended> =>
  elevate(user, args, { input: "" }).ended;
const inShop = ["-n", "shop", "-j", "INC-1 test"];
const mayReadPods = async (user: string): Promise<boolean> =>
  cluster.can(user, { verb: "list", resource: "pods", namespace: "shop" });
const requestsOf = async (user: string): Promise<number> => {
  const selector = `--field-selector=spec.requester.username=${user}`;
  return (await cluster.kubectl("admin", "get", "elev", "-A", selector, "-o", "name")).split("\n").filter(Boolean)
    .length;
};

let verifier: Verifier;
let controller: Process;
let ca = "";
const enrolled = async (user: string): Promise<Person> => enroll(cluster, verifier, ca, user);
const codeOf = async ({ seed }: Person): Promise<string> => codeAt(seed, await stepNow());

beforeAll(async () => {
  const processes: readonly [Verifier, Process] = await Promise.all([
    startVerifier(cluster.plane, { env: { KUBE_ELEVATE_CLUSTER_NAME: "shop-eu", KUBE_ELEVATE_CONTACT: "#oncall" } }),
    startController(cluster.plane, { env: { KUBE_ELEVATE_CLUSTER_NAME: "shop-eu" } }),
  ]);
  [verifier, controller] = processes;
  ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
});

test("TO15, EN13, PL01: invited, enrolled, asked, proven, allowed, over: by the plugin alone", async () => {
  expect(await mayReadPods("alice")).toBe(false);
  const invited = await run("ivy", "invite", "alice");
  expect(invited).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[\w-]{43}\n$/) as unknown });

  const enrolling = elevate("alice", ["enroll", "totp", "--ticket-stdin"]);
  enrolling.enter(invited.stdout.trim());
  const [, seed = ""] = /secret into it: {2}([A-Z2-7]+)\n/.exec(await enrolling.sees(/Code from/)) ?? [];
  enrolling.enter(codeAt(seed, (await stepNow()) - 1));
  expect(await enrolling.ended).toMatchObject({
    code: 0,
    stdout: "authenticator.kube-elevate.dev/616c696365.totp enrolled\n",
  });
  const spent = await elevate("alice", ["enroll", "totp"], { input: invited.stdout }).ended;
  expect([spent.code, spent.stderr.includes(seed)]).toEqual([1, false]);

  const asking = elevate("alice", ["request", "shop-debug", ...inShop, "--duration", "1h"]);
  expect(await asking.sees(/Code from/)).toBe(`\
You ask for  ClusterRole/pod-debugger in namespace shop, for 15m (not 1h: TOTP gives no more)
As           alice on shop-eu
Code from your authenticator app: `);
  asking.enter(codeAt(seed, await stepNow()));
  const asked = await asking.ended;
  expect(asked.stderr).toMatch(
    /app: \*{6}\nActive until \d\d:\d\d:\d\d UTC \(15m\), in every shell that uses your credentials\.\nLonger: kubectl elevate extend -n shop {4}Give back: kubectl elevate release -n shop\n$/,
  );
  expect([asked.code, asked.stdout]).toEqual([
    0,
    expect.stringMatching(/^elevationrequest\.kube-elevate\.dev\/shop-debug-\w{5} active\n$/) as unknown,
  ]);
  expect(await mayReadPods("alice")).toBe(true);

  const { stdout } = await run("alice");
  expect(stdout).toMatch(/^NAMESPACE {3}NAME .*\nshop {8}shop-debug-\w{5} {3}pod-debugger {3}TOTP {5}14m {4}.* UTC\n$/);
});

test("PL01: a grant that is over: status says so with exit 5", async () => {
  const person = await enrolled("ada");
  const { code, stdout } = await elevate(
    "ada",
    ["request", "shop-debug", ...inShop, "--duration", "2s", "--code-stdin", "-o", "name"],
    { input: await codeOf(person) },
  ).ended;
  expect(code).toBe(0);
  const name = stdout.trim().replace(/^.*\//, "");
  await eventually(async () => (await run("ada", "status", name, "-n", "shop")).code === 5, 15, "the grant is over");
  expect(await mayReadPods("ada")).toBe(false);
  expect((await run("ada")).stderr).toContain(`Last: ${name} in shop, expired`);
});

test("PL01: exit codes and words of what is refused; nothing is created, stdout is empty", async () => {
  const cases: readonly (readonly [readonly string[], number, string])[] = [
    [["request"], 2, "error: missing required argument 'policy'"],
    [["request", "shop-debug", "--duration", "soon"], 2, "error: --duration takes a duration"],
    [["request", "shop-debug", "--context", "nowhere"], 1, 'error: context "nowhere" does not exist'],
    [
      ["request", "shop-debug", ...inShop, "--duration", "2h"],
      3,
      "error (DurationTooLong): shop-debug lasts at most 1h; you asked for 2h. Try --duration 1h",
    ],
    [
      ["request", "shop-debug", ...inShop, "--duration", "25h"],
      3,
      "error (DurationTooLong): shop-debug lasts at most 1h; you asked for 25h. Try --duration 1h",
    ],
    [
      ["request", "shop-debug", "-n", "shop", "-j", "it is down"],
      3,
      'error (JustificationMismatch): shop-debug wants a justification like "INC-4312 what happens"\n  (pattern ^INC-[0-9]+)',
    ],
    [["request", "shop-debug", "-n", "shop"], 3, "error (Justification"],
    [
      ["request", "shop-debug", "-n", "kube-system", "-j", "INC-1 x"],
      3,
      "error (NamespaceNotAllowed): no elevation in namespace kube-system, by any policy",
    ],
    [
      ["request", "nothing", ...inShop],
      3,
      "error (PolicyNotFound): policy nothing does not exist.\n  What you may use: kubectl elevate policies -n shop",
    ],
    [
      ["request", "keys-only", ...inShop],
      3,
      "error (MethodNotAllowed): keys-only takes WebAuthn, and no page is set up on shop-eu",
    ],
    [
      ["request", "shop-debug", ...inShop],
      3,
      "error: you have no second factor on shop-eu yet; shop-debug needs one (TOTP).",
    ],
    [["invite", "ben"], 3, "error (InviteNotPermitted): "],
    [["status", "nothing", "-n", "shop"], 1, "error: no request nothing in namespace shop"],
    [["prove", "nothing", "-n", "shop"], 1, "error: no request nothing in namespace shop"],
  ];
  await cluster.apply(
    "admin",
    policyOf("keys-only", { authentication: { methods: ["WebAuthn"] } }),
    ...usableBy("devs", "keys-only"),
  );
  for (const [args, code, says] of cases) {
    const ended = await run("ben", ...args);
    expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code, stdout: "" });
    expect(ended.stderr).toContain(says);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  }
  expect(await requestsOf("ben")).toBe(0);
  const denied = await run("bob", "request", "shop-debug", "-n", "default", "-j", "INC-1 x");
  expect(denied.stderr).toMatch(/^error \((UseNotPermitted|NamespaceNotSelected)\): /);
});

test("PL03: without a factor the line for the inviter is there to be copied; three wrong codes leave it Pending", async () => {
  const none = await run("cem", "request", "shop-debug", ...inShop);
  expect(none).toEqual({
    code: 3,
    stdout: "",
    stderr: `\
error: you have no second factor on shop-eu yet; shop-debug needs one (TOTP).
  Ask #oncall to run this and to hand you the ticket it prints (you cannot do it yourself):
    kubectl elevate invite 'cem'
  then set one up, and ask again:
    kubectl elevate enroll totp
`,
  });
  expect(await requestsOf("cem")).toBe(0);
  const { seed } = await enrolled("cem");
  const codes = wrongCodes(seed, await stepNow(), 4);
  const wrong = await elevate("cem", ["request", "shop-debug", ...inShop], { input: codes.slice(0, 3).join("\n") })
    .ended;
  const [, name = ""] = /(shop-debug-\w{5}) will time out; ask again: (.*)\n/.exec(wrong.stderr) ?? [];
  expect([wrong.code, wrong.stdout]).toEqual([3, ""]);
  expect(wrong.stderr).toMatch(
    /That code is not right\. Try again \((5m|4m\d\ds) left\)\n[^]*three codes were refused\. Is the clock/,
  );
  expect(await cluster.kubectl("admin", "get", "elev", name, "-n", "shop", "-o", "jsonpath={.status.phase}")).toBe(
    "Pending",
  );
  const once = await elevate("cem", ["request", "shop-debug", ...inShop, "--code-stdin"], {
    input: codes.slice(2).join("\n"),
  }).ended;
  expect(once).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("error (ProofRejected): the code was refused") as unknown,
  });
});

test("PL05: prove shows a request before it claims it; what is not to be proven stays untouched", async () => {
  const person = await enrolled("dee");
  const spec = { policyName: "shop-debug", justification: "INC-7 applied" };
  const made = (name: string): object => ({
    apiVersion: "kube-elevate.dev/v1alpha1",
    kind: "ElevationRequest",
    metadata: { name, namespace: "shop" },
    spec,
  });
  await cluster.apply("dee", made("applied"));
  const stranger = await run("bob", "prove", "applied", "-n", "shop");
  expect([stranger.code, stranger.stderr]).toEqual([
    3,
    "error (RequesterMismatch): applied was asked for by dee, who alone can prove it\n",
  ]);

  const proving = elevate("dee", ["prove", "applied", "-n", "shop"]);
  expect(await proving.sees(/Code from/)).toMatch(
    /^applied was not made by this terminal, but \d+s ago by somebody with your credentials\.\nType a code only if it was you\.\nIt asks for {2}ClusterRole\/pod-debugger in namespace shop, for 15m\nAs {11}dee on shop-eu\nWhy {10}INC-7 applied\n/,
  );
  const claim = ["get", "elev", "applied", "-n", "shop", "-o", "jsonpath={.spec.codeChallenge}"];
  expect(await cluster.kubectl("admin", ...claim)).toBe("");
  proving.enter(await codeOf(person));
  expect(await proving.ended).toMatchObject({ code: 0, stdout: "elevationrequest.kube-elevate.dev/applied active\n" });
  expect(await mayReadPods("dee")).toBe(true);

  const { name } = await ask(cluster, "dee", "claimed");
  const claimed = await run("dee", "prove", name, "-n", "shop");
  expect([claimed.code, claimed.stderr]).toEqual([
    3,
    expect.stringContaining("error (CallerUnknown): claimed is claimed already") as unknown,
  ]);
});

test("PL06: with an active grant nothing is created; --new asks all the same. PL08: Ctrl-C sends no proof", async () => {
  const person = await enrolled("eve");
  const args = ["request", "shop-debug", ...inShop];
  const first = await elevate("eve", [...args, "--code-stdin"], { input: await codeOf(person) }).ended;
  const second = await run("eve", ...args);
  expect([second.code, second.stdout]).toEqual([0, first.stdout]);
  expect(second.stderr).toMatch(
    /^Already active until \d\d:\d\d:\d\d UTC \(14m left\): nothing to prove, nothing changed\.\n/,
  );
  expect(await requestsOf("eve")).toBe(1);

  const third = elevate("eve", [...args, "--new"]);
  await third.sees(/Code from/);
  third.kill("SIGINT");
  const { code, stdout, stderr } = await third.ended;
  expect([code, stdout]).toEqual([130, ""]);
  expect(stderr).toMatch(
    /Given up: nothing was proven\. (shop-debug-\w{5}) will time out;?\s+ask again: kubectl elevate request shop-debug -n shop -j "\.\.\."\n$/,
  );
  expect(await requestsOf("eve")).toBe(2);
  const phases = await cluster.kubectl(
    "admin",
    "get",
    "elev",
    "-n",
    "shop",
    "--field-selector=spec.requester.username=eve",
    "-o",
    "jsonpath={.items[*].status.phase}",
  );
  expect(phases.split(" ").toSorted()).toEqual(["Active", "Pending"]);
});

test("HT13: no verifier, code, ticket, seed or token in argv or environment of any process, nor in any file of the plugin", async () => {
  const recording = await recordingKubectl(cluster.plane);
  const env = { KUBECTL: recording.path };
  const ticket = await invite(cluster, "fay");
  const seen: string[] = [];
  const look = async (pid: number): Promise<void> => {
    for (const file of ["cmdline", "environ"]) seen.push(await readFile(`/proc/${String(pid)}/${file}`, "utf8"));
  };
  const enrolling = elevate("fay", ["enroll", "totp"], { env });
  enrolling.enter(ticket);
  const [, seed = ""] = /secret into it: {2}([A-Z2-7]+)\n/.exec(await enrolling.sees(/Code from/)) ?? [];
  await look(enrolling.pid);
  const first = codeAt(seed, (await stepNow()) - 1);
  enrolling.enter(first);
  expect(await enrolling.ended).toMatchObject({ code: 0 });

  const asking = elevate("fay", ["request", "shop-debug", ...inShop, "-o", "json"], { env });
  await asking.sees(/Code from/);
  await look(asking.pid);
  const second = codeAt(seed, await stepNow());
  asking.enter(second);
  const { code, stdout } = await asking.ended;
  expect(code).toBe(0);
  const { spec } = z.object({ spec: z.object({ codeChallenge: z.string() }) }).parse(JSON.parse(stdout));

  const record = await recording.record();
  expect(record.match(/^run: /gm)?.length).toBeGreaterThan(8);
  const files = await filesIn(cacheOf(cluster.plane));
  const logs = await filesIn(join(cluster.plane.dir, "logs"));
  const everything = [record, ...seen, ...files, ...logs, await readFile(cluster.plane.auditLog, "utf8")].join("\n");
  expect(everything).toContain(spec.codeChallenge);
  for (const secret of [ticket, seed, cluster.plane.tokenOf("fay")]) expect(everything).not.toContain(secret);
  const processes = [record, ...seen, ...files].join("\n");
  for (const secret of [first, second]) expect(processes).not.toContain(secret);
  expect(hashesIn(everything)).not.toContain(spec.codeChallenge);
});

test("HT18: nothing is sent to a server whose certificate the trust ConfigMap does not vouch for, nor without TLS", async () => {
  const person = await enrolled("gus");
  const { key, certificate } = await keyMaker.endpoint(["127.0.0.1"], instant(Date.now()));
  const requests: unknown[] = [];
  const server = createServer({ key, cert: certificate }, (request, response) => {
    requests.push(request.url);
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  try {
    const input = await codeOf(person);
    const args = ["request", "shop-debug", ...inShop, "--code-stdin"];
    const wrong = await elevate("gus", [...args, "--endpoint", `https://127.0.0.1:${String(port)}`], { input }).ended;
    expect([wrong.code, wrong.stdout]).toEqual([1, ""]);
    expect(wrong.stderr).toMatch(
      /^error: the certificate of https:\/\/127\.0\.0\.1:\d+ is none that the ConfigMap kube-elevate-trust\n {2}vouches for \(self-signed certificate\)\.\n {2}Nothing was sent\./,
    );
    const insecure = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
    const off = await elevate("gus", [...args, "--endpoint", `https://127.0.0.1:${String(port)}`], {
      input,
      env: insecure,
    }).ended;
    expect([off.code, requests]).toEqual([1, []]);
    const plain = await elevate("gus", [...args, "--endpoint", `http://127.0.0.1:${String(port)}`], { input }).ended;
    expect([plain.code, plain.stderr]).toEqual([
      1,
      `error: the endpoint http://127.0.0.1:${String(port)} is no https address\n`,
    ]);
    expect(await requestsOf("gus")).toBe(0);

    // PL07: the flag wins over the environment, the environment over the ConfigMap
    const env = { KUBE_ELEVATE_ENDPOINT: `https://127.0.0.1:${String(port)}` };
    expect(await elevate("gus", args, { input, env }).ended).toMatchObject({ code: 1 });
    const right = await elevate("gus", [...args, "--endpoint", verifier.endpoint], { input, env }).ended;
    expect(right).toMatchObject({ code: 0 });
    expect(requests).toEqual([]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("PL07: --kubeconfig, --context and --as are kubectl's own; doctor tells what is wrong, each with its cure", async () => {
  const { kubeconfigs, dir } = cluster.plane;
  const flags = ["--kubeconfig", kubeconfigs["ivy"] ?? "", "--context", "controlplane"];
  expect((await run("bob", "doctor", ...flags, "-n", "shop")).stdout).toContain(
    "ok     you are ivy on shop-eu, in namespace shop\n",
  );
  expect((await run("admin", "doctor", "--as", "bob", "--request-timeout", "10s")).stdout).toContain(
    "you are bob on shop-eu",
  );

  const bad = await run("bob", "doctor", "-n", "shop", "--endpoint", "https://127.0.0.1:1");
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(
    /^wrong {2}you have no second factor on shop-eu\n {7}Ask #oncall to run: kubectl elevate invite 'bob'$/m,
  );
  expect(bad.stdout).toMatch(/^ok {5}in namespace shop you may ask for .*shop-debug$/m);
  expect(bad.stdout).toMatch(/^wrong {2}endpoint: https:\/\/127\.0\.0\.1:1 cannot be reached \(.*ECONNREFUSED.*\)\.$/m);
  expect(bad.stdout).toContain("       Another address: --endpoint URL. Or tell whoever runs kube-elevate\n");
  const well = await run("alice", "doctor", "-n", "shop");
  expect([well.code, well.stdout.match(/^ok /gm)?.length]).toEqual([0, 8]);

  // an exec credential, and what it says on stderr: kubectl runs it
  const plugin = join(dir, "credential.sh");
  const credential = {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status: { token: cluster.plane.tokenOf("bob") },
  };
  await writeFile(plugin, `#!/bin/sh\necho 'log in, please' >&2\ncat <<'END'\n${JSON.stringify(credential)}\nEND\n`, {
    mode: 0o700,
  });
  const kubeconfig = join(dir, "exec.kubeconfig");
  const config = z.looseObject({}).parse(JSON.parse(await readFile(kubeconfigs["bob"] ?? "", "utf8")));
  const exec = { apiVersion: credential.apiVersion, command: plugin, interactiveMode: "IfAvailable" };
  await writeFile(kubeconfig, JSON.stringify({ ...config, users: [{ name: "user", user: { exec } }] }), {
    mode: 0o600,
  });
  const { stdout, stderr } = await run("bob", "doctor", "--kubeconfig", kubeconfig);
  expect(stdout).toContain("you are bob on shop-eu");
  expect(stderr).toContain("log in, please\n");
});

test("PL01: nothing is offered while the controller is down: exit 4", async () => {
  const person = await enrolled("bob");
  process.kill(controller.pid, "SIGSTOP");
  try {
    const ended = await elevate("bob", ["request", "shop-debug", ...inShop, "--code-stdin"], {
      input: await codeOf(person),
    }).ended;
    expect(ended).toMatchObject({
      code: 4,
      stdout: "",
      stderr: expect.stringMatching(/^error \(NotReady\): nothing is offered for shop-debug-\w{5} yet/) as unknown,
    });
  } finally {
    process.kill(controller.pid, "SIGCONT");
  }
});

function usableBy(group: string, policy: string): readonly object[] {
  const api = "rbac.authorization.k8s.io";
  const metadata = { name: `use-${policy}`, namespace: "shop" };
  const rules = [
    { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], resourceNames: [policy], verbs: ["use"] },
  ];
  return [
    { apiVersion: `${api}/v1`, kind: "Role", metadata, rules },
    {
      apiVersion: `${api}/v1`,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup: api, kind: "Role", name: metadata.name },
      subjects: [{ apiGroup: api, kind: "Group", name: group }],
    },
  ];
}

function policyOf(name: string, changed: object): object {
  const spec = {
    roleRef: { kind: "ClusterRole", name: "pod-debugger" },
    namespaceSelector: {},
    duration: { default: "5m", max: "10m" },
    authentication: { methods: ["TOTP"] },
  };
  return {
    apiVersion: "kube-elevate.dev/v1alpha1",
    kind: "ElevationPolicy",
    metadata: { name },
    spec: { ...spec, ...changed },
  };
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => readFile(join(entry.parentPath, entry.name), "utf8")),
  );
}

/** Of everything in it that could be a codeVerifier. */
function hashesIn(text: string): readonly string[] {
  const words = new Set([...text.matchAll(/(?<![\w-])[\w-]{43}(?![\w-])/g)].map(([word]) => word));
  return [...words].map((word) => createHash("sha256").update(word).digest("base64url"));
}
