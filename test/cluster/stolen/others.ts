import {
  bindingBody,
  bindingsPath,
  end,
  grant,
  offer,
  policiesPath,
  requestsPath,
  verification,
} from "../../contract/bodies.ts";
import { accountName, type Reply } from "../../contract/installed.ts";
import { expectRefusedBy } from "../../contract/judging.ts";
import { home } from "./anybody.ts";
import type { Robbed } from "./robbed.ts";

// What a thief with the token of the verifier, the sweeper or the default account meets.

const everyBinding = "/apis/rbac.authorization.k8s.io/v1/rolebindings";
const reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

export async function noPhaseNoBinding({ installed, judge, requests, ours, factor, deletes }: Robbed): Promise<void> {
  const { call, merge, post } = installed;
  const writes = async (name: keyof typeof requests, status: object): Promise<Reply> =>
    merge("verifier", requestsPath("shop", `/${name}/status`), { status });
  await judge.expectRefused("status", 3, "WriteNotPermitted", {
    "a grant": writes("proven", { phase: "Granting", grant }),
    "an end": writes("active", { phase: "Revoked", ...end }),
    "a denial": writes("pending", { phase: "Denied", ...end }),
    "a message": writes("active", { message: "all is well" }),
    conditions: writes("active", { conditions: [] }),
  });
  await expectRefusedBy(422, "offer is set once", {
    "an offer": writes("pending", { offer: { ...offer, rulesHash: "x" } }),
  });
  await expectRefusedBy(403, `User "${accountName("verifier")}" cannot `, {
    "a binding": post("verifier", bindingsPath("shop"), bindingBody(requests.proven)),
    "a binding taken off": deletes("verifier", ours),
    "bindings read": call("verifier", "GET", everyBinding),
    "an open request": deletes("verifier", requestsPath("shop", "/active")),
    "a record": deletes("verifier", requestsPath("shop", "/over")),
    "a factor": deletes("verifier", factor),
    "a policy's status": merge("verifier", policiesPath("/shop-debug/status"), { status: {} }),
    "what admission was": merge("verifier", home("configmaps/kube-elevate-seen"), { data: {} }),
    ConfigMaps: call("verifier", "GET", home("configmaps")),
    "the keys taken away": deletes("verifier", home("secrets/kube-elevate-keys")),
    "rights of others": post("verifier", reviews, { spec: { user: "alice" } }),
  });
}

export async function atMost({ installed, judge, requests, ours, foreign, factor, deletes }: Robbed): Promise<void> {
  const { call, merge, post } = installed;
  await judge.expectRefused("own-deletes", 1, "DeleteNotPermitted", {
    "a foreign binding": deletes("sweeper", foreign),
  });
  await judge.expectRefused("bindings", 7, "BindingRefused", {
    "in Foreground": deletes("sweeper", ours, { propagationPolicy: "Foreground" }),
    "as orphan": deletes("sweeper", ours, { propagationPolicy: "Orphan" }),
  });
  for (const who of [accountName("sweeper"), accountName("default")])
    await expectRefusedBy(403, `User "${who}" cannot `, {
      "a binding": post(who, bindingsPath("shop"), bindingBody(requests.proven)),
      "a binding by its name": call(who, "GET", ours),
      requests: call(who, "GET", requestsPath("shop")),
      "a record": deletes(who, requestsPath("shop", "/over")),
      "a phase": merge(who, requestsPath("shop", "/active/status"), { status: { message: "x" } }),
      "a proof": merge(who, requestsPath("shop", "/pending/status"), { status: { verification } }),
      "a factor": merge(who, `${factor}/status`, { status: {} }),
      "the keys": call(who, "GET", home("secrets/kube-elevate-keys")),
      "the trust": merge(who, home("configmaps/kube-elevate-trust"), { data: {} }),
      "what admission was": call(who, "GET", home("configmaps/kube-elevate-seen")),
      "an Event": post(who, "/apis/events.k8s.io/v1/namespaces/shop/events", {}),
    });
  const nobody = accountName("default");
  await expectRefusedBy(403, `User "${nobody}" cannot `, {
    "bindings read": call(nobody, "GET", everyBinding),
    "a binding of ours": deletes(nobody, ours),
  });
}
