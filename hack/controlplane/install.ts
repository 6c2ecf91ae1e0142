import { join } from "node:path";
import { instant, later } from "../../src/domain/time.ts";
import { createProtection } from "../../src/flows/protection.ts";
import { createAdmission } from "../../src/kube/admission.ts";
import { connect } from "../../src/kube/client.ts";
import type { ControlPlane } from "./control-plane.ts";
import { eventually } from "./eventually.ts";
import { root } from "./plugin.ts";

/**
 * Installs kube-elevate as README says, and returns when its rules are in force: a kind is served up to two seconds after
 * its CRD is Established, and a policy refuses up to a second after it is stored.
 */
export async function install(controlPlane: ControlPlane, signal?: AbortSignal): Promise<void> {
  await controlPlane.run("admin", ["apply", "-k", join(root, "config/default")]);
  await putInForce(controlPlane, signal);
}

/** What comes after the apply; done again it finds nothing to do, for a control plane that began with all of it. */
export async function putInForce(controlPlane: ControlPlane, signal?: AbortSignal): Promise<void> {
  await Promise.all(questions.map((question) => untilRefused(controlPlane, question, signal)));
  await untilLimited(controlPlane, signal);
  await untilBelieved(controlPlane);
}

/**
 * What a controller keeps of admission when it has seen it whole, kept by its own code and account, as of some seconds ago:
 * what is asked for before a controller runs is believed then. Without it a controller takes requests two seconds later.
 */
async function untilBelieved(controlPlane: ControlPlane): Promise<void> {
  const client = connect({ kubeconfig: await controlPlane.accountKubeconfig("controller") });
  const quiet = { info: () => undefined, warn: () => undefined };
  try {
    const protection = createProtection({
      admission: createAdmission(client),
      clock: () => later(instant(Date.now()), -5_000),
      elapsedMs: () => performance.now(),
      after: () => () => undefined,
      log: quiet,
      announcer: { announce: () => undefined },
      onChange: () => undefined,
    });
    await protection.look();
    const hole = protection.hole();
    if (hole !== undefined) throw new Error(`kube-elevate is not in force: ${hole}`);
  } finally {
    await client.close();
  }
}

/**
 * An API server finds the kind that the limits are read from up to ten seconds after it starts with them, and refuses
 * every request till then. Where other policies refuse as well it may tell their word alone: so somebody asks who may.
 */
async function untilLimited({ run }: ControlPlane, signal?: AbortSignal): Promise<void> {
  const name = "kube-elevate-ready";
  const apiGroup = "rbac.authorization.k8s.io";
  const kube = { apiGroups: ["kube-elevate.dev"] };
  const allowed = [
    {
      apiVersion: `${apiGroup}/v1`,
      kind: "ClusterRole",
      metadata: { name },
      rules: [
        { ...kube, resources: ["elevationrequests"], verbs: ["create"] },
        { ...kube, resources: ["elevationpolicies"], verbs: ["use"] },
      ],
    },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup, kind: "ClusterRole", name },
      subjects: [{ apiGroup, kind: "User", name }],
    },
  ];
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: allowed });
  const request = { ...ours("ElevationRequest", "ready"), spec: { policyName: "ready" } };
  const asks = ["create", "-n", "default", "--as", name, "--dry-run=server", "-f", "-"];
  const isInForce = async (): Promise<boolean> =>
    run("admin", asks, { input: JSON.stringify(request) }).then(
      () => true, // there are policies, and none of them is called so: the controller would deny it
      (error: unknown) => String(error).includes("no params found"),
    );
  await run("admin", ["apply", "-f", "-"], { input });
  await eventually(isInForce, 60, "the limits of requests are in force", signal);
  await run("admin", ["delete", "clusterrole,clusterrolebinding", name]);
}

/** Each breaks one rule of one policy, and is otherwise well-formed, so that the rule alone can refuse it. All are dry runs. */
const questions: readonly Question[] = [
  {
    // Its requester is filled in by the policy that stamps; without that, the schema refuses it, in other words.
    method: "POST",
    path: "/apis/kube-elevate.dev/v1alpha1/namespaces/default/elevationrequests",
    body: { ...ours("ElevationRequest", "ready"), spec: { policyName: "ready" } },
  },
  {
    method: "POST",
    path: "/apis/kube-elevate.dev/v1alpha1/elevationpolicies",
    body: {
      ...ours("ElevationPolicy", "ready"),
      spec: {
        roleRef: { kind: "ClusterRole", name: "cluster-admin" },
        namespaceSelector: { matchLabels: { ready: "yes" } },
        duration: { default: "1m", max: "1m" },
        authentication: { methods: ["TOTP"] },
      },
    },
  },
  {
    method: "POST",
    path: "/apis/kube-elevate.dev/v1alpha1/authenticators",
    body: {
      ...ours("Authenticator", "ready.totp"),
      spec: {
        owner: { username: "ready" },
        method: "TOTP",
        codeChallenge: "A".repeat(43),
        expirationTime: "2000-01-01T00:00:00Z",
      },
    },
  },
  {
    method: "POST",
    path: "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
    body: {
      metadata: { name: "elevate:ready:00000000" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "kube-elevate-nothing" },
    },
  },
  {
    method: "PATCH",
    path: "/api/v1/namespaces/elevate-system/configmaps/kube-elevate-trust",
    body: { data: { ready: "yes" } },
  },
];

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

async function untilRefused(
  { ask }: ControlPlane,
  { method, path, body }: Question,
  signal?: AbortSignal,
): Promise<void> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  let last = "";
  const refused = async (): Promise<boolean> => {
    const answer = await ask("admin", method, `${path}?dryRun=All`, body, type);
    last = JSON.stringify(answer.body);
    return last.includes("denied request: ") && !last.includes("failed to find resource");
  };
  await eventually(refused, 30, `a rule of kube-elevate refuses ${method} ${path}`, signal).catch((error: unknown) => {
    throw new Error(`kube-elevate is not in force; the last answer was ${last}`, { cause: error });
  });
}

function ours(kind: string, name: string): { apiVersion: string; kind: string; metadata: { name: string } } {
  return { apiVersion: "kube-elevate.dev/v1alpha1", kind, metadata: { name } };
}
