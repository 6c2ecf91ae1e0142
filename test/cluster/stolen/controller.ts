import {
  at,
  authenticatorsPath,
  bindingBody,
  bindingsPath,
  grant,
  requestsPath,
  verification,
} from "../../contract/bodies.ts";
import { accountName, type Reply } from "../../contract/installed.ts";
import { expectRefusedBy } from "../../contract/judging.ts";
import { eventually } from "../support/control-plane.ts";
import { home } from "./anybody.ts";
import type { Robbed } from "./robbed.ts";

// What a thief with the controller's token meets.

type Change = NonNullable<Parameters<typeof bindingBody>[1]>;
const everybody = { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:authenticated" };
const until = (time: string): Change => ({
  metadata: {
    annotations: {
      "kube-elevate.dev/expiration-time": time,
      "kube-elevate.dev/policy": "shop-debug",
      "kube-elevate.dev/requester": "alice",
    },
  },
});

export async function bindsNoMore({ installed, judge, requests }: Robbed): Promise<void> {
  const { plane, post } = installed;
  const binds = async (change: Change, namespace = "shop"): Promise<Reply> =>
    post("controller", bindingsPath(namespace), bindingBody(requests.proven, change));
  const shapes = async (): Promise<void> => {
    await judge.expectRefused("bindings", 3, "BindingRefused", {
      "a ServiceAccount": binds({ subjects: [{ kind: "ServiceAccount", name: "default", namespace: "shop" }] }),
      "a ServiceAccount, as a user": binds({ user: "system:serviceaccount:shop:default" }),
      "a Group": binds({ subjects: [everybody] }),
      "a person and a Group": binds({ subjects: [{ ...everybody, kind: "User", name: "alice" }, everybody] }),
    });
    await judge.expectRefused("bindings", 5, "BindingRefused", { "for 25h": binds(until(at(25 * 3_600))) });
    await judge.expectRefused("bindings", 6, "BindingRefused", {
      "at home": binds({}, "elevate-system"),
      "in kube-system": binds({}, "kube-system"),
    });
  };
  await expectRefusedBy(403, "attempting to grant", { view: binds({ role: "view" }), edit: binds({ role: "edit" }) });
  await shapes();

  const all = ["--verb=bind", "--resource=clusterroles.rbac.authorization.k8s.io"];
  await plane.run("admin", ["create", "clusterrole", "careless", ...all]);
  const given = ["--clusterrole=careless", "--serviceaccount=elevate-system:controller"];
  await plane.run("admin", ["create", "clusterrolebinding", "careless", ...given]);
  const view = bindingBody(requests.proven, { role: "view" });
  const mayBindView = async (): Promise<boolean> =>
    (await post("controller", bindingsPath("shop", "?dryRun=All"), view)).code === 201;
  await eventually(mayBindView, 10, "a careless admin lets it bind every role");
  await judge.expectRefused("bindings", 4, "BindingRefused", {
    "cluster-admin": binds({ role: "cluster-admin" }),
    "its own": binds({ role: "kube-elevate-controller" }),
    "the policy admin's": binds({ role: "kube-elevate-policy-admin" }),
  });
  await shapes();
  await plane.run("admin", ["delete", "clusterrolebinding,clusterrole", "careless"]);
}

export async function changesNoRecord({
  installed,
  judge,
  requests,
  ours,
  foreign,
  factor,
  deletes,
}: Robbed): Promise<void> {
  const { call, merge } = installed;
  const request = (stage: keyof typeof requests, rest = ""): string =>
    requestsPath("shop", `/${requests[stage].name}${rest}`);
  const writes = async (stage: keyof typeof requests, status: object): Promise<Reply> =>
    merge("controller", request(stage, "/status"), { status });
  await judge.expectRefused("own-deletes", 1, "DeleteNotPermitted", {
    "a foreign binding": deletes("controller", foreign),
  });
  await judge.expectRefused("bindings", 7, "BindingRefused", {
    "ours, so that it lives on": deletes("controller", ours, { propagationPolicy: "Foreground" }),
  });
  await judge.expectRefused("status", 2, "WriteNotPermitted", { "a proof": writes("pending", { verification }) });
  await judge.expectRefused("request-change", 6, "DeleteNotPermitted", {
    "an active request": deletes("controller", request("active")),
  });
  await judge.expectRefused("request-change", 7, "DeleteNotPermitted", {
    "one that waits": deletes("controller", request("pending")),
    "one that is proven": deletes("controller", request("proven")),
  });
  await judge.expectRefused("authenticator", 10, "DeleteNotPermitted", {
    "a factor that is Active": deletes("controller", factor),
  });
  const byRuleOfTheKind = {
    "expirationTime is set once": writes("active", { grant: { expirationTime: at(80_000) } }),
    "Granting and Active need verification": writes("pending", { phase: "Granting", grant }),
    "offer is set once": writes("pending", { offer: { roleRef: { kind: "ClusterRole", name: "edit" } } }),
    "no such step of phase": writes("active", { phase: "Pending" }),
    "status of an ended request never changes": writes("over", { reason: "Revoked", message: "it was another" }),
  };
  for (const [words, reply] of Object.entries(byRuleOfTheKind)) await expectRefusedBy(422, words, { [words]: reply });
  await expectRefusedBy(403, `User "${accountName("controller")}" cannot `, {
    "the keys": call("controller", "GET", home("secrets/kube-elevate-keys")),
    "the trust": merge("controller", home("configmaps/kube-elevate-trust"), { data: { url: "https://evil.example" } }),
    "a factor's status": merge("controller", `${factor}/status`, { status: { phase: "Pending" } }),
    "a factor, all of them": call("controller", "DELETE", authenticatorsPath()),
    "its binding, by PUT": call("controller", "PUT", ours, bindingBody(requests.active)),
  });
}
