import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { requestPath } from "../../../src/api/v1alpha1/wire.ts";
import { policyBody, requestBody, requestsPath } from "../../contract/bodies.ts";
import { challengeOf, codeAt, type Endpoint, newSecret, type Person, post, type Said, stepNow } from "./endpoint.ts";
import { must } from "./lives.ts";

// Grants that stand, of people with a factor of their own, proven at the real endpoint: asked for as a client would, with
// no plugin in between, so that many cost little.

const apiGroup = "rbac.authorization.k8s.io";
const apiVersion = `${apiGroup}/v1`;
export const podsRule = { apiGroups: [""], resources: ["pods"], verbs: ["get"] };

export type Asked = {
  readonly user: string;
  readonly namespace: string;
  readonly name: string;
  readonly codeVerifier: string;
};

/** For each name a namespace, a ClusterRole and a policy, all called so, which group devs may use there. */
export function placesOf(names: readonly string[]): readonly object[] {
  const usePolicies = [
    { apiGroups: ["kube-elevate.dev"], resources: ["elevationpolicies"], resourceNames: names, verbs: ["use"] },
  ];
  const bindRoles = [{ apiGroups: [apiGroup], resources: ["clusterroles"], resourceNames: names, verbs: ["bind"] }];
  const bind = "kube-elevate-bind-places";
  const controller = { kind: "ServiceAccount", name: "controller", namespace: "elevate-system" };
  const roleRef = (name: string): object => ({ apiGroup, kind: "ClusterRole", name });
  const devs = { apiGroup, kind: "Group", name: "devs" };
  return [
    { apiVersion, kind: "ClusterRole", metadata: { name: "use-places" }, rules: usePolicies },
    { apiVersion, kind: "ClusterRole", metadata: { name: bind }, rules: bindRoles },
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: { name: bind },
      roleRef: roleRef(bind),
      subjects: [controller],
    },
    ...names.flatMap((name) => [
      { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { env: "prod" } } },
      { apiVersion, kind: "ClusterRole", metadata: { name }, rules: [podsRule] },
      policyOf(name),
      {
        apiVersion,
        kind: "RoleBinding",
        metadata: { name: "use", namespace: name },
        roleRef: roleRef("use-places"),
        subjects: [devs],
      },
    ]),
  ];
}

export const policyOf = (name: string): object =>
  policyBody(name, {
    roleRef: { kind: "ClusterRole", name },
    namespaceSelector: { matchLabels: { env: "prod" } },
  });

/** Asks, and waits for the offer. */
export async function offered(plane: ControlPlane, at: Endpoint, ca: string, request: Request): Promise<Asked> {
  const { user, namespace, name = "fix", spec = {} } = request;
  const codeVerifier = newSecret();
  const asked = { policyName: namespace, codeChallenge: challengeOf(codeVerifier), ...spec };
  await must(plane, user, "POST", requestsPath(namespace), requestBody(name, asked));
  const said = await post(at, ca, requestPath(namespace, name, "challenge"), { codeVerifier });
  if (said.status !== 200) throw new Error(`${namespace}/${name} has no offer: ${said.text}`);
  return { user, namespace, name, codeVerifier };
}
type Request = Pick<Asked, "user" | "namespace"> & { readonly name?: string; readonly spec?: object };

/** What the endpoint says to the code that this seed shows now. */
export async function proved(at: Endpoint, ca: string, asked: Asked, { seed }: Pick<Person, "seed">): Promise<Said> {
  const { namespace, name, codeVerifier } = asked;
  const totp = { code: codeAt(seed, await stepNow()) };
  return post(at, ca, requestPath(namespace, name, "verify"), { codeVerifier, totp });
}

/** Whether the user's own request gets through: 404 is an answer, 403 none. */
export async function allowed(plane: ControlPlane, { user, namespace }: Pick<Asked, "user" | "namespace">) {
  return (await plane.ask(user, "GET", `/api/v1/namespaces/${namespace}/pods/none`)).code === 404;
}

/** Asks as this user until she is refused; how long after `from` that was seen. */
export async function forbiddenAfterMs(
  plane: ControlPlane,
  asked: Asked,
  { from, within, every }: { readonly from: number; readonly within: number; readonly every: number },
): Promise<number> {
  while (Date.now() < from + within) {
    if (!(await allowed(plane, asked))) return Date.now() - from;
    await sleep(every);
  }
  throw new Error(`${asked.user} has access ${String(within)} ms after what should have ended it`);
}

/** What kubectl prints of all namespaces, by namespace/name and then by column; a cell may be empty, or hold blanks. */
export function rowsOf(printed: string): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const [header = "", ...lines] = printed.trimEnd().split("\n");
  const columns = [...header.matchAll(/\S+\s*/g)].map(({ 0: text, index }) => ({ name: text.trim(), index, text }));
  const rows = lines.map((line) =>
    Object.fromEntries(
      columns.map(({ name, index, text }, i) => [
        name,
        line.slice(index, i === columns.length - 1 ? undefined : index + text.length).trim(),
      ]),
    ),
  );
  return new Map(rows.map((row) => [`${row["NAMESPACE"] ?? ""}/${row["NAME"] ?? ""}`, row]));
}

/** status.conditions[Ready] of a policy. */
export async function readyOf(plane: ControlPlane, path: string) {
  const conditions = z.array(
    z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() }),
  );
  const policy = z.object({ status: z.object({ conditions }).optional() });
  const { status } = policy.parse(await must(plane, "admin", "GET", path));
  return status?.conditions.find(({ type }) => type === "Ready");
}
