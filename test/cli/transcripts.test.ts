import { expect, test } from "vitest";
import { formatInstant, later } from "../../src/domain/time.ts";
import { authenticator, granted, offer, policy, type Refusal, terminal } from "./terminal.ts";

// What a person sees, word for word.

const because = '-j "INC-4312 checkout pods crash-looping"';
const ask = `request payments-debug ${because}`;
const rejected: Refusal = { refuse: "ProofRejected", code: 403 };
const used: Refusal = { refuse: "ProofAlreadyUsed", code: 403 };

test("1. request with TOTP; TO15: how long TOTP gives stands there before the code is typed", async () => {
  const at = terminal();
  const { screen, stdout, exitCode } = await at.type(ask, ["123456"]);
  expect(screen).toBe(`\
You ask for  ClusterRole/pod-debugger in namespace payments, for 15m (30m with WebAuthn)
As           oidc:alice@example.com on prod-eu
Code from your authenticator app: ******
Active until 03:42:07 UTC (15m), in every shell that uses your credentials.
Longer: kubectl elevate extend    Give back: kubectl elevate release
elevationrequest.kube-elevate.dev/payments-debug-7k2mx active
`);
  expect(stdout).toBe("elevationrequest.kube-elevate.dev/payments-debug-7k2mx active\n");
  expect(exitCode).toBe(0);
});

test("1. TO15: where no other method gives more, it says that TOTP gives less than was asked for", async () => {
  const at = terminal();
  at.judged = () => ({ phase: "Pending", offer: offer("2026-11-24T03:32:07Z", [{ method: "TOTP", duration: "15m" }]) });
  const { screen } = await at.type(`${ask} --duration 1h`, ["123456"]);
  expect(screen).toContain("in namespace payments, for 15m (not 1h: TOTP gives no more)\n");
});

test("3. no factor; PL03: nothing is created, and the line for the inviter can be copied as it stands", async () => {
  const at = terminal();
  for (const [name] of [...at.objects].filter(([, { kind }]) => kind === "Authenticator")) at.objects.delete(name);
  const { screen, stdout, exitCode } = await at.type(ask);
  expect(screen).toBe(`\
error: you have no second factor on prod-eu yet; payments-debug needs one (WebAuthn or TOTP).
  Ask #platform-oncall to run this and to hand you the ticket it prints (you cannot do it yourself):
    kubectl elevate invite 'oidc:alice@example.com'
  then set one up, and ask again:
    kubectl elevate enroll totp
`);
  expect([stdout, exitCode, at.of("ElevationRequest"), at.posts]).toEqual(["", 3, [], []]);
});

test("4. wrong code", async () => {
  const at = terminal();
  at.script.verify = [() => moved(at, 19_000, rejected), () => moved(at, 6_000, used), rejected];
  const { screen, stdout, exitCode } = await at.type(ask, ["111111", "222222", "333333"]);
  expect(screen).toBe(`\
You ask for  ClusterRole/pod-debugger in namespace payments, for 15m (30m with WebAuthn)
As           oidc:alice@example.com on prod-eu
Code from your authenticator app: ******
That code is not right. Try again (4m41s left)
Code from your authenticator app: ******
That code was used already. Wait for the next one, in 28s
Code from your authenticator app: ******
error (ProofRejected): three codes were refused. Is the clock of your phone right?
  payments-debug-7k2mx will time out; ask again: kubectl elevate request payments-debug -j "..."
`);
  expect([stdout, exitCode]).toEqual(["", 3]);
  expect(at.posts.filter(({ path }) => path.endsWith("/verify"))).toHaveLength(3);
});

test("4. PL03: with --code-stdin there is one try", async () => {
  const at = terminal();
  at.script.verify = [rejected];
  const { screen, exitCode } = await at.type(`${ask} --code-stdin`, ["111111", "222222"]);
  expect(screen).toBe(`\
You ask for  ClusterRole/pod-debugger in namespace payments, for 15m (30m with WebAuthn)
As           oidc:alice@example.com on prod-eu
error (ProofRejected): the code was refused. Is the clock of your phone right?
  payments-debug-7k2mx will time out; ask again: kubectl elevate request payments-debug -j "..."
`);
  expect(exitCode).toBe(3);
  expect(at.posts.filter(({ path }) => path.endsWith("/verify"))).toHaveLength(1);
});

test("4. PL03: locked says until when", async () => {
  const at = terminal();
  at.put(authenticator("Active", { lockedUntilTime: "2026-11-24T03:28:07Z" }));
  at.script.verify = [{ refuse: "AuthenticatorLocked", code: 423, retryAfterSeconds: 60 }];
  const { screen, exitCode } = await at.type(ask, ["111111"]);
  expect(screen).toContain(`\
error (AuthenticatorLocked): too many wrong codes; your TOTP authenticator is locked until
  03:28:07 UTC (1m)
`);
  expect(exitCode).toBe(3);
});

test.each([
  [
    `request payments-debug --duration 2h ${because}`,
    "DurationTooLong: payments-debug lasts at most 1h; you asked for 2h. Ask for 1h or less",
    "error (DurationTooLong): payments-debug lasts at most 1h; you asked for 2h. Try --duration 1h\n",
  ],
  [
    'request payments-debug -j "checkout is down"',
    'JustificationMismatch: payments-debug wants a justification like "INC-4312 what happens" (pattern ^INC-[0-9]+). Change spec.justification',
    'error (JustificationMismatch): payments-debug wants a justification like "INC-4312 what happens"\n  (pattern ^INC-[0-9]+)\n',
  ],
  [
    'request payments-admin -j "INC-4312 rotate the TLS secret"',
    "UseNotPermitted: you may not use ElevationPolicy payments-admin in namespace payments. What you may use: kubectl elevate policies",
    "error (UseNotPermitted): you may not use policy payments-admin in namespace payments.\n  What you may use: kubectl elevate policies\n",
  ],
  [
    'request payments-debug -n kube-system -j "INC-4312 look at coredns"',
    "NamespaceNotAllowed: no elevation in namespace kube-system, by any policy. Ask in the namespace of your own work",
    "error (NamespaceNotAllowed): no elevation in namespace kube-system, by any policy\n",
  ],
  [
    'request payments-debug -n kube-system -j "INC-4312 look at coredns"',
    "NamespaceNotSelected: ElevationPolicy payments-debug is not for namespace kube-system. What you may use: kubectl elevate policies",
    "error (NamespaceNotAllowed): no elevation in namespace kube-system, by any policy\n",
  ],
  [
    ask,
    "RequesterShared: the API server knows you only as arn:aws:sts::111122223333:assumed-role/dev/EKSGetTokenAuth, as it does everyone with this role. Log in so that your own name is in it (AWS SSO profile, or assume-role with your session name)",
    `error (RequesterShared): the API server knows you only as
  arn:aws:sts::111122223333:assumed-role/dev/EKSGetTokenAuth, as it does everyone with this role.
  Log in so that your own name is in it (AWS SSO profile, or assume-role with your session name)
`,
  ],
])("5. denied by policy: %s", async (line, refusal, says) => {
  const at = terminal();
  at.refusal = refusal;
  expect(await at.type(line)).toEqual({ screen: says, stdout: "", exitCode: 3 });
  expect(at.of("ElevationRequest")).toEqual([]);
  at.objects.delete([...at.objects.keys()].find((key) => key.startsWith("Authenticator")) ?? "");
  expect((await at.type(line)).screen, "a factor would not help").toBe(says);
});

test("5. a denial that comes later names the object", async () => {
  const at = terminal();
  const end = { endTime: "2026-11-24T03:27:07.100Z", message: "ClusterRole/pod-debugger does not exist" };
  at.judged = () => ({ phase: "Denied", reason: "RoleNotFound", ...end });
  at.script.challenge = [{ refuse: "RequestEnded", code: 409 }];
  expect(await at.type(ask)).toEqual({
    screen: `\
error (RoleNotFound): payments-debug-7k2mx was denied: ClusterRole/pod-debugger does not exist.
  Tell #platform-oncall
`,
    stdout: "",
    exitCode: 3,
  });
});

test("6. already active; PL06: nothing is created, and --new asks all the same", async () => {
  const at = terminal();
  await at.type(ask, ["123456"]);
  granted(at, "payments-debug-7k2mx", "30m30s");
  at.now = later(at.now, 8 * 60_000);
  expect(await at.type(ask)).toEqual({
    screen: `\
Already active until 03:57:37 UTC (22m left): nothing to prove, nothing changed.
Longer: kubectl elevate extend    A second grant all the same: add --new
elevationrequest.kube-elevate.dev/payments-debug-7k2mx active
`,
    stdout: "elevationrequest.kube-elevate.dev/payments-debug-7k2mx active\n",
    exitCode: 0,
  });
  expect(at.of("ElevationRequest")).toHaveLength(1);
  const again = await at.type(`${ask} --new`, ["123456"]);
  expect(again.stdout).toBe("elevationrequest.kube-elevate.dev/payments-debug-q9d4z active\n");
});

test("6. PL06: a grant that lasts less than 5m more, and less than is asked for, does not count", async () => {
  const at = terminal();
  await at.type(ask, ["123456"]);
  at.now = later(at.now, 10 * 60_000 + 1_000);
  expect((await at.type(`${ask} --duration 4m`)).screen).toContain("Already active");
  expect((await at.type(ask, ["123456"])).stdout).toBe(
    "elevationrequest.kube-elevate.dev/payments-debug-q9d4z active\n",
  );
});

test("7. bare, with grants", async () => {
  const at = terminal();
  await at.type(ask, ["123456"]);
  granted(at, "payments-debug-7k2mx", "12m30s", "WebAuthn");
  at.mayList = true;
  at.put(policy("checkout-debug", "pod-debugger"));
  await at.type("request checkout-debug -n checkout", ["123456"]);
  granted(at, "checkout-debug-q9d4z", "9m40s", "WebAuthn");
  expect(await at.type("")).toEqual({
    screen: `\
NAMESPACE   NAME                   ROLE           METHOD     LEFT   UNTIL
payments    payments-debug-7k2mx   pod-debugger   WebAuthn   12m    03:39:37 UTC
checkout    checkout-debug-q9d4z   pod-debugger   WebAuthn   9m     03:36:47 UTC
Longer: kubectl elevate extend NAME    Give back: kubectl elevate release NAME|--all
`,
    stdout: expect.stringMatching(/^NAMESPACE[^]*UTC\n$/) as unknown,
    exitCode: 0,
  });
});

test("7. bare, without one; where listing is forbidden it says so", async () => {
  const at = terminal();
  await at.type(ask, ["123456"]);
  const found = at.request("payments-debug-7k2mx");
  const endTime = formatInstant(at.now);
  if (found !== undefined)
    at.put({ ...found, status: { ...found.status, phase: "Expired", reason: "Expired", endTime } });
  at.now = later(at.now, 4 * 60_000);
  expect(await at.type("")).toEqual({
    screen: `\
You may not list requests: these are the ones that were made or proven on this machine.
You are not elevated on prod-eu (oidc:alice@example.com).
Last: payments-debug-7k2mx in payments, expired 4m ago. Again: kubectl elevate extend
What you may ask for: kubectl elevate policies
`,
    stdout: "",
    exitCode: 0,
  });
});

function moved(at: ReturnType<typeof terminal>, ms: number, refusal: Refusal): Refusal {
  at.now = later(at.now, ms);
  return refusal;
}
