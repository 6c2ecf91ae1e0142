import {
  authenticatorBody,
  authenticatorsPath,
  bindingsPath,
  policiesPath,
  policyBody,
  requestBody,
  requestsPath,
} from "../../contract/bodies.ts";
import { accountName, type Installed, type Reply } from "../../contract/installed.ts";
import type { Tries } from "../../contract/judging.ts";

// What whoever stole a token of ours tries first. None of it is a dry run: what is not refused is done.

const rbac = "/apis/rbac.authorization.k8s.io/v1";
const admission = "/apis/admissionregistration.k8s.io/v1";
export const home = (rest: string): string => `/api/v1/namespaces/elevate-system/${rest}`;
const crdPath = (kind: string): string => `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${kind}`;
const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
const mallory = { apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "mallory" };

/** What none of our accounts can do, whatever it is for. */
export function whatNobodyMay({ call, post, merge, plane }: Installed, account: string): Tries {
  const who = accountName(account);
  const container = { name: "x", image: "x" };
  const pod = { metadata: { name: "x" }, spec: { serviceAccountName: "verifier", containers: [container] } };
  const tokenOf = (other: string): Promise<Reply> => post(who, home(`serviceaccounts/${other}/token`), { spec: {} });
  const impersonating = async (...flags: readonly string[]): Promise<Reply> => {
    const { code, stderr } = await plane.run(who, [...flags, "get", "--raw", "/version"], { check: false });
    return { code: code === 0 ? 200 : 403, message: stderr, body: undefined }; // kubectl tells no code
  };
  const secret = {
    metadata: { name: "stolen", annotations: { "kubernetes.io/service-account.name": "controller" } },
    type: "kubernetes.io/service-account-token",
  };
  const hook = { metadata: { name: "x" }, webhooks: [] };
  return {
    "a Pod at home, that runs as another account": post(who, home("pods"), pod),
    "a Pod in shop": post(who, "/api/v1/namespaces/shop/pods", { ...pod, spec: { containers: [container] } }),
    "a Job": post(who, "/apis/batch/v1/namespaces/elevate-system/jobs", { metadata: { name: "x" } }),
    "the controller's token": tokenOf("controller"),
    "the verifier's token": tokenOf("verifier"),
    "the sweeper's token": tokenOf("sweeper"),
    "the token of an account of the cluster": post(
      who,
      "/api/v1/namespaces/kube-system/serviceaccounts/clusterrole-aggregation-controller/token",
      { spec: {} },
    ),
    "a Secret that is given a token": post(who, home("secrets"), secret),
    "every Secret": call(who, "GET", "/api/v1/secrets"),
    "the Secrets at home": call(who, "GET", home("secrets")),
    "another Secret": call(who, "GET", home("secrets/other")),
    "to be alice": impersonating("--as=alice"),
    "to be in system:masters": impersonating(`--as=${who}`, "--as-group=system:masters"),
    "to be another account of ours": impersonating(`--as=${accountName("verifier")}2`),
    "cluster-admin for mallory": post(who, `${rbac}/clusterrolebindings`, {
      metadata: { name: "x" },
      roleRef,
      subjects: [mallory],
    }),
    "a role of more": post(who, `${rbac}/clusterroles`, { metadata: { name: "x" }, rules: [] }),
    "a wider role of its own": merge(who, `${rbac}/clusterroles/kube-elevate-${account}`, { rules: [] }),
    "a policy's binding taken off": call(
      who,
      "DELETE",
      `${admission}/validatingadmissionpolicybindings/kube-elevate-bindings`,
    ),
    "a policy that only warns": merge(who, `${admission}/validatingadmissionpolicybindings/kube-elevate-status`, {
      spec: { validationActions: ["Warn"] },
    }),
    "a policy that is ignored": merge(who, `${admission}/validatingadmissionpolicies/kube-elevate-bindings`, {
      spec: { failurePolicy: "Ignore" },
    }),
    "no stamp": call(who, "DELETE", `${admission}/mutatingadmissionpolicybindings/kube-elevate-stamp`),
    "a webhook": post(who, `${admission}/mutatingwebhookconfigurations`, hook),
    "a kind without rules": merge(who, crdPath("elevationrequests.kube-elevate.dev"), { spec: { versions: [] } }),
    "a kind taken away": call(who, "DELETE", crdPath("authenticators.kube-elevate.dev")),
    "elevate-system taken away": call(who, "DELETE", "/api/v1/namespaces/elevate-system"),
    "a request of its own": post(who, requestsPath("shop"), requestBody("x")),
    "a request changed": merge(who, requestsPath("shop", "/open"), { spec: { duration: "24h" } }),
    "all requests gone": call(who, "DELETE", requestsPath("shop")),
    "a policy of its own": post(who, policiesPath(), policyBody("x")),
    "a policy of more": merge(who, policiesPath("/shop-debug"), { spec: { duration: { max: "24h" } } }),
    "an authenticator for alice": post(who, authenticatorsPath(), authenticatorBody("alice", "key-1")),
    "an authenticator disabled": merge(who, authenticatorsPath("/616c696365.totp"), { spec: { disabled: true } }),
    "a binding changed": merge(who, bindingsPath("shop", "/foreign"), { subjects: [mallory] }),
    "all bindings gone": call(who, "DELETE", bindingsPath("shop")),
    "Events gone": call(who, "DELETE", "/apis/events.k8s.io/v1/namespaces/shop/events"),
    "an Event rewritten": merge(who, "/apis/events.k8s.io/v1/namespaces/shop/events/told", { note: "nothing" }),
    "the kubelet's doors": post(who, "/api/v1/nodes/x/proxy/run", {}),
  };
}
