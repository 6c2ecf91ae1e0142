import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { endpointCAFile, startController, startVerifier } from "../../hack/controlplane/processes.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { codeAt, enroll, type Person, stepNow } from "./support/endpoint.ts";
import { type Ended, pluginOf, type Run } from "./support/plugin.ts";

// kubectl elevate at the end of access: the real kubectl, API server, controller and verifier. A code is good once, so each
// test has people of its own.

const names = ["hal", "ida", "jon", "kim", "lea", "max", "nia", "oto", "pia"] as const;
type Name = (typeof names)[number];
const cluster = useControlPlane({
  installed: "samples",
  users: names.map((name) => ({ name, groups: ["devs"] })),
});
const elevate: Run = pluginOf(() => cluster.plane);
const inShop = ["-n", "shop", "-j", "INC-1 test"];
const people = new Map<string, Person>();

const typed = async (user: string, ...args: readonly string[]): Promise<Ended> =>
  elevate(user, args, { input: "" }).ended;
const code = async (user: Name): Promise<string> => codeAt(people.get(user)?.seed ?? "", await stepNow());
const started = async (user: Name, ...args: readonly string[]): Promise<ReturnType<Run>> =>
  elevate(user, [...args.slice(0, 2), ...inShop, "--code-stdin", ...args.slice(2)], { input: await code(user) });

/** Has shop-debug; the name of the request. */
async function elevated(user: Name): Promise<string> {
  const ended = await (await started(user, "request", "shop-debug", "-o", "name")).ended;
  if (ended.code !== 0) throw new Error(ended.stderr);
  return ended.stdout.trim().replace(/^.*\//, "");
}

const pods = async (user: string): Promise<string> => cluster.kubectl(user, "get", "pods", "-n", "shop", "-o", "name");
const forbidden = async (user: string): Promise<string> => cluster.refused(user, "get", "pods", "-n", "shop");
const noPods = expect.stringContaining("Error from server (Forbidden): pods is forbidden") as unknown;
const wide = async (name: string): Promise<string> =>
  cluster.kubectl("sre", "get", "elev", name, "-n", "shop", "-o", "wide", "--no-headers");
const bindings = async (): Promise<string> =>
  cluster.kubectl("admin", "get", "rolebindings", "-n", "shop", "-o", "jsonpath={.items[*].subjects[*].name}");
const last = async (user: Name): Promise<string> =>
  cluster.kubectl(
    "admin",
    "get",
    "elev",
    "-n",
    "shop",
    `--field-selector=spec.requester.username=${user}`,
    "-o",
    "jsonpath={.items[*].status.phase}/{.items[*].status.reason}/{.items[*].spec.termination.by}",
  );

let first = "";
beforeAll(async () => {
  const [verifier] = await Promise.all([startVerifier(cluster.plane), startController(cluster.plane)]);
  const ca = await readFile(await endpointCAFile(cluster.plane), "utf8");
  await Promise.all(
    names.map(async (name) => {
      people.set(name, await enroll(cluster, verifier, ca, name));
    }),
  );
  first = await elevated("oto"); // extended at the end: the same person needs another code
});

test("PL09, EX24: release returns when the access is gone; the row says Released, by whom", async () => {
  const name = await elevated("hal");
  expect(await pods("hal")).toBe("");
  const released = await typed("hal", "release", "-j", "done here");
  expect(await bindings()).not.toContain("hal");
  expect(released).toEqual({
    code: 0,
    stdout: `elevationrequest.kube-elevate.dev/${name} released\n`,
    stderr: expect.stringMatching(
      /^pod-debugger in shop is gone, after \d+s of 15m\. An exec or port-forward that is open stays open\.\n$/,
    ) as unknown,
  });
  expect(await forbidden("hal")).toEqual(noPods);
  expect(await wide(name)).toMatch(/ Released .* shop-debug +TOTP .* hal +ReleasedByRequester +INC-1 test\s*$/);
  const again = await typed("hal", "release", name, "-n", "shop");
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("Nothing to release: ") as unknown]);
});

test("PL09: release --all ends what waits for a code as well; with nothing left it is no error", async () => {
  const granted = await elevated("ida");
  const asking = elevate("ida", ["request", "shop-debug", ...inShop, "--new"]);
  await asking.sees(/Code from/);
  asking.kill("SIGINT");
  expect(await asking.ended).toMatchObject({ code: 130 });
  const { code: exitCode, stdout } = await typed("ida", "release", "--all");
  expect([exitCode, stdout.includes(`/${granted} released\n`)]).toEqual([0, true]);
  expect(await last("ida")).toBe("Released Released/ReleasedByRequester ReleasedByRequester/ida ida");
  expect(await typed("ida", "release")).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringMatching(/Nothing to release\.\n$/) as unknown,
  });
});

test("PL09, EX24: revoke takes a justification and the right to; the row says Revoked, by whom", async () => {
  const name = await elevated("jon");
  expect(await typed("sre", "revoke", name, "-n", "shop")).toMatchObject({ code: 2, stdout: "" });
  expect(await typed("bob", "revoke", name, "-n", "shop", "-j", "no")).toMatchObject({
    code: 3,
    stdout: "",
    stderr: expect.stringMatching(/^error \(RevokeNotPermitted\): bob is not the requester/) as unknown,
  });
  expect(await pods("jon")).toBe("");
  const revoked = await typed("sre", "revoke", name, "-n", "shop", "-j", "wrong cluster");
  expect(await bindings()).not.toContain("jon");
  expect(revoked).toMatchObject({ code: 0, stdout: `elevationrequest.kube-elevate.dev/${name} revoked\n` });
  expect(revoked.stderr).toMatch(/^pod-debugger in shop is gone for jon, after \d+s of 15m\./);
  expect(await forbidden("jon")).toEqual(noPods);
  expect(await wide(name)).toMatch(/ Revoked .* sre +Revoked +INC-1 test\s*$/);
  const status = await typed("jon", "status", name, "-n", "shop");
  expect([status.code, status.stderr]).toEqual([5, expect.stringContaining("by sre: wrong cluster") as unknown]);
});

test("PL11: run is elevated while its command runs, and not after it: success", async () => {
  const running = await started("kim", "run", "shop-debug", "--", cluster.plane.kubectl, ...canI);
  const { code: exitCode, stdout, stderr } = await running.ended;
  expect([exitCode, stdout]).toEqual([0, "yes\n"]);
  expect(stderr).toMatch(/\npod-debugger in shop is gone, after \d+s of 15m\. [^\n]*\n$/);
  expect(await forbidden("kim")).toEqual(noPods);
  expect(await last("kim")).toBe("Released/ReleasedByRequester/kim");
});

const canI = ["auth", "can-i", "list", "pods", "-n", "shop"];

test("PL11: run ends with the exit code of a command that fails, and releases", async () => {
  const running = await started("lea", "run", "shop-debug", "--", "sh", "-c", "exit 41");
  expect(await running.ended).toMatchObject({ code: 41 });
  expect(await forbidden("lea")).toEqual(noPods);
  expect(await last("lea")).toBe("Released/ReleasedByRequester/lea");
});

test.each([
  ["max", "SIGINT", 130],
  ["nia", "SIGTERM", 143],
] as const)("PL11: run, when %s sends it %s, ends its command and releases", async (user, signal, exitCode) => {
  const running = await started(user, "run", "shop-debug", "--", "sh", "-c", "echo works >&2; exec sleep 60");
  await running.sees(/works\n$/);
  expect(await pods(user)).toBe("");
  running.kill(signal);
  expect(await running.ended).toMatchObject({ code: exitCode });
  expect(await forbidden(user)).toEqual(noPods);
  expect(await last(user)).toBe(`Released/ReleasedByRequester/${user}`);
});

test("PL11: run says that the access has ended, lets its command go on, and releases nothing any more", async () => {
  const running = elevate("pia", [
    "run",
    "shop-debug",
    ...inShop,
    "--duration",
    "3s",
    "--",
    "sh",
    "-c",
    "read x; exit 9",
  ]);
  running.enter(await code("pia"));
  await running.sees(
    /warning: shop-debug-\w{5} expired at \d\d:\d\d:\d\d UTC\. New requests are Forbidden; an open exec or\n/,
  );
  expect(await forbidden("pia")).toEqual(noPods);
  running.hangUp();
  const { code: exitCode, stderr } = await running.ended;
  expect([exitCode, stderr]).toEqual([9, expect.not.stringContaining(" is gone") as unknown]);
  expect(await last("pia")).toBe("Expired/Expired/");
});

test("PL11: without a grant run does not run it: exit 125", async () => {
  const { code: exitCode, stdout, stderr } = await typed("bob", "run", "shop-debug", ...inShop, "--", "echo", "ran");
  expect([exitCode, stdout]).toEqual([125, ""]);
  expect(stderr).toContain("error: you have no second factor");
});

test("PL12: history: of everybody for who may list, else one's own, and it says so", async () => {
  const all = await typed("sre", "history", "-n", "shop", "--phase", "revoked", "--since", "1h");
  expect(all.code).toBe(0);
  expect(all.stdout).toMatch(/^NAMESPACE .*LASTED\nshop +shop-debug-\w{5} +jon +Revoked .* UTC +\d+s of 15m\n$/);
  const own = await typed("hal", "history");
  expect(own.stdout).toMatch(/^NAMESPACE .*LASTED\nshop +shop-debug-\w{5} +hal +Released .*\n$/);
  expect(own.stderr).toBe(
    "You may not list requests: these are the ones that were made or proven on this machine.\n1 request.\n",
  );
  expect(await typed("hal", "history", "--requester", "jon")).toMatchObject({ code: 3, stdout: "" });
  expect((await typed("sre", "history", "--requester", "hal")).stdout).toContain(" hal ");
});

test("PL10: extend asks anew with policy, namespace and justification; the old grant keeps its own end, also when it is over", async () => {
  const spec = async (name: string): Promise<string> =>
    cluster.kubectl(
      "sre",
      "get",
      "elev",
      name,
      "-n",
      "shop",
      "-o",
      "jsonpath={.spec.policyName}/{.spec.justification}",
    );
  const until = ["get", "elev", first, "-n", "shop", "-o", "jsonpath={.status.grant.expirationTime}"];
  const before = await cluster.kubectl("sre", ...until);
  const extend = async (...args: readonly string[]): Promise<string> => {
    const used = await cluster.kubectl(
      "admin",
      "get",
      "authenticator",
      "6f746f.totp",
      "-o",
      "jsonpath={.status.totp.lastTimeStep}",
    );
    await eventually(async () => (await stepNow()) > Number(used), 31, "a code that is not used yet");
    const ended = await elevate("oto", ["extend", ...args, "--code-stdin", "-o", "name"], { input: await code("oto") })
      .ended;
    if (ended.code !== 0) throw new Error(ended.stderr);
    expect(ended.stderr).toMatch(
      /^shop-debug-\w{5} (keeps its end, at .* UTC|was released \d+s ago)\.\s+Asking again: INC-1 test\n/,
    );
    expect(ended.stderr).toContain("ClusterRole/pod-debugger in namespace shop, for 15m");
    return ended.stdout.trim().replace(/^.*\//, "");
  };
  const second = await extend();
  expect(await spec(second)).toBe("shop-debug/INC-1 test");
  expect(await cluster.kubectl("sre", ...until)).toBe(before);
  expect(await typed("oto", "release")).toMatchObject({
    code: 2,
    stderr: `error: you have 2 active grants; say which one, or --all\n  ${first}  ${second}\n`,
  });
  expect(await typed("oto", "release", "--all")).toMatchObject({ code: 0 });
  expect(await forbidden("oto")).toEqual(noPods);
  const third = await extend(first);
  expect([await spec(third), await pods("oto")]).toEqual(["shop-debug/INC-1 test", ""]);
});
