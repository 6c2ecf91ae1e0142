// What outlives a grant, by what makes it; and what is known to leave nothing behind. What stands in neither is told
// too: a kind of somebody else's may run a pod, and a newer Kubernetes may know more than this table.

export type Hazard = {
  readonly group: string;
  readonly resources: readonly string[];
  /** A word stands for each verb that begins with it: deletecollection, impersonate:user-info. */
  readonly verbs: readonly string[];
  readonly why: string;
};

type Row = readonly [group: string, resources: string, verbs: string, why: string];

const write = "create update patch";
const writeOrDelete = `${write} delete`;
const read = "get list watch";
const rbac = "rbac.authorization.k8s.io";
const authentication = "authentication.k8s.io";
const admission = "admissionregistration.k8s.io";
const certificates = "certificates.k8s.io";
const networking = "networking.k8s.io";
const ours = "kube-elevate.dev";

const runs = "it runs on, as any ServiceAccount of the namespace";
const network = "what it opens to the network stays open";
const certificate = "a certificate cannot be taken back";
const acted = "whoever has lasting rights can be acted as";
const given = "rights that it gives stay";
const beyond = "rights beyond one's own can be given";
const served = "what stands behind may serve tokens";
const guards = "guards can be switched off";

const subresources = "*/binding */eviction */finalizers */resize */rollback */scale */status";

const inNamespaces: readonly Row[] = [
  ["", "serviceaccounts/token", "create", "a token outlives the grant"],
  ["", "secrets", read, "credentials that were read stay good"],
  ["", "secrets", write, "a Secret can hold a token that never ends"],
  ["", "serviceaccounts", write, "what it names gives rights to pods"],
  ["", "serviceaccounts", "impersonate", acted],
  ["", "pods replicationcontrollers", write, runs],
  ["apps", "controllerrevisions daemonsets deployments replicasets statefulsets", write, runs],
  ["batch", "cronjobs jobs", write, runs],
  ["", "pods/attach pods/exec", `${write} get`, "it stays open, and a pod's token can be copied"],
  ["", "pods/ephemeralcontainers", write, "it runs on, beside the pod's token"],
  ["", "pods/portforward", `${write} get`, "it stays open, and a pod may serve tokens"],
  ["", "pods/proxy services/proxy", `${writeOrDelete} get`, served],
  ["", "endpoints services", write, network],
  ["", "services/status", "update patch", "an address that it names is taken from who has it"],
  ["", "configmaps", write, "pods run on by the scripts and settings in it"],
  ["discovery.k8s.io", "endpointslices", write, network],
  [networking, "ingresses", write, network],
  [networking, "networkpolicies", writeOrDelete, network],
  [rbac, "rolebindings roles", write, given],
  [rbac, "clusterroles roles", "bind escalate", beyond], // a cluster role is bound in a namespace, too
  [certificates, "podcertificaterequests", write, certificate],
  [ours, "elevationpolicies", "use", "whoever may use it can ask for more"], // it is asked of the request's namespace,
  [ours, "elevationpolicies", "revoke", "whoever may revoke ends grants of others"], // and so is this
  [ours, "elevationrequests elevationrequests/status", writeOrDelete, "more can be asked for, and records changed"],
  // of all that is in no namespace, this alone is reached by a binding in one: the namespace itself
  [
    "",
    "namespaces namespaces/finalize namespaces/status",
    "update patch",
    "its labels choose policies, guards and Pod Security",
  ],
];

/** The binding of a grant gives nothing of these. The same role may be bound to the whole cluster as well, or one day be. */
const inNone: readonly Row[] = [
  ["", "groups users", "impersonate", acted],
  [authentication, "uids userextras", "impersonate", acted],
  ["", "nodes/proxy", `${writeOrDelete} get`, "it leads into every pod of the node"],
  ["", "nodes nodes/status", write, "it moves pods, with their tokens"],
  ["", "persistentvolumes", write, "it leads to the disk of a node"],
  ["", "namespaces", "create", "whoever makes one chooses its labels"],
  [rbac, "clusterrolebindings clusterroles", write, given],
  [
    certificates,
    "certificatesigningrequests certificatesigningrequests/approval certificatesigningrequests/status",
    write,
    certificate,
  ],
  [certificates, "clustertrustbundles", write, certificate],
  [certificates, "signers", "approve attest sign", certificate],
  [admission, "mutatingadmissionpolicies mutatingadmissionpolicybindings", writeOrDelete, guards],
  [admission, "validatingadmissionpolicies validatingadmissionpolicybindings", writeOrDelete, guards],
  [admission, "mutatingwebhookconfigurations validatingwebhookconfigurations", writeOrDelete, guards],
  ["apiextensions.k8s.io", "customresourcedefinitions", writeOrDelete, guards],
  ["apiregistration.k8s.io", "apiservices", writeOrDelete, "credentials of others can be caught"],
  [ours, "elevationpolicies elevationpolicies/status", writeOrDelete, "it says what may be asked for"],
  [ours, "authenticators authenticators/status", `${writeOrDelete} invite`, "a second factor stays"],
];

const hazardOf = ([group, resources, verbs, why]: Row): Hazard => ({
  group,
  resources: resources.split(" "),
  verbs: verbs.split(" "),
  why,
});

export const hazards: readonly Hazard[] = [
  ...inNamespaces.map(hazardOf),
  ...inNone.map(hazardOf).map((hazard) => ({ ...hazard, why: `${hazard.why} (not by a binding in a namespace)` })),
];

/** Resources by group, whatever the verb; what only reads or deletes need not stand here, but a subresource, which may be a connection. */
export const harmless: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    "": `bindings events limitranges persistentvolumeclaims podtemplates pods/log resourcequotas ${subresources}`,
    apps: subresources,
    [authentication]: "selfsubjectreviews tokenreviews",
    "authorization.k8s.io": "*",
    autoscaling: "*",
    batch: subresources,
    "coordination.k8s.io": "*",
    "events.k8s.io": "*",
    extensions: "*", // roles of Kubernetes' own still name it; no server has it
    [networking]: `ingressclasses ${subresources}`,
    policy: "*",
    "resource.k8s.io": "*",
    "scheduling.k8s.io": "*",
  }).map(([group, resources]) => [group, resources.split(" ")]),
);
