import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Failure, KubectlFailure } from "../../src/cli/errors.ts";
import { formatInstant, later } from "../../src/domain/time.ts";
import type { Stored } from "./kubectl.ts";
import { alice, authenticator, granted, offer, policy, type Terminal, terminal } from "./terminal.ts";

// What the transcripts leave open: each command, and what each says when it cannot.

const ask = 'request payments-debug -j "INC-1 x"';
const ticket = "A".repeat(43);
const name = `${Buffer.from(alice).toString("hex")}.totp`;
const seed = { totp: { secret: "ABCDEFGH", uri: "otpauth://totp/prod-eu:alice?secret=ABCDEFGH" } };

function without(at: Terminal, kind: string): void {
  for (const [key, object] of at.objects) if (object.kind === kind) at.objects.delete(key);
}

test("invite: the ticket stands alone on stdout, and its hash in the object", async () => {
  const at = terminal();
  const { screen, stdout, exitCode } = await at.type("invite 'oidc:bob@example.com' --valid-for 2h");
  const made = at.of("Authenticator").find(({ metadata }) => metadata.name !== name);
  expect(made?.metadata.name).toBe(`${Buffer.from("oidc:bob@example.com").toString("hex")}.totp`);
  expect(made?.spec).toEqual({
    owner: { username: "oidc:bob@example.com" },
    method: "TOTP",
    codeChallenge: createHash("sha256").update(stdout.trim()).digest("base64url"),
    invitedBy: alice,
    expirationTime: "2026-11-24T05:27:07.000Z",
  });
  expect(stdout).toMatch(/^[A-Za-z0-9_-]{43}\n$/);
  expect(screen).toBe(`\
Invited oidc:bob@example.com to set up TOTP on prod-eu, until 2026-11-24 05:27:07 UTC (2h).
Hand over the ticket below, to nobody else and not by way of this cluster: it is all that it takes, once.
They run: kubectl elevate enroll totp
authenticator.kube-elevate.dev/${made?.metadata.name ?? ""} created
${stdout}`);
  expect(exitCode).toBe(0);
  expect(JSON.stringify(at.runs)).not.toContain(stdout.trim());
});

test("invite: who has one, or an invitation, is told how to begin anew", async () => {
  const at = terminal();
  const usable = await at.type(`invite '${alice}'`);
  expect(usable).toMatchObject({ exitCode: 1, stdout: "" });
  expect(usable.screen).toBe(`\
error: oidc:alice@example.com has TOTP on prod-eu already. Where it is lost, end it and invite anew:
    kubectl patch authenticator ${name} --type=merge -p '{"spec":{"disabled":true}}'
    kubectl delete authenticator ${name}
    kubectl elevate invite 'oidc:alice@example.com'
`);
  at.put(authenticator("Pending"));
  expect((await at.type(`invite '${alice}' --context other`)).screen).toBe(`\
error: oidc:alice@example.com is invited on prod-eu already, until 2026-11-25 00:00:00 UTC.
  A ticket is shown once; for another one:
    kubectl delete authenticator ${name}
    kubectl elevate invite 'oidc:alice@example.com' --context other
`);
});

test("enroll: shows the seed once, and takes a code that confirms it", async () => {
  const at = terminal();
  at.put(authenticator("Pending"));
  at.script.challenge = [seed];
  at.script.register = [
    { refuse: "ProofRejected", code: 403 },
    { name, method: "TOTP" },
  ];
  const { screen, stdout, exitCode } = await at.type("enroll totp", [ticket, "111111", "222 222"]);
  expect(screen).toContain("Setting up TOTP for oidc:alice@example.com on prod-eu.\n");
  expect(screen).toContain("█▀▀▀");
  expect(screen).toContain(`into it:  ${seed.totp.secret}\nor open this address there:   ${seed.totp.uri}\n`);
  expect(screen).toContain("That code is not right. Wait for the next one, and try that\n");
  expect(stdout).toBe(`authenticator.kube-elevate.dev/${name} enrolled\n`);
  expect(exitCode).toBe(0);
  expect(at.posts.map(({ body }) => body)).toEqual([
    { codeVerifier: ticket },
    { codeVerifier: ticket, totp: { code: "111111" } },
    { codeVerifier: ticket, totp: { code: "222222" } },
  ]);
  expect(screen).not.toContain(ticket);
});

test("enroll: nobody invited, a ticket that opens nothing, one that ran out, one that is none", async () => {
  const at = terminal();
  without(at, "Authenticator");
  expect(await at.type("enroll totp", [ticket])).toMatchObject({
    exitCode: 3,
    screen: expect.stringContaining("error: nobody has invited you on prod-eu.\n  Ask #platform-oncall") as unknown,
  });
  at.put(authenticator("Pending"));
  at.script.challenge = [
    { refuse: "CallerUnknown", code: 401 },
    { refuse: "TicketExpired", code: 403 },
  ];
  expect((await at.type("enroll totp --ticket-stdin", [ticket])).screen).toBe(`\
error (CallerUnknown): that ticket is not for oidc:alice@example.com, or it is used up.
  Ask #platform-oncall for another one: kubectl elevate invite 'oidc:alice@example.com'
`);
  expect(await at.type("enroll totp --ticket-stdin", [ticket])).toMatchObject({ exitCode: 3 });
  const posts = at.posts.length;
  expect((await at.type("enroll totp", ["not a ticket"])).screen).toContain("error: that is no ticket: ");
  expect(at.posts).toHaveLength(posts);
});

test("enroll: a secret that somebody was shown before is told of above the QR code, with what to do; the first time nothing is", async () => {
  const at = terminal();
  at.put(authenticator("Pending"));
  const answers = [{}, { shownBefore: false }, { shownBefore: true }]; // an older verifier does not say
  at.script.challenge = answers.map((more) => ({ totp: { ...seed.totp, ...more } }));
  at.script.register = [{ name, method: "TOTP" }];
  const screens = [];
  for (const _ of answers) {
    const { screen, exitCode } = await at.type("enroll totp", [ticket, "111111"]);
    expect(exitCode).toBe(0);
    screens.push(screen);
  }
  const [older = "", first, second] = screens;
  expect(older).not.toContain("warning");
  expect(first).toBe(older);
  expect(second).toBe(
    older.replace(
      "Scan this with",
      `\
warning: this secret was shown before. If that was not you, stop here (Ctrl-C) and
  have ivy invite you anew: whoever saw it can make your codes, for good.
Scan this with`,
    ),
  );
});

test("enroll: Ctrl-C before the code is confirmed leaves the ticket good", async () => {
  const at = terminal();
  at.put(authenticator("Pending"));
  at.script.challenge = [seed];
  const { screen, exitCode } = await at.type("enroll totp", [ticket, null]);
  expect(exitCode).toBe(130);
  expect(screen).toMatch(/Given up: nothing is set up yet. With the same ticket: kubectl elevate enroll totp\n$/);
});

test("PL08: Ctrl-C at the prompt sends no proof, and says what is left behind", async () => {
  const at = terminal();
  const { screen, stdout, exitCode } = await at.type(ask, [null]);
  expect(screen).toMatch(
    /\nGiven up: nothing was proven. payments-debug-7k2mx will time out;\n  ask again: kubectl elevate request payments-debug -j "..."\n$/,
  );
  expect([stdout, exitCode, at.posts.map(({ path }) => path.replace(/.*\//, ""))]).toEqual(["", 130, ["challenge"]]);
});

test("request: namespace, context and duration are repeated in what it offers", async () => {
  const at = terminal();
  at.script.verify = [{ refuse: "DeadlinePassed", code: 403 }];
  const { screen, exitCode } = await at.type(`${ask} -n checkout --context prod-eu --duration 20m`, ["123456"]);
  expect(screen.split("\n").slice(-3).join("\n")).toBe(`\
error (DeadlinePassed): payments-debug-7k2mx waits for a proof no longer.
  Ask again: kubectl elevate request payments-debug -n checkout --context prod-eu --duration 20m -j "..."
`);
  expect(exitCode).toBe(5);
});

test("request: where keys cannot be used, a policy that wants one is refused here, and nothing is created", async () => {
  const at = terminal();
  at.put(policy("payments-debug", "pod-debugger", { authentication: { methods: ["WebAuthn"] } }));
  expect(await at.type(ask)).toEqual({
    screen:
      "error (MethodNotAllowed): payments-debug takes WebAuthn, and no page is set up on prod-eu where\n  keys can be used. Tell #platform-oncall\n",
    stdout: "",
    exitCode: 3,
  });
  expect(at.of("ElevationRequest")).toEqual([]);
});

test("request: an endpoint that offers something else than the object says is not proven to", async () => {
  const at = terminal();
  const other = { ...offer("2026-11-24T03:32:07.000Z"), roleRef: { kind: "ClusterRole", name: "harmless" } };
  at.script.challenge = [{ offer: other, methods: ["TOTP"] }];
  const { screen, exitCode } = await at.type(ask, ["123456"]);
  expect(screen).toContain("error: the endpoint offers something else than payments-debug-7k2mx says.");
  expect([exitCode, at.posts]).toEqual([
    1,
    [expect.objectContaining({ path: expect.stringMatching(/challenge$/) as unknown })],
  ]);
});

test("request: a grant that does not come is still pending after a while: exit 4", async () => {
  const at = terminal();
  const verificationTime = formatInstant(at.now);
  at.script.verify = [{ method: "TOTP", verificationTime, phase: "Granting" }];
  const { screen, stdout, exitCode } = await at.type(ask, ["123456"]);
  expect(screen).toContain("Your proof is accepted. Waiting for the access\n");
  expect(screen).toContain("error: payments-debug-7k2mx is still Granting; the proof is accepted.");
  expect([stdout, exitCode]).toEqual(["", 4]);
});

test("request: revoked before it was told: exit 5", async () => {
  const at = terminal();
  const end = { endTime: "2026-11-24T03:27:09.000Z", message: "by sre: no" };
  at.script.verify = [
    () => {
      const answer = granted(at, "payments-debug-7k2mx");
      const found = at.request("payments-debug-7k2mx");
      if (found !== undefined)
        at.put({ ...found, status: { ...found.status, phase: "Revoked", reason: "Revoked", ...end } });
      return { ...answer, phase: "Revoked" };
    },
  ];
  const { screen, exitCode } = await at.type(ask, ["123456"]);
  expect(screen).toContain("error (Revoked): payments-debug-7k2mx was revoked at 03:27:09 UTC (by sre: no).");
  expect(exitCode).toBe(5);
});

test("request --dry-run: the cluster judges, nothing is created, nothing is asked", async () => {
  const at = terminal();
  const { stdout, exitCode } = await at.type(`${ask} --dry-run`);
  expect(stdout).toBe("elevationrequest.kube-elevate.dev/payments-debug-7k2mx created (server dry run)\n");
  expect([exitCode, at.of("ElevationRequest"), at.posts]).toEqual([0, [], []]);
  at.refusal = "UseNotPermitted: no";
  expect(await at.type(`${ask} --dry-run`)).toMatchObject({ stdout: "", exitCode: 3 });
});

test.each([
  ["request", "error: missing required argument 'policy'"],
  [`${ask} --duration 1d`, "error: --duration takes a duration as in 30m or 1h30m"],
  [`${ask} --method oidc`, "error: the methods are webauthn and totp, not oidc"],
  [`${ask} --method webauthn --code-stdin`, "error: --code-stdin is for codes: it goes with --method totp"],
  [`${ask} --method totp --paste`, "error: --paste is for keys: it goes with --method webauthn"],
  [`${ask} -o wide`, "error: -o takes json, yaml, name, not wide"],
  [`${ask} --what`, "error: unknown option '--what'"],
  ["elevate-me", "error: there is no command elevate-me. See: kubectl elevate --help"],
])("PL01: wrong usage is exit 2: %s", async (line, says) => {
  const at = terminal();
  const { screen, stdout, exitCode } = await at.type(line);
  expect(screen).toContain(says);
  expect([stdout, exitCode, at.runs]).toEqual(["", 2, []]);
});

const applied = (spec: object = {}, status: object = {}): Parameters<Terminal["put"]>[0] => ({
  kind: "ElevationRequest",
  metadata: {
    name: "monday",
    namespace: "payments",
    uid: "m",
    resourceVersion: "1",
    creationTimestamp: "2026-11-24T03:26:47Z",
  },
  spec: { policyName: "payments-debug", justification: "INC-9 y", requester: { username: alice }, ...spec },
  status: { phase: "Pending", reason: "AwaitingProof", offer: offer("2026-11-24T03:31:47Z"), ...status },
});

test("PL05: prove shows what was asked for before it claims", async () => {
  const at = terminal();
  at.put(applied());
  const { screen, stdout, exitCode } = await at.type("prove monday", ["123456"]);
  expect(screen).toBe(`\
monday was not made by this terminal, but 20s ago by somebody with your credentials.
Type a code only if it was you.
It asks for  ClusterRole/pod-debugger in namespace payments, for 15m (30m with WebAuthn)
As           oidc:alice@example.com on prod-eu
Why          INC-9 y
Code from your authenticator app: ******
Active until 03:42:07 UTC (15m), in every shell that uses your credentials.
Longer: kubectl elevate extend    Give back: kubectl elevate release
elevationrequest.kube-elevate.dev/monday active
`);
  expect([stdout, exitCode]).toEqual(["elevationrequest.kube-elevate.dev/monday active\n", 0]);
  const [verified] = at.posts;
  const claimed = createHash("sha256").update(String(verified?.body["codeVerifier"])).digest("base64url");
  expect(at.request("monday")?.spec?.["codeChallenge"]).toBe(claimed);
});

test.each([
  [
    applied({ requester: { username: "oidc:bob@example.com" } }),
    3,
    "error (RequesterMismatch): monday was asked for by oidc:bob@example.com, who alone can prove it",
  ],
  [
    applied({ codeChallenge: createHash("sha256").update("x").digest("base64url") }),
    3,
    "error (CallerUnknown): monday is claimed already",
  ],
  [
    applied({}, { phase: "TimedOut", reason: "DeadlinePassed", endTime: "2026-11-24T03:27:00.000Z" }),
    5,
    "error (DeadlinePassed): monday timed out at 03:27:00 UTC, nobody proved it",
  ],
  [
    applied({}, { phase: "Denied", reason: "PolicyNotFound", endTime: "2026-11-24T03:27:00.000Z" }),
    3,
    "error (PolicyNotFound): monday was denied.",
  ],
])("PL05: what cannot be proven is told, and not touched", async (object, code, says) => {
  const at = terminal();
  at.put(object);
  const { screen, stdout, exitCode } = await at.type("prove monday", ["123456"]);
  expect(screen).toContain(says);
  expect([stdout, exitCode, at.request("monday"), at.posts]).toEqual(["", code, object, []]);
});

test("PL05, PL08: Ctrl-C at the prompt of prove leaves the request unclaimed", async () => {
  const at = terminal();
  at.put(applied());
  expect((await at.type("prove monday", [null])).exitCode).toBe(130);
  expect(at.request("monday")).toEqual(applied());
});

test("status NAME tells by its exit code: 0 active, 3 denied, 4 pending, 5 over; 1 where there is none", async () => {
  const at = terminal();
  expect(await at.type("status monday")).toMatchObject({
    exitCode: 1,
    screen: "error: no request monday in namespace payments. Another one: -n NAMESPACE\n",
  });
  at.put(applied());
  expect(await at.type("status monday")).toMatchObject({
    exitCode: 4,
    stdout: "elevationrequest.kube-elevate.dev/monday pending\n",
  });
  granted(at, "monday");
  expect(await at.type("status monday")).toEqual({
    exitCode: 0,
    stdout: "elevationrequest.kube-elevate.dev/monday active\n",
    screen: "elevationrequest.kube-elevate.dev/monday active\nActive until 03:42:07 UTC (15m left).\n",
  });
  at.put(applied({}, { phase: "Expired", reason: "Expired", endTime: "2026-11-24T03:27:00.000Z" }));
  expect(await at.type("status monday")).toMatchObject({
    exitCode: 5,
    stdout: "elevationrequest.kube-elevate.dev/monday expired\n",
  });
});

test("policies: those that I may use here, and what to type next", async () => {
  const at = terminal();
  expect(await at.type("policies")).toEqual({
    screen: `\
NAME             ROLE           MAX   METHODS         JUSTIFICATION
payments-debug   pod-debugger   1h    WebAuthn,TOTP   INC-4312 what happens
Ask: kubectl elevate request payments-debug -j "INC-4312 what happens"
`,
    stdout: expect.stringMatching(/^NAME[^]*happens\n$/) as unknown,
    exitCode: 0,
  });
  at.usable = [];
  expect(await at.type("policies -n checkout")).toEqual({
    screen: "You may ask for nothing in namespace checkout. Another one: -n NAMESPACE. Or ask #platform-oncall\n",
    stdout: "",
    exitCode: 0,
  });
});

test("doctor: all is well", async () => {
  const at = terminal();
  expect(await at.type("doctor")).toMatchObject({
    exitCode: 0,
    screen: `\
ok     you are oidc:alice@example.com on prod-eu, in namespace payments
ok     you have TOTP
ok     in namespace payments you may ask for payments-debug
ok     nobody else is asked before a binding goes
ok     only who may do everything may use and revoke each policy
ok     the clock of this machine agrees with that of the API server
ok     endpoint https://elevate.example.com answers, with a certificate that kube-elevate-trust vouches for
ok     the clock of this machine agrees with that of the endpoint
`,
  });
});

test("doctor: what is wrong, each with its cure", async () => {
  const at = terminal();
  without(at, "Authenticator");
  without(at, "ConfigMap");
  at.usable = [];
  expect(await at.type("doctor")).toMatchObject({
    exitCode: 1,
    screen: `\
ok     you are oidc:alice@example.com on prod-eu, in namespace payments
wrong  you have no second factor on prod-eu
       Ask an administrator to run: kubectl elevate invite 'oidc:alice@example.com'
wrong  there is nothing that you may ask for in namespace payments
       Another one: -n NAMESPACE. Or ask an administrator
ok     nobody else is asked before a binding goes
ok     only who may do everything may use and revoke each policy
ok     the clock of this machine agrees with that of the API server
wrong  endpoint: no verifier has told where it is (ConfigMap kube-elevate-trust in elevate-system has no url).
       Does a verifier run? kubectl get pods -n elevate-system
`,
  });
});

test.each([
  [
    new KubectlFailure("Error from server (Forbidden): validatingwebhookconfigurations is forbidden"),
    "ok     whether others can keep a binding from going, only those can look up who may list webhook configurations\n",
  ],
  [
    new KubectlFailure("Error from server (Forbidden): clusterroles is forbidden"),
    "ok     who may use and revoke each policy, by verbs *, only those can look up who may list roles and bindings\n",
  ],
  [
    new KubectlFailure("Error from server (Forbidden): elevationpolicies is forbidden"),
    `\
wrong  policies: Error from server (Forbidden): elevationpolicies is forbidden
       ClusterRole kube-elevate-requester gives this right: ask whoever gives rights on this cluster
`,
  ],
  [
    new Failure("kube-elevate is not installed on this cluster. See: kubectl elevate doctor"),
    "wrong  policies: kube-elevate is not installed on this cluster. Tell whoever runs kube-elevate\n",
  ],
])("doctor: what it may not see, or does not find, has its cure, and none is doctor itself", async (error, says) => {
  const at = terminal();
  at.failing = error;
  const { screen, exitCode } = await at.type("doctor");
  expect([screen, exitCode]).toEqual([expect.stringContaining(says), 1]);
});

const deletes = { apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"], scope: "*" };
const bindingsAlone = { ...deletes, apiGroups: ["rbac.authorization.k8s.io"], resources: ["rolebindings"] };
const webhook = (called: string, changed: object = {}): Stored => ({
  kind: "ValidatingWebhookConfiguration",
  metadata: { name: called },
  webhooks: [{ name: `${called}.example.com`, rules: [deletes], failurePolicy: "Fail", ...changed }],
});

test("EX39: doctor names who else is asked before a binding goes, and what leaves ours out", async () => {
  const at = terminal();
  at.put(webhook("all"));
  at.put({
    ...webhook("bindings", { rules: [bindingsAlone], timeoutSeconds: 30 }),
    kind: "MutatingWebhookConfiguration",
  });
  at.put(webhook("quiet", { failurePolicy: "Ignore" }));
  at.put(webhook("creates", { rules: [{ ...deletes, operations: ["CREATE", "UPDATE"] }] }));
  at.put(webhook("pods", { rules: [{ ...deletes, apiGroups: [""], resources: ["pods"] }] }));
  at.put(webhook("roles", { rules: [{ ...bindingsAlone, resources: ["roles"] }] }));
  at.put(webhook("clusters", { rules: [{ ...deletes, scope: "Cluster" }] }));
  at.put(webhook("cured", { matchConditions: [{ name: "a", expression: "!request.name.startsWith('elevate:')" }] }));
  for (const other of ["kept", "unbound", "kube-elevate-own-deletes"]) {
    const spec = { matchConstraints: { resourceRules: [bindingsAlone] } };
    at.put({ kind: "ValidatingAdmissionPolicy", metadata: { name: other }, spec });
    const validationActions = other === "unbound" ? ["Audit"] : ["Deny"];
    at.put({
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name: other },
      spec: { policyName: other, validationActions },
    });
  }
  const { screen, exitCode } = await at.type("doctor");
  expect(screen).toContain(`\
wrong  others are asked before a binding goes: while one refuses, or does not answer, no access ends
       ValidatingWebhookConfiguration all: all.example.com (up to 10s)
       MutatingWebhookConfiguration bindings: bindings.example.com (up to 30s)
       ValidatingAdmissionPolicy kept
       Let each leave ours out, in its matchConditions: !request.name.startsWith('elevate:')
ok `);
  expect(exitCode).toBe(1);
});

type Metadata = Stored["metadata"];
const roleOf = (
  kind: string,
  metadata: Metadata,
  [group, resource, verb]: readonly [string, string, string],
): Stored => ({
  kind,
  metadata,
  rules: [
    { apiGroups: [group], resources: [resource], verbs: [verb] },
    { nonResourceURLs: ["*"], verbs: ["*"] },
  ],
});
const bindingTo = (kind: string, metadata: Metadata, subject: object): Stored => ({
  kind: metadata.namespace === undefined ? "ClusterRoleBinding" : "RoleBinding",
  metadata,
  roleRef: { kind, name: metadata.name },
  subjects: [subject],
});

test("IA10: doctor names who holds verbs * on policies, and so may use and revoke them", async () => {
  const at = terminal();
  const ours = "kube-elevate.dev";
  at.put(roleOf("ClusterRole", { name: "cluster-admin" }, ["*", "*", "*"]));
  at.put(bindingTo("ClusterRole", { name: "cluster-admin" }, { kind: "Group", name: "system:masters" }));
  expect(await at.type("doctor")).toMatchObject({
    exitCode: 0,
    screen: expect.stringContaining(`\
ok     only who may do everything may use and revoke each policy
       Group system:masters (ClusterRole cluster-admin)
ok `) as unknown,
  });
  at.put(roleOf("ClusterRole", { name: "authors" }, [ours, "*", "*"]));
  at.put(bindingTo("ClusterRole", { name: "authors" }, { kind: "Group", name: "platform" }));
  at.put(roleOf("Role", { name: "local", namespace: "shop" }, [ours, "elevationpolicies", "*"]));
  at.put(
    bindingTo("Role", { name: "local", namespace: "shop" }, { kind: "ServiceAccount", name: "robot", namespace: "ci" }),
  );
  at.put(bindingTo("Role", { name: "local", namespace: "tests" }, { kind: "User", name: "of-a-role-elsewhere" }));
  at.put(roleOf("ClusterRole", { name: "writers" }, [ours, "elevationpolicies", "update"]));
  at.put(bindingTo("ClusterRole", { name: "writers" }, { kind: "User", name: "pat" }));
  at.put(roleOf("ClusterRole", { name: "pods" }, ["", "*", "*"]));
  at.put(bindingTo("ClusterRole", { name: "pods" }, { kind: "User", name: "dan" }));
  const { screen, exitCode } = await at.type("doctor");
  expect(screen).toContain(`\
wrong  verbs * on policies are also use and revoke: these hold them
       Group system:masters (ClusterRole cluster-admin)
       Group platform (ClusterRole authors)
       ServiceAccount ci/robot (Role local, in namespace shop)
       To write policies ClusterRole kube-elevate-policy-admin is enough
ok `);
  expect(exitCode).toBe(1);
});

test.each([
  [
    "oidc:bob@example.com",
    `you are no inviter: that takes verb invite on authenticators.\n  Ask #platform-oncall to run: kubectl elevate invite 'oidc:bob@example.com'\n`,
  ],
  [alice, `nobody invites themselves.\n  Ask another inviter to run: kubectl elevate invite '${alice}'\n`],
])("invite: who may not invite %s is told who can", async (owner, says) => {
  const at = terminal();
  without(at, "Authenticator");
  at.refusal = `InviteNotPermitted: ${alice} may not invite ${owner} as ${alice}. An inviter signs`;
  expect(await at.type(`invite '${owner}'`)).toEqual({
    screen: `error (InviteNotPermitted): ${says}`,
    stdout: "",
    exitCode: 3,
  });
});

test("PL01: an error that nobody thought of is one line, without a stack", async () => {
  const at = terminal();
  at.objects.clear();
  at.put(policy("payments-debug", "pod-debugger"));
  at.judged = () => {
    throw new TypeError("cannot read properties of undefined");
  };
  at.put(authenticator("Active"));
  const { screen, exitCode } = await at.type(`${ask} --endpoint https://elevate.example.com`);
  expect([screen, exitCode]).toEqual(["error: cannot read properties of undefined\n", 1]);
});

test("status: open ones are told beside the grants", async () => {
  const at = terminal();
  at.put(applied());
  at.names = [{ namespace: "payments", name: "monday" }];
  at.now = later(at.now, 1_000);
  expect((await at.type("status")).screen).toContain("monday in payments is Pending, not granted.\n");
});

test("request: where the answer to a proof is lost, the same code is sent again, and nobody is asked anew", async () => {
  const at = terminal();
  at.script.verify = [
    () => {
      throw new Failure("the connection was reset");
    },
    () => granted(at, "payments-debug-7k2mx"),
  ];
  expect(await at.type(ask, ["123456"])).toMatchObject({ exitCode: 0 });
  const proofs = at.posts.filter(({ path }) => path.endsWith("/verify")).map(({ body }) => body["totp"]);
  expect(proofs).toEqual([{ code: "123456" }, { code: "123456" }]);
});

test("request: what was changed on its way into the cluster is not proven", async () => {
  const at = terminal();
  at.script.challenge = [
    () => {
      const found = at.request("payments-debug-7k2mx");
      if (found !== undefined) at.put({ ...found, spec: { ...found.spec, policyName: "payments-admin" } });
      return { offer: found?.status?.["offer"], methods: ["TOTP"] };
    },
  ];
  const { screen, exitCode } = await at.type(ask, ["123456"]);
  expect(screen).toContain("error: payments-debug-7k2mx was changed on its way into the cluster");
  expect([exitCode, at.posts.length]).toEqual([1, 1]);
});

test("PL03: locked for good says how to get another one", async () => {
  const at = terminal();
  at.script.verify = [{ refuse: "AuthenticatorLocked", code: 423 }];
  const { screen, exitCode } = await at.type(ask, ["111111"]);
  expect(screen).toContain(`\
error (AuthenticatorLocked): too many wrong codes; your TOTP authenticator is locked for good.
  Ask #platform-oncall for another one: kubectl elevate invite 'oidc:alice@example.com'
`);
  expect(exitCode).toBe(3);
});

test("a user who may not read policies hears kubectl's own refusal: exit 3", async () => {
  const at = terminal();
  at.failing = new KubectlFailure("Error from server (Forbidden): elevationpolicies is forbidden");
  expect(await at.type("policies")).toEqual({
    screen: "Error from server (Forbidden): elevationpolicies is forbidden\n",
    stdout: "",
    exitCode: 3,
  });
});

test("PL14: authenticators lists one's own, by their names alone", async () => {
  const at = terminal();
  const { stdout, exitCode } = await at.type("authenticators");
  expect(stdout).toBe(`${"NAME".padEnd(name.length)}   METHOD   STATE    LAST USED\n${name}   TOTP     Active\n`);
  expect(exitCode).toBe(0);
  expect(at.runs.some((run) => run.join(" ").endsWith("/authenticators"))).toBe(false);
  without(at, "Authenticator");
  expect(await at.type("authenticators")).toMatchObject({
    exitCode: 3,
    screen: expect.stringContaining("you have no second factor on prod-eu yet.") as unknown,
  });
});

test("PL14: enroll webauthn says what is to be decided while no page is set up", async () => {
  const at = terminal();
  const { screen, exitCode } = await at.type("enroll webauthn");
  expect(exitCode).toBe(3);
  expect(screen).toBe(`\
error (MethodNotAllowed): keys cannot be enrolled on prod-eu yet: no page is set up for them.
  #platform-oncall decides on one, for good, since keys are bound to it: an https
  address that your browsers trust (--page-url of the verifier), and its domain or one above it
  (--rp-id). Until then, with a ticket for it:
    kubectl elevate enroll totp
`);
});
