import { createHash } from "node:crypto";
import { apiVersion } from "../../src/api/v1alpha1/meta.ts";

// Objects as people and our processes write them, each good as it is; a case changes the one thing that it is about.

const group = `/apis/${apiVersion}`;
const rbac = "/apis/rbac.authorization.k8s.io/v1";
export const rolesPath = `${rbac}/clusterroles`;
/** `rest`: /name, /name/status, ?query. */
export const requestsPath = (namespace: string, rest = ""): string =>
  `${group}/namespaces/${namespace}/elevationrequests${rest}`;
export const policiesPath = (rest = ""): string => `${group}/elevationpolicies${rest}`;
export const authenticatorsPath = (rest = ""): string => `${group}/authenticators${rest}`;
export const bindingsPath = (namespace: string, rest = ""): string =>
  `${rbac}/namespaces/${namespace}/rolebindings${rest}`;

/** Seconds from now, with a fraction, as the controller writes it. */
export const at = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();
export const challengeOf = (codeVerifier: string): string =>
  createHash("sha256").update(codeVerifier).digest("base64url");
export const hex = (username: string): string => Buffer.from(username).toString("hex");

// In a change of these, undefined takes a field out.

export const requestBody = (name: string, spec: object = {}, metadata: object = {}): object => ({
  apiVersion,
  kind: "ElevationRequest",
  metadata: { name, ...metadata },
  spec: { policyName: "shop-debug", duration: "10m", justification: "INC-1 x", ...spec },
});

export const policyBody = (name: string, spec: object = {}): object => ({
  apiVersion,
  kind: "ElevationPolicy",
  metadata: { name },
  spec: {
    roleRef: { kind: "ClusterRole", name: "pod-debugger" },
    namespaceSelector: {},
    duration: { default: "30m", max: "1h" },
    authentication: { methods: ["TOTP"] },
    ...spec,
  },
});

export const authenticatorBody = (owner: string, slot: string, spec: object = {}, metadata: object = {}): object => ({
  apiVersion,
  kind: "Authenticator",
  metadata: { name: `${hex(owner)}.${slot}`, ...metadata },
  spec: {
    owner: { username: owner },
    method: slot === "totp" ? "TOTP" : "WebAuthn",
    codeChallenge: challengeOf(owner),
    expirationTime: at(3_600),
    ...spec,
  },
});

export type Named = { readonly name: string; readonly uid: string };
export const nameOfBinding = ({ name, uid }: Named): string => `elevate:${name}:${uid.slice(0, 8)}`;

export function bindingBody(request: Named, change: BindingChange = {}): object {
  const { role = "pod-debugger", user = "alice", metadata = {}, ...top } = change;
  const owner = { apiVersion, kind: "ElevationRequest", ...request };
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: {
      name: nameOfBinding(request),
      labels: { "app.kubernetes.io/managed-by": "kube-elevate", "kube-elevate.dev/request-uid": request.uid },
      annotations: {
        "kube-elevate.dev/expiration-time": at(600),
        "kube-elevate.dev/policy": "shop-debug",
        "kube-elevate.dev/requester": user,
      },
      ownerReferences: [owner],
      ...metadata,
    },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
    ...top,
  };
}
type BindingChange = {
  readonly role?: string;
  readonly user?: string;
  readonly metadata?: object;
  readonly subjects?: unknown;
};

export const offer = {
  cluster: { name: "prod-eu", uid: "c" },
  roleRef: { kind: "ClusterRole", name: "pod-debugger" },
  rulesHash: "h",
  methods: [{ method: "TOTP", duration: "10m" }],
  deadlineTime: "2026-11-24T12:00:00.000Z",
  authorizedBy: "RBAC",
};
export const verification = {
  method: "TOTP",
  authenticator: `${hex("alice")}.totp`,
  authenticatorUID: "u",
  verificationTime: "2026-11-24T11:00:00.000Z",
  keyID: "k",
  seal: "s",
  timeStep: 5,
};
export const grant = { expirationTime: "2026-11-24T11:10:00.000Z", bindingName: "b" };
export const end = { reason: "Expired", endTime: "2026-11-24T11:10:00.123Z" };
