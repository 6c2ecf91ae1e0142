import { KubectlFailure } from "../../src/cli/errors.ts";
import type { Kubectl } from "../../src/cli/kubectl.ts";

// kubectl in memory: the few ways in which the plugin runs it, over objects that a test puts there.

export type Stored = {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly webhooks?: readonly object[];
  readonly rules?: readonly object[];
  readonly roleRef?: object;
  readonly subjects?: readonly object[];
};

export type FakeKubectl = {
  readonly kubectl: Kubectl;
  /** Each run: what was in its argv. */
  readonly runs: readonly (readonly string[])[];
  readonly objects: Map<string, Stored>;
  put(object: Stored): void;
  of(kind: string): readonly Stored[];
};

export type Ground = {
  readonly username: string;
  readonly context: string;
  readonly namespace: string;
  /** What becomes of an object that is created; a refusal is thrown. */
  readonly created: (object: Stored) => Stored;
  /** What the controller makes of an object whose spec was patched. */
  readonly patched: (object: Stored) => Stored;
  readonly mayList: boolean;
  readonly failing: Error | undefined;
  readonly mayUse: (policy: string) => boolean;
  readonly now: () => string;
};

const kinds: { readonly [resource: string]: string } = {
  elevationrequests: "ElevationRequest",
  elevationpolicies: "ElevationPolicy",
  authenticators: "Authenticator",
  configmaps: "ConfigMap",
  validatingwebhookconfigurations: "ValidatingWebhookConfiguration",
  mutatingwebhookconfigurations: "MutatingWebhookConfiguration",
  validatingadmissionpolicies: "ValidatingAdmissionPolicy",
  validatingadmissionpolicybindings: "ValidatingAdmissionPolicyBinding",
  clusterroles: "ClusterRole",
  roles: "Role",
  clusterrolebindings: "ClusterRoleBinding",
  rolebindings: "RoleBinding",
};

export function fakeKubectl(ground: Ground): FakeKubectl {
  const objects = new Map<string, Stored>();
  const runs: (readonly string[])[] = [];
  const put = (object: Stored): void => {
    objects.set(keyOf(object.kind, object.metadata.name, object.metadata.namespace), object);
  };
  const of = (kind: string): readonly Stored[] => [...objects.values()].filter((object) => object.kind === kind);

  const getRaw = (path: string): unknown => {
    const [, namespace, resource = "", name] =
      /^\/(?:api|apis\/[a-z0-9.-]+)\/v1(?:alpha1)?(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/?]+))?/.exec(path) ?? [];
    const kind = kinds[resource] ?? "";
    if (name === undefined) {
      if (ground.failing !== undefined) throw ground.failing;
      if (kind === "ElevationRequest" && !ground.mayList) throw forbidden("elevationrequests");
      const selector = decodeURIComponent(path).split("?")[1] ?? "";
      const username = /spec\.requester\.username=([^,]*)/.exec(selector)?.[1]?.replaceAll("\\", "");
      const phase = /status\.phase=(\w*)/.exec(selector)?.[1];
      const items = of(kind)
        .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
        .filter(({ spec }) => username === undefined || requesterOf(spec) === username)
        .filter(({ status }) => phase === undefined || status?.["phase"] === phase);
      return { kind: `${kind}List`, items };
    }
    const found = objects.get(keyOf(kind, decodeURIComponent(name), namespace));
    if (found === undefined)
      throw new KubectlFailure(`Error from server (NotFound): ${resource}.kube-elevate.dev "${name}" not found`);
    return found;
  };

  const create = (input: string, args: readonly string[]): string => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the plugin wrote a moment ago
    const given = JSON.parse(input) as Stored & { readonly items?: readonly Review[] };
    if (given.items !== undefined)
      return given.items
        .map(
          ({ spec: { resourceAttributes } }) =>
            `${resourceAttributes.name}=${String(ground.mayUse(resourceAttributes.name))}`,
        )
        .join("\n");
    const namespace = args.includes("-n") ? { namespace: args[args.indexOf("-n") + 1] ?? "" } : {};
    const object = { ...given, metadata: { ...given.metadata, ...namespace } };
    if (objects.has(keyOf(object.kind, object.metadata.name, object.metadata.namespace)))
      throw new KubectlFailure(
        `Error from server (AlreadyExists): error when creating "STDIN": authenticators.kube-elevate.dev "${object.metadata.name}" already exists`,
      );
    const made = ground.created(object);
    if (!args.includes("--dry-run=server")) put(made);
    return made.metadata.name;
  };

  const get = (args: readonly string[]): string => {
    const namespace = args.includes("-n") ? args[args.indexOf("-n") + 1] : "";
    const names = args.slice(
      2,
      args.findIndex((arg) => arg.startsWith("-")),
    );
    const kind = kinds[(args[1] ?? "").replace(".kube-elevate.dev", "")] ?? "";
    const found = names.map((name) => objects.get(keyOf(kind, name, namespace))).filter((one) => one !== undefined);
    if (found.length === 0) return "";
    return JSON.stringify(names.length === 1 ? found[0] : { kind: "List", items: found });
  };

  const patch = (args: readonly string[]): string => {
    const [, , name = "", , namespace = ""] = args;
    const found = objects.get(keyOf("ElevationRequest", name, namespace));
    if (found === undefined) throw new KubectlFailure("Error from server (NotFound)");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the plugin wrote a moment ago
    const { spec } = JSON.parse(args.at(-1) ?? "") as Pick<Stored, "spec">;
    put(ground.patched({ ...found, spec: { ...found.spec, ...spec } }));
    return "";
  };

  const kubectl: Kubectl = async (args, input) => {
    runs.push(args);
    const line = args.join(" ");
    if (line === "config view -o json") return JSON.stringify(configOf(ground));
    if (line === "auth whoami -o json")
      return JSON.stringify({
        metadata: { creationTimestamp: ground.now() },
        status: { userInfo: { username: ground.username } },
      });
    if (line.startsWith("get --raw ")) return JSON.stringify(getRaw(args[2] ?? ""));
    if (args[0] === "create") return create(input ?? "", args);
    if (args[0] === "get") return get(args);
    if (args[0] === "patch") return patch(args);
    if (args[0] === "delete") return String(objects.delete(keyOf("Authenticator", args[2] ?? "")));
    throw new Error(`nobody runs kubectl like this: ${line}`);
  };
  return { kubectl, runs, objects, put, of };
}

type Review = { readonly spec: { readonly resourceAttributes: { readonly name: string } } };

function requesterOf(spec: Stored["spec"]): unknown {
  const requester = spec?.["requester"];
  return typeof requester === "object" && requester !== null && "username" in requester
    ? requester.username
    : undefined;
}

const forbidden = (resource: string): KubectlFailure =>
  new KubectlFailure(
    `Error from server (Forbidden): ${resource}.kube-elevate.dev is forbidden: User cannot list resource "${resource}"`,
  );

const configOf = ({ context, namespace }: Ground): object => ({
  "current-context": context,
  contexts: [{ name: context, context: { cluster: "c", user: "u", namespace } }],
  clusters: [{ name: "c", cluster: { server: "https://api.example.com" } }],
});

const keyOf = (kind: string, name: string, namespace = ""): string => `${kind}/${namespace}/${name}`;
