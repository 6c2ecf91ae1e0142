import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { install } from "../../hack/controlplane/install.ts";
import { accountName, accounts, emptyPlane, type Installed, withSamples } from "../contract/installed.ts";
import { expectRefusedBy } from "../contract/judging.ts";
import { whatNobodyMay } from "./stolen/anybody.ts";
import { bindsNoMore, changesNoRecord } from "./stolen/controller.ts";
import { atMost, noPhaseNoBinding } from "./stolen/others.ts";
import { type Robbed, robbed } from "./stolen/robbed.ts";
import { whatIsLeft } from "./stolen/what-is-left.ts";

let installed: Installed;
const kubectl = async (user: string, ...args: readonly string[]): Promise<string> =>
  (await installed.plane.run(user, args, { check: false })).stdout;
const rights = async (user: string, namespace: string): Promise<readonly string[]> => {
  const [header = "", ...lines] = (await kubectl(user, "auth", "can-i", "--list", "-n", namespace))
    .trimEnd()
    .split("\n");
  return [header, ...lines.toSorted((a, b) => (a < b ? -1 : 1))];
};

const review = z.object({ status: z.object({ allowed: z.boolean() }) });

const all = [...accounts, "default"];

beforeAll(async () => {
  installed = await emptyPlane([{ name: "mallory", groups: [] }]);
  await install(installed.plane);
  for (const account of all) await installed.plane.accountKubeconfig(account);
});
afterAll(() => installed[Symbol.asyncDispose]());

// A new right changes the file: it is read by a person before it is committed (vitest -u writes it).
test.each(all)("DS09: the rights of the account %s are the reviewed ones", async (account) => {
  const here = await rights(accountName(account), "elevate-system");
  const elsewhere = await rights(accountName(account), "default");
  expect(here.filter((line) => /^(?:secrets|configmaps|elevation|rolebindings)/.test(line)).length).toBeGreaterThan(0);
  const text = ["in elevate-system", ...here, "", "in any other namespace", ...elsewhere, ""].join("\n");
  await expect(text).toMatchFileSnapshot(`../contract/rights/${account}.txt`);
});

test("DS09: none of ours changes a binding, impersonates, makes a Secret or a token, or grants what it does not name", async () => {
  const never = [
    ["update", "rolebindings.rbac.authorization.k8s.io"],
    ["patch", "rolebindings.rbac.authorization.k8s.io"],
    ["impersonate", "users"],
    ["impersonate", "serviceaccounts"],
    ["create", "secrets"],
    ["list", "secrets"],
    ["create", "serviceaccounts/token"],
    ["bind", "clusterroles.rbac.authorization.k8s.io"],
    ["bind", "roles.rbac.authorization.k8s.io"],
    ["escalate", "clusterroles.rbac.authorization.k8s.io"],
    ["patch", "elevationrequests.kube-elevate.dev"],
    ["create", "elevationrequests.kube-elevate.dev"],
    ["patch", "authenticators.kube-elevate.dev"],
    ["create", "clusterrolebindings.rbac.authorization.k8s.io"],
  ] as const;
  const answers = all.flatMap((account) =>
    never.map(async ([verb, what]) => {
      const [resource = "", subresource] = what.split("/");
      const [, name = "", group = ""] = /^([^.]*)\.?(.*)$/.exec(resource) ?? [];
      const attributes = { verb, group, resource: name, subresource, namespace: "elevate-system" };
      const { body } = await installed.post(
        accountName(account),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
          spec: { resourceAttributes: attributes },
        },
      );
      return { account, verb, what, ...review.parse(body).status };
    }),
  );
  expect((await Promise.all(answers)).filter(({ allowed }) => allowed)).toEqual([]);
  const roles = z
    .object({
      items: z.array(
        z.object({
          metadata: z.object({ name: z.string() }),
          rules: z
            .array(z.object({ verbs: z.array(z.string()), resources: z.array(z.string()).default([]) }))
            .nullable(),
        }),
      ),
    })
    .parse(JSON.parse(await kubectl("admin", "get", "clusterroles", "-o", "json")));
  const ours = roles.items.filter(({ metadata }) => metadata.name.startsWith("kube-elevate-"));
  expect(ours.length).toBeGreaterThan(7);
  const wild = ours.filter(({ rules }) =>
    (rules ?? []).some(({ verbs, resources }) => [...verbs, ...resources].includes("*")),
  );
  expect(wild.map(({ metadata }) => metadata.name)).toEqual([]);
});

test("IA23: a requester asks, proves and reads what may be asked for, and nothing else", async () => {
  await withSamples(installed);
  const elevate = (await rights("alice", "shop")).filter((line) => line.includes("kube-elevate.dev"));
  expect(elevate.map((line) => line.replaceAll(/\s+/g, " "))).toEqual([
    "authenticators.kube-elevate.dev [] [] [get create delete]",
    "elevationpolicies.kube-elevate.dev [] [] [get list]",
    "elevationpolicies.kube-elevate.dev [] [shop-debug] [use]",
    "elevationrequests.kube-elevate.dev [] [] [create get patch]",
  ]);
  const elsewhere = (await rights("alice", "default")).filter((line) => line.includes("[use]"));
  expect(elsewhere).toEqual([]);
});

// What a stolen token of each account is good for: test/cluster/stolen.

let stolen: Robbed;

test("TK01, TK02, TK03: four tokens are stolen, where requests of each stage stand", async () => {
  stolen = await robbed(installed);
  expect(stolen.before.rules.length).toBeGreaterThan(80);
});

test.each([
  ["TK01", "controller"],
  ["TK02", "verifier"],
  ["TK03", "sweeper"],
  ["TK03", "default"],
])(
  "%s: the token of the %s makes no token, Pod or role, reads no Secret, is nobody else, leaves admission, kinds and specs alone",
  async (_row, account) => {
    const tries = whatNobodyMay(installed, account);
    expect(Object.keys(tries).length).toBeGreaterThan(35);
    await expectRefusedBy(403, `User "${accountName(account)}" cannot `, tries);
  },
);

test("TK01: the controller's token binds what it was given alone, to one person, for 24h at most; and where it was given everything, nothing of the cluster's", async () => {
  await bindsNoMore(stolen);
  expect(await stolen.everything()).toEqual(stolen.before);
});

test("TK01: it lengthens nothing, proves nothing, deletes no open or proven request, no factor and nothing foreign, and does not rewrite what has ended", async () => {
  await changesNoRecord(stolen);
  expect(await stolen.everything()).toEqual(stolen.before);
});

test("TK02: the verifier's token touches no binding, no phase and no grant, and reads one Secret and one ConfigMap by name", async () => {
  await noPhaseNoBinding(stolen);
  expect(await stolen.everything()).toEqual(stolen.before);
});

test("TK03: the sweeper's token deletes elevate:*:* alone, in Background, and writes nothing; the default account's does nothing", async () => {
  await atMost(stolen);
  expect(await stolen.everything()).toEqual(stolen.before);
});

test("TK01, TK02, TK03: what is left to a thief: to end access, bindings that a controller ends within 5 s, open invitations, records that have ended or that it ends first; with the verifier's token, proofs", async () => {
  const { endedAfterMs } = await whatIsLeft(stolen);
  expect(Object.values(endedAfterMs).filter((ms) => ms > 10_000)).toEqual([]); // 5 s, where the machine has time
}, 90_000);
