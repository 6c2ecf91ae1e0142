import { type Authenticator, authenticator } from "../api/v1alpha1/authenticator.ts";
import { type ElevationPolicy, elevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import { type ElevationRequest, elevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { apiVersion, type Meta } from "../api/v1alpha1/meta.ts";
import { type Instant, parseInstant } from "../domain/time.ts";
import { Failure, KubectlFailure } from "./errors.ts";
import type { Kubectl } from "./kubectl.ts";
import type { Named } from "./mine.ts";

// What the commands read and write in the cluster, each by one run of kubectl. Reads are `get --raw`: no discovery, and that
// something is not there is told apart from that it may not be seen.

export type Here = { readonly context: string; readonly server: string; readonly namespace: string };
export type Me = { readonly username: string; readonly serverTime: Instant };
/** ConfigMap kube-elevate-trust, as far as the plugin needs it; empty where it cannot be read. */
export type Trust = { readonly [key: string]: string };

export type Cluster = {
  /** What the kubeconfig says, flags included; no server is asked. */
  here(): Promise<Here>;
  me(): Promise<Me>;
  trust(): Promise<Trust | undefined>;
  policy(name: string): Promise<ElevationPolicy | undefined>;
  policies(): Promise<readonly ElevationPolicy[]>;
  /** Of these policies, the names of those that I may use there. */
  usable(names: readonly string[], namespace: string): Promise<readonly string[]>;
  authenticator(name: string): Promise<Authenticator | undefined>;
  /** Those of these that exist; one may see one's own by their names. */
  authenticators(names: readonly string[]): Promise<readonly Authenticator[]>;
  request(named: Named): Promise<ElevationRequest | undefined>;
  /** All of these, in every namespace unless one is named; undefined: I may not list them. */
  list(of: Selected): Promise<readonly ElevationRequest[] | undefined>;
  /** Those of these that exist. */
  requests(namespace: string, names: readonly string[]): Promise<readonly ElevationRequest[]>;
  /** Creates the object, or has the server try it; its name, or what kubectl prints. */
  create(object: object, how?: Creation): Promise<string>;
  /** Makes the request that was seen provable by whoever holds the secret of this codeChallenge. */
  claim(seen: ElevationRequest, codeChallenge: string): Promise<void>;
  /** Takes away one of one's own that is not enrolled yet. */
  removeAuthenticator(name: string): Promise<void>;
  /** Disables the authenticator that was seen, for good. */
  disable(seen: Authenticator): Promise<void>;
  /** Ends the request that was seen, for good. */
  terminate(seen: ElevationRequest, termination: Termination): Promise<void>;
  /** All of these, of a group that is not ours; undefined: I may not list them. */
  foreign(group: ForeignGroup, resource: string): Promise<readonly unknown[] | undefined>;
  /** As kubectl prints it, for `-o json|yaml`. */
  print(resource: string, names: readonly string[], namespace: string | undefined, output: string): Promise<string>;
};

export type Selected = {
  readonly namespace?: string | undefined;
  readonly username?: string | undefined;
  readonly phase?: string | undefined;
};
type ForeignGroup = "admissionregistration.k8s.io" | "rbac.authorization.k8s.io";
type Termination = NonNullable<ElevationRequest["spec"]["termination"]>;

type Creation = {
  readonly namespace?: string;
  readonly dryRun?: boolean;
  readonly output?: string | undefined;
};

const requestsResource = "elevationrequests.kube-elevate.dev";
const base = `/apis/${apiVersion}`;
const trustNamespace = "elevate-system";
const trustName = "kube-elevate-trust";

export function clusterThrough(
  kubectl: Kubectl,
  namespaceFlag: string | undefined,
  contextFlag: string | undefined,
): Cluster {
  const raw = async (path: string): Promise<unknown> => parsed(await kubectl(["get", "--raw", path]));
  const find = async (path: string): Promise<unknown> =>
    raw(path).catch((error: unknown) => {
      if (error instanceof KubectlFailure && error.status === "NotFound" && error.message.endsWith(" not found"))
        return undefined;
      throw installed(error);
    });
  const existing = async (kind: string, names: readonly string[], where: readonly string[] = []) => {
    if (names.length === 0) return [];
    const text = await kubectl([
      "get",
      `${kind}.kube-elevate.dev`,
      ...names,
      ...where,
      "--ignore-not-found",
      "-o",
      "json",
    ]);
    const found = text.trim() === "" ? undefined : parsed(text); // one name: the object; several: a List
    return (field(found, "kind") === "List" ? items(found) : asList([found])).filter(isPresent);
  };
  return {
    here: async () => hereOf(await kubectl(["config", "view", "-o", "json"]), namespaceFlag, contextFlag),
    me: async () => meOf(parsed(await kubectl(["auth", "whoami", "-o", "json"]))),
    trust: async () => {
      const map = await find(`/api/v1/namespaces/${trustNamespace}/configmaps/${trustName}`);
      return map === undefined ? undefined : texts(field(map, "data"));
    },
    policy: async (name) => {
      const found = await find(`${base}/elevationpolicies/${encodeURIComponent(name)}`);
      return found === undefined ? undefined : policyOf(found);
    },
    policies: async () => items(await raw(`${base}/elevationpolicies`).catch(rethrow)).map(policyOf),
    usable: async (names, namespace) => {
      if (names.length === 0) return [];
      const reviews = names.map((name) => ({
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: {
          resourceAttributes: {
            group: "kube-elevate.dev",
            resource: "elevationpolicies",
            verb: "use",
            namespace,
            name,
          },
        },
      }));
      const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: reviews });
      const printed = "jsonpath={.spec.resourceAttributes.name}={.status.allowed}{'\\n'}";
      const answers = await kubectl(["create", "-f", "-", "-o", printed], list);
      return names.filter((name) => answers.split("\n").includes(`${name}=true`));
    },
    authenticator: async (name) => {
      const found = await find(`${base}/authenticators/${name}`);
      return found === undefined ? undefined : authenticatorOf(found);
    },
    authenticators: async (names) => (await existing("authenticators", names)).map(authenticatorOf),
    request: async ({ namespace, name }) => {
      const found = await find(`${base}/namespaces/${namespace}/elevationrequests/${encodeURIComponent(name)}`);
      return found === undefined ? undefined : requestOf(found);
    },
    list: async ({ namespace, username, phase }) => {
      const where = namespace === undefined ? "" : `/namespaces/${namespace}`;
      const selector = encodeURIComponent(selectorOf({ "spec.requester.username": username, "status.phase": phase }));
      const list = await raw(`${base}${where}/elevationrequests?fieldSelector=${selector}`).catch((error: unknown) => {
        if (error instanceof KubectlFailure && error.status === "Forbidden") return undefined;
        throw installed(error);
      });
      return list === undefined ? undefined : items(list).map(requestOf);
    },
    requests: async (namespace, names) =>
      (await existing("elevationrequests", names, ["-n", namespace])).map(requestOf),
    create: async (object, { namespace, dryRun = false, output } = {}) => {
      const where = namespace === undefined ? [] : ["-n", namespace];
      const how = dryRun ? ["--dry-run=server"] : [];
      const printed = output === "json" || output === "yaml" ? output : "jsonpath={.metadata.name}";
      return (await kubectl(["create", "-f", "-", ...where, ...how, "-o", printed], JSON.stringify(object))).trim();
    },
    claim: async ({ metadata: { name, namespace, uid } }, codeChallenge) => {
      const patch = { metadata: { uid }, spec: { codeChallenge } }; // another one of this name is refused
      await kubectl(["patch", requestsResource, name, "-n", namespace, "--type=merge", "-p", JSON.stringify(patch)]);
    },
    removeAuthenticator: async (name) => {
      await kubectl(["delete", "authenticators.kube-elevate.dev", name, "--wait=false"]);
    },
    disable: async ({ metadata: { name, uid } }) => {
      const patch = { metadata: { uid }, spec: { disabled: true } };
      await kubectl(["patch", "authenticators.kube-elevate.dev", name, "--type=merge", "-p", JSON.stringify(patch)]);
    },
    terminate: async ({ metadata: { name, namespace, uid } }, termination) => {
      const patch = { metadata: { uid }, spec: { termination } };
      await kubectl(["patch", requestsResource, name, "-n", namespace, "--type=merge", "-p", JSON.stringify(patch)]);
    },
    foreign: async (group, resource) => {
      const list = await raw(`/apis/${group}/v1/${resource}`).catch((error: unknown) => {
        if (error instanceof KubectlFailure && error.status === "Forbidden") return undefined;
        throw error;
      });
      return list === undefined ? undefined : items(list);
    },
    print: async (resource, names, namespace, output) => {
      const where = namespace === undefined ? [] : ["-n", namespace];
      return (await kubectl(["get", `${resource}.kube-elevate.dev`, ...names, ...where, "-o", output])).trimEnd();
    },
  };
}

function selectorOf(fields: { readonly [field: string]: string | undefined }): string {
  return Object.entries(fields)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${value.replaceAll(/[\\,=]/g, String.raw`\$&`)}`)
    .join(",");
}

const rethrow = (error: unknown): never => {
  throw installed(error);
};

/** An API server that knows nothing of our group says so in words that help nobody. */
function installed(error: unknown): unknown {
  const unknown = error instanceof KubectlFailure && /could not find the requested resource/.test(error.message);
  return unknown ? new Failure("kube-elevate is not installed on this cluster. See: kubectl elevate doctor") : error;
}

function hereOf(config: string, namespaceFlag: string | undefined, contextFlag: string | undefined): Here {
  const view = parsed(config);
  const context = contextFlag ?? asText(field(view, "current-context"));
  const chosen = field(named(view, "contexts", context), "context");
  const cluster = field(named(view, "clusters", asText(field(chosen, "cluster"))), "cluster");
  const namespace = namespaceFlag ?? asText(field(chosen, "namespace"));
  return { context, server: asText(field(cluster, "server")), namespace: namespace === "" ? "default" : namespace };
}

function meOf(review: unknown): Me {
  const username = asText(field(field(field(review, "status"), "userInfo"), "username"));
  return { username, serverTime: parseInstant(asText(field(field(review, "metadata"), "creationTimestamp"))) };
}

const authenticatorOf = (found: unknown): Authenticator => ({ ...authenticator.parse(found), metadata: metaOf(found) });
const policyOf = (found: unknown): ElevationPolicy => ({ ...elevationPolicy.parse(found), metadata: metaOf(found) });
function requestOf(found: unknown): ElevationRequest {
  const metadata = metaOf(found);
  return { ...elevationRequest.parse(found), metadata: { ...metadata, namespace: metadata.namespace ?? "" } };
}

function metaOf(found: unknown): Meta & { readonly namespace?: string } {
  const metadata = field(found, "metadata");
  const { name = "", uid = "", resourceVersion = "", creationTimestamp = "", namespace } = texts(metadata);
  return { name, uid, resourceVersion, creationTimestamp, ...(namespace === undefined ? {} : { namespace }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("kubectl answers something that is no JSON");
  }
}

const named = (view: unknown, list: string, name: string): unknown =>
  asList(field(view, list)).find((item) => field(item, "name") === name);
const items = (list: unknown): readonly unknown[] => asList(field(list, "items"));
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const isPresent = (value: unknown): boolean => value !== undefined;
const asText = (value: unknown): string => (typeof value === "string" ? value : "");

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? (Object.getOwnPropertyDescriptor(value, key)?.value as unknown)
    : undefined;
}

function texts(value: unknown): Trust {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
