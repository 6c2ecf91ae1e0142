import { expect, test } from "vitest";
import { Interrupted, KubectlFailure } from "../../src/cli/errors.ts";
import { later, parseInstant } from "../../src/domain/time.ts";
import type { Stored } from "./kubectl.ts";
import { alice, granted, over, policy, type Terminal, terminal } from "./terminal.ts";

// How access ends, word for word: given back, taken away, asked for anew, run out.

const because = '-j "INC-4312 checkout pods crash-looping"';
const ask = `request payments-debug ${because}`;
const minute = 60_000;
const released = "elevationrequest.kube-elevate.dev/payments-debug-7k2mx released\n";
const notListed = "You may not list requests: these are the ones that were made or proven on this machine.\n";

/** Alice, with payments-debug-7k2mx, for 30 minutes from 03:27:07. */
async function elevated(method = "WebAuthn"): Promise<Terminal> {
  const at = terminal();
  at.script.verify = [
    () => granted(at, "payments-debug-7k2mx", "30m", method),
    () => granted(at, "payments-debug-q9d4z"),
  ];
  await at.type(ask, ["123456"]);
  return at;
}

async function twice(): Promise<Terminal> {
  const at = await elevated();
  at.put(policy("checkout-debug", "pod-debugger"));
  at.script.verify = [() => granted(at, "checkout-debug-q9d4z", "30m", "WebAuthn")];
  await at.type(`request checkout-debug -n checkout ${because}`, ["123456"]);
  return at;
}

const of = (at: Terminal, name: string): Stored => {
  const found = at.request(name);
  if (found === undefined) throw new Error(`no request ${name}`);
  return found;
};

/** The clock goes on while the plugin waits, and what is due ends. */
function timeGoesOn(at: Terminal): void {
  at.paused = (ms) => {
    at.now = later(at.now, ms);
    for (const one of at.of("ElevationRequest")) {
      const { until } = at.names.find(({ name }) => name === one.metadata.name) ?? {};
      if (one.status?.["phase"] === "Active" && parseInstant(until) <= at.now) over(at, one, "Expired");
    }
  };
}

test("10. release; PL09: it returns when the access is gone", async () => {
  const at = await elevated();
  at.now = later(at.now, 18 * minute + 20_000);
  expect(await at.type("release")).toEqual({
    screen: `\
pod-debugger in payments is gone, after 18m of 30m. An exec or port-forward that is open stays open.
${released}`,
    stdout: released,
    exitCode: 0,
  });
  expect(of(at, "payments-debug-7k2mx").spec?.["termination"]).toEqual({ by: alice });
});

test("10. release; PL09: of several it wants a name, or --all", async () => {
  const at = await twice();
  expect(await at.type("release")).toEqual({
    screen: `\
error: you have 2 active grants; say which one, or --all
  payments-debug-7k2mx  checkout-debug-q9d4z
`,
    stdout: "",
    exitCode: 2,
  });
  const named = await at.type('release checkout-debug-q9d4z -j "all is well"');
  expect(named).toMatchObject({
    exitCode: 0,
    screen: expect.stringContaining("pod-debugger in checkout is gone") as unknown,
  });
  expect(of(at, "checkout-debug-q9d4z").spec?.["termination"]).toEqual({ by: alice, justification: "all is well" });
  expect(of(at, "payments-debug-7k2mx").status?.["phase"]).toBe("Active");
});

test("7. what to type next names the grant while another one is active, and no longer", async () => {
  const at = await twice();
  at.now = later(at.now, 26 * minute);
  const warned = async (): Promise<readonly string[]> => (await at.type("policies")).screen.split("\n");
  expect(await warned()).toEqual(
    expect.arrayContaining([
      "warning: payments-debug-7k2mx ends in 4m, at 03:57:07 UTC.",
      "  Longer: kubectl elevate extend payments-debug-7k2mx",
    ]),
  );
  await at.type("release checkout-debug-q9d4z");
  expect((await warned())[0]).toBe(
    "warning: payments-debug-7k2mx ends in 4m, at 03:57:07 UTC. Longer: kubectl elevate extend",
  );
  expect((await at.type("")).screen).toContain(
    "\nLonger: kubectl elevate extend    Give back: kubectl elevate release\n",
  );
});

test("PL09: release --all ends all that is open, in every namespace; -n restricts it", async () => {
  const at = await twice();
  await at.type(ask.replace("request", "request --new"), [null]);
  expect((await at.type("release --all -n checkout")).stdout).toBe(
    "elevationrequest.kube-elevate.dev/checkout-debug-q9d4z released\n",
  );
  const { stdout, screen, exitCode } = await at.type("release --all");
  expect([exitCode, stdout.split("\n").length]).toEqual([0, 3]);
  expect(screen).toContain("payments-debug-m2p8w in payments is over: nothing was granted.\n");
  expect(at.of("ElevationRequest").map(({ status }) => status?.["phase"])).toEqual([
    "Released",
    "Released",
    "Released",
  ]);
});

test("PL09: nothing to release is no error", async () => {
  const at = terminal();
  at.mayList = true;
  expect(await at.type("release")).toEqual({ screen: "Nothing to release.\n", stdout: "", exitCode: 0 });
  at.mayList = false;
  expect((await at.type("release --all")).screen).toBe(`${notListed}Nothing to release.\n`);
  const with1 = await elevated();
  over(with1, of(with1, "payments-debug-7k2mx"), "Expired");
  expect(await with1.type("release payments-debug-7k2mx")).toEqual({
    screen: "Nothing to release: payments-debug-7k2mx expired at 2026-11-24 03:27:07 UTC.\n",
    stdout: "",
    exitCode: 0,
  });
});

test("release: what ended meanwhile, or is ended by somebody else, is waited for all the same", async () => {
  const at = await elevated();
  at.patching = () => {
    over(at, of(at, "payments-debug-7k2mx"), "Expired");
    throw new KubectlFailure("The ElevationRequest is invalid: spec of an ended request never changes");
  };
  expect(await at.type("release")).toMatchObject({
    exitCode: 0,
    stdout: "elevationrequest.kube-elevate.dev/payments-debug-7k2mx expired\n",
  });
});

test("release: where the controller does not end it, exit 4 says so, and why", async () => {
  const at = await elevated();
  at.patching = (object) => ({
    ...object,
    status: { ...object.status, conditions: [{ ...stalled, message: "DELETE is refused by a webhook" }] },
  });
  expect(await at.type("release")).toEqual({
    screen: `\
error: payments-debug-7k2mx is told to end, but its access is still there.
  DELETE is refused by a webhook. Tell #platform-oncall. What becomes of it:
    kubectl elevate status payments-debug-7k2mx
`,
    stdout: "",
    exitCode: 4,
  });
});

const stalled = {
  type: "Stalled",
  status: "True",
  reason: "UnbindFailing",
  lastTransitionTime: "2026-11-24T03:27:07Z",
  observedGeneration: 1,
};

test("release: Ctrl-C while it waits says what is under way", async () => {
  const at = await elevated();
  at.patching = (object) => object;
  at.paused = () => {
    throw new Interrupted();
  };
  expect(await at.type("release")).toMatchObject({
    exitCode: 130,
    screen: expect.stringMatching(
      /^payments-debug-7k2mx is told to end;\n[^]*status payments-debug-7k2mx\n$/,
    ) as unknown,
  });
});

const ofBob = (at: Terminal): Stored => {
  const bobs = {
    ...of(at, "payments-debug-7k2mx"),
    spec: { policyName: "payments-debug", requester: { username: "bob" } },
  };
  at.put(bobs);
  return bobs;
};

test("release: of somebody else it is refused, and says how it can be ended", async () => {
  const at = await elevated();
  ofBob(at);
  expect(await at.type("release payments-debug-7k2mx")).toEqual({
    screen: `\
error (RequesterMismatch): payments-debug-7k2mx was asked for by 'bob', who alone can release it.
  Who may revoke: kubectl elevate revoke payments-debug-7k2mx -j TEXT
`,
    stdout: "",
    exitCode: 3,
  });
});

test("PL09: revoke wants to know why, and tells whose access is gone", async () => {
  const at = await elevated();
  ofBob(at);
  expect(await at.type("revoke payments-debug-7k2mx")).toMatchObject({ exitCode: 2, stdout: "" });
  at.patching = (object) => over(at, object, "Revoked");
  at.now = later(at.now, 2 * minute);
  expect(await at.type('revoke payments-debug-7k2mx -j "wrong cluster"')).toEqual({
    screen: `\
pod-debugger in payments is gone for bob, after 2m of 30m.
  An exec or port-forward that is open stays open.
elevationrequest.kube-elevate.dev/payments-debug-7k2mx revoked
`,
    stdout: "elevationrequest.kube-elevate.dev/payments-debug-7k2mx revoked\n",
    exitCode: 0,
  });
  expect(of(at, "payments-debug-7k2mx").spec?.["termination"]).toEqual({ by: alice, justification: "wrong cluster" });
  expect((await at.type("revoke payments-debug-7k2mx -j again")).screen).toMatch(
    /^Nothing to revoke: .* was revoked at/,
  );
});

test("revoke: who may not is refused in admission's words; one's own is released", async () => {
  const at = await elevated();
  expect(await at.type("revoke payments-debug-7k2mx -j x")).toMatchObject({
    exitCode: 2,
    screen: "error: payments-debug-7k2mx is your own. Give it back: kubectl elevate release payments-debug-7k2mx\n",
  });
  ofBob(at);
  at.patching = () => {
    throw new KubectlFailure(
      "Error from server (Forbidden): elevationrequests.kube-elevate.dev \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: RevokeNotPermitted: alice is not the requester, and may not revoke. Ask one who may",
    );
  };
  expect(await at.type("revoke payments-debug-7k2mx -j x")).toEqual({
    screen: "error (RevokeNotPermitted): alice is not the requester, and may not revoke. Ask one who may\n",
    stdout: "",
    exitCode: 3,
  });
});

test("time ran out: PL10: extend asks anew with policy, namespace and justification of the old one", async () => {
  const at = await elevated();
  at.now = later(at.now, 30 * minute);
  over(at, of(at, "payments-debug-7k2mx"), "Expired");
  at.now = later(at.now, 20_000);
  expect(await at.type("extend", ["123456"])).toEqual({
    screen: `\
payments-debug-7k2mx expired 20s ago. Asking again: INC-4312 checkout pods crash-looping
You ask for  ClusterRole/pod-debugger in namespace payments, for 15m (30m with WebAuthn)
As           oidc:alice@example.com on prod-eu
Code from your authenticator app: ******
Active until 04:12:27 UTC (15m), in every shell that uses your credentials.
elevationrequest.kube-elevate.dev/payments-debug-q9d4z active
`,
    stdout: "elevationrequest.kube-elevate.dev/payments-debug-q9d4z active\n",
    exitCode: 0,
  });
});

test("PL10: the old grant keeps its own end, and what is in another namespace is asked for there", async () => {
  const at = await twice();
  expect(await at.type("extend")).toMatchObject({
    exitCode: 2,
    screen: "error: you have 2 active grants; say which one\n  payments-debug-7k2mx  checkout-debug-q9d4z\n",
  });
  const before = of(at, "checkout-debug-q9d4z");
  at.script.verify = [() => granted(at, "checkout-debug-m2p8w")];
  const { screen, exitCode } = await at.type("extend checkout-debug-q9d4z", ["123456"]);
  expect(screen).toMatch(
    /^checkout-debug-q9d4z keeps its end, at 03:57:07 UTC.\n? +Asking again: INC-4312 checkout pods crash-looping\n/,
  );
  expect(screen).toContain("in namespace checkout, for 15m");
  expect([exitCode, of(at, "checkout-debug-q9d4z")]).toEqual([0, before]);
  expect(of(at, "checkout-debug-m2p8w")).toMatchObject({
    metadata: { namespace: "checkout" },
    spec: { policyName: "checkout-debug", justification: "INC-4312 checkout pods crash-looping" },
  });
});

test("PL10: with nothing to extend it says so", async () => {
  const at = terminal();
  at.mayList = true;
  expect(await at.type("extend")).toEqual({
    screen: "error: there is nothing to extend. What you may ask for: kubectl elevate policies\n",
    stdout: "",
    exitCode: 1,
  });
});

test("9. any command warns first in the last 5 minutes, as long as the grant is there", async () => {
  const at = await elevated();
  at.mayList = true;
  at.now = later(at.now, 25 * minute + 20_000);
  const first = async (line: string): Promise<string | undefined> => (await at.type(line)).screen.split("\n")[0];
  expect(await first("")).toBe(
    "warning: payments-debug-7k2mx ends in 4m, at 03:57:07 UTC. Longer: kubectl elevate extend",
  );
  at.now = later(at.now, 4 * minute);
  expect(await first("policies -n checkout")).toBe(
    "warning: payments-debug-7k2mx ends in 40s. Longer: kubectl elevate extend -n payments",
  );
  await at.type("release");
  expect(await first("")).toBe("You are not elevated on prod-eu (oidc:alice@example.com).");
});

test("9. run: PL11: warned 5 minutes and 60 seconds before the end, and at it; the exit code is the command's", async () => {
  const at = terminal();
  at.script.verify = [() => granted(at, "payments-debug-7k2mx", "30m", "WebAuthn")];
  const seen: unknown[] = [];
  at.command = async (argv) => {
    seen.push(argv, of(at, "payments-debug-7k2mx").status?.["phase"]);
    while (of(at, "payments-debug-7k2mx").status?.["phase"] === "Active") await new Promise(setImmediate);
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    return 7;
  };
  timeGoesOn(at);
  expect(await at.type(`run payments-debug ${because} -- sh -c "exit 7"`, ["123456"])).toEqual({
    screen: `\
You ask for  ClusterRole/pod-debugger in namespace payments, for 15m (30m with WebAuthn)
As           oidc:alice@example.com on prod-eu
Code from your authenticator app: ******
Active until 03:57:07 UTC (30m), in every shell that uses your credentials.
warning: payments-debug-7k2mx ends in 5m, at 03:57:07 UTC. Longer: kubectl elevate extend
warning: payments-debug-7k2mx ends in 60s. Longer: kubectl elevate extend
warning: payments-debug-7k2mx expired at 03:57:07 UTC. New requests are Forbidden; an open exec or
  port-forward may live on. Again: kubectl elevate extend
`,
    stdout: "",
    exitCode: 7,
  });
  expect(seen).toEqual([["sh", "-c", "exit 7"], "Active"]);
});

test("PL11: run makes a request of its own, and releases that alone", async () => {
  const at = await elevated();
  at.script.verify = [() => granted(at, "payments-debug-q9d4z")];
  at.command = async () => {
    at.now = later(at.now, 2 * minute);
    return Promise.resolve(0);
  };
  const { screen, stdout, exitCode } = await at.type(`run payments-debug ${because} -- true`, ["123456"]);
  expect(screen).toMatch(
    /\npod-debugger in payments is gone, after 2m of 15m. An exec or port-forward that is open stays open.\n$/,
  );
  expect([stdout, exitCode]).toEqual(["", 0]);
  expect(
    [of(at, "payments-debug-7k2mx"), of(at, "payments-debug-q9d4z")].map(({ status }) => status?.["phase"]),
  ).toEqual(["Active", "Released"]);
});

test("PL11: without a grant the command is not run: exit 125, and nothing is left open", async () => {
  const at = terminal();
  at.command = async () => Promise.reject(new Error("it was run"));
  const run = `run payments-debug ${because} -- true`;
  expect(await at.type(run, [null])).toMatchObject({
    exitCode: 125,
    screen: expect.stringContaining('ask again: kubectl elevate run payments-debug -j "..." -- ...') as unknown,
  });
  expect(of(at, "payments-debug-7k2mx").status?.["phase"]).toBe("Released");
  at.refusal = "UseNotPermitted: no";
  expect(await at.type(run)).toMatchObject({ exitCode: 125, stdout: "" });
  expect(await at.type("run payments-debug")).toMatchObject({ exitCode: 2 });
});

test("PL11: a release that fails is tried again, and where it cannot be done, it says how", async () => {
  const at = terminal();
  let failures = 2;
  at.patching = (object) => {
    failures -= 1;
    if (failures >= 0) throw new KubectlFailure("kubectl exited with 130");
    return over(at, object, "Released");
  };
  const run = `run payments-debug ${because} -- true`;
  expect(await at.type(run, ["123456"])).toMatchObject({ exitCode: 0 });
  expect(of(at, "payments-debug-7k2mx").status?.["phase"]).toBe("Released");
  failures = 3;
  at.command = async () => Promise.resolve(5);
  const { exitCode, screen } = await at.type(run, ["123456"]);
  expect(exitCode).toBe(5);
  expect(screen).toContain("payments-debug-q9d4z is not released.");
  expect(screen).toContain("kubectl elevate release payments-debug-q9d4z\n");
});

test("9. status --watch says the same, and returns when it is over", async () => {
  const at = await elevated();
  at.mayList = true;
  timeGoesOn(at);
  const { screen, exitCode } = await at.type("status --watch");
  expect(screen.split("\n").slice(2).join("\n")).toBe(`\
Longer: kubectl elevate extend    Give back: kubectl elevate release
warning: payments-debug-7k2mx ends in 5m, at 03:57:07 UTC. Longer: kubectl elevate extend
warning: payments-debug-7k2mx ends in 60s. Longer: kubectl elevate extend
warning: payments-debug-7k2mx expired at 03:57:07 UTC. New requests are Forbidden; an open exec or
  port-forward may live on. Again: kubectl elevate extend
`);
  expect(exitCode).toBe(0);
});

test("status NAME --watch notices an early end, and tells it by its exit code", async () => {
  const at = await elevated();
  at.paused = (ms) => {
    at.now = later(at.now, ms);
    over(at, of(at, "payments-debug-7k2mx"), "Revoked");
  };
  expect(await at.type("status payments-debug-7k2mx --watch")).toMatchObject({
    exitCode: 5,
    screen: expect.stringMatching(
      /^Active until 03:57:07 UTC \(30m left\)\.\nwarning: payments-debug-7k2mx was revoked at 03:27:37 UTC\. /,
    ) as unknown,
  });
});

test("PL12: history of all, for who may list; by requester, namespace, phase and since", async () => {
  const at = await twice();
  at.mayList = true;
  at.now = later(at.now, 18 * minute);
  await at.type("release checkout-debug-q9d4z");
  ofBob(at);
  const all = await at.type("history");
  expect(all.stdout).toBe(`\
NAMESPACE   NAME                   REQUESTER                PHASE      ASKED                     LASTED
payments    payments-debug-7k2mx   bob                      Active     2026-11-24 03:27:07 UTC   18m of 30m
checkout    checkout-debug-q9d4z   oidc:alice@example.com   Released   2026-11-24 03:27:07 UTC   18m of 30m
`);
  expect(all.screen).toBe(`${all.stdout}2 requests.\n`);
  const names = async (line: string): Promise<readonly string[]> =>
    [...(await at.type(`history ${line}`)).stdout.matchAll(/[a-z]+-debug-\w{5}/g)].map(([name]) => name);
  expect(await names("--requester bob")).toEqual(["payments-debug-7k2mx"]);
  expect(await names("-n checkout")).toEqual(["checkout-debug-q9d4z"]);
  expect(await names("--phase released")).toEqual(["checkout-debug-q9d4z"]);
  at.now = later(at.now, 10 * minute);
  expect(await names("--since 5m")).toEqual(["payments-debug-7k2mx"]);
  expect(await names("--since 1d")).toHaveLength(2);
  expect(await at.type("history --phase over")).toMatchObject({ exitCode: 2 });
  expect(await at.type("history --since yesterday")).toMatchObject({ exitCode: 2 });
});

test("PL12: who may not list sees their own by name, and is told so", async () => {
  const at = await elevated();
  const { screen, exitCode } = await at.type("history");
  expect(screen).toMatch(new RegExp(`^${notListed}NAMESPACE .*\npayments .*\n1 request.\n$`));
  expect(exitCode).toBe(0);
  expect(await at.type("history --requester bob")).toEqual({
    screen: "error: you may not list requests, so only your own can be shown. See: kubectl elevate history\n",
    stdout: "",
    exitCode: 3,
  });
});
