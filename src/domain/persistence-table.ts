// What outlives a grant, by what makes it; and what is known to leave nothing behind. What stands in neither is told
// too: a kind of somebody else's may run a pod, and a newer Kubernetes may know more than this table.

export type Hazard = {
  readonly group: string;
  readonly resources: readonly string[];
  /** A word stands for each verb that begins with it: deletecollection, impersonate:user-info. */
  readonly verbs: readonly string[];
  readonly why: string;
  /** None of them is in a namespace: the binding of a grant, which is, gives nothing of it. */
  readonly clusterScoped?: true;
};

const write = ["create", "update", "patch"];
const writeOrDelete = [...write, "delete"];
const read = ["get", "list", "watch"];
const rbac = "rbac.authorization.k8s.io";
const certificates = "certificates.k8s.io";
const ours = "kube-elevate.dev";
const runs = "it runs on, as any ServiceAccount of the namespace";
const network = "what it opens to the network stays open";
const certificate = "a certificate cannot be taken back";
const acted = "whoever has lasting rights can be acted as";
const given = "rights that it gives stay";

export const hazards: readonly Hazard[] = [
  { group: "", resources: ["serviceaccounts"], verbs: ["impersonate"], why: acted },
  { group: "", resources: ["groups", "users"], verbs: ["impersonate"], why: acted, clusterScoped: true },
  {
    group: "authentication.k8s.io",
    resources: ["uids", "userextras"],
    verbs: ["impersonate"],
    why: acted,
    clusterScoped: true,
  },

  { group: "", resources: ["serviceaccounts/token"], verbs: ["create"], why: "a token outlives the grant" },
  { group: "", resources: ["secrets"], verbs: read, why: "credentials that were read stay good" },
  { group: "", resources: ["secrets"], verbs: write, why: "a Secret can hold a token that never ends" },
  { group: "", resources: ["serviceaccounts"], verbs: write, why: "what it names gives rights to pods" },
  { group: "", resources: ["pods", "replicationcontrollers"], verbs: write, why: runs },
  {
    group: "apps",
    resources: ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"],
    verbs: write,
    why: runs,
  },
  { group: "batch", resources: ["cronjobs", "jobs"], verbs: write, why: runs },
  {
    group: "",
    resources: ["pods/attach", "pods/exec"],
    verbs: [...write, "get"],
    why: "it stays open, and a pod's token can be copied",
  },
  { group: "", resources: ["pods/ephemeralcontainers"], verbs: write, why: "it runs on, beside the pod's token" },
  {
    group: "",
    resources: ["pods/portforward"],
    verbs: [...write, "get"],
    why: "it stays open, and a pod may serve tokens",
  },
  {
    group: "",
    resources: ["pods/proxy", "services/proxy"],
    verbs: [...writeOrDelete, "get"],
    why: "what stands behind may serve tokens",
  },
  { group: "", resources: ["endpoints", "services"], verbs: write, why: network },
  { group: "discovery.k8s.io", resources: ["endpointslices"], verbs: write, why: network },
  { group: "networking.k8s.io", resources: ["ingresses"], verbs: write, why: network },
  { group: "networking.k8s.io", resources: ["networkpolicies"], verbs: writeOrDelete, why: network },
  // of all that is not in a namespace, this alone is reached by a binding in it: the namespace itself
  {
    group: "",
    resources: ["namespaces", "namespaces/finalize", "namespaces/status"],
    verbs: ["update", "patch"],
    why: "its labels choose policies, guards and Pod Security",
  },
  { group: certificates, resources: ["podcertificaterequests"], verbs: write, why: certificate },

  { group: rbac, resources: ["rolebindings", "roles"], verbs: write, why: given },
  {
    group: rbac,
    resources: ["clusterroles", "roles"],
    verbs: ["bind", "escalate"],
    why: "rights beyond one's own can be given",
  },
  { group: rbac, resources: ["clusterrolebindings", "clusterroles"], verbs: write, why: given, clusterScoped: true },

  { group: ours, resources: ["elevationpolicies"], verbs: ["use"], why: "whoever may use it can ask for more" },
  { group: ours, resources: ["elevationpolicies"], verbs: ["revoke"], why: "whoever may revoke ends grants of others" },
  {
    group: ours,
    resources: ["elevationpolicies", "elevationpolicies/status"],
    verbs: writeOrDelete,
    why: "it says what may be asked for",
    clusterScoped: true,
  },
  {
    group: ours,
    resources: ["elevationrequests", "elevationrequests/status"],
    verbs: writeOrDelete,
    why: "more can be asked for, and records changed",
  },
  {
    group: ours,
    resources: ["authenticators", "authenticators/status"],
    verbs: [...writeOrDelete, "invite"],
    why: "a second factor stays",
    clusterScoped: true,
  },

  {
    group: "",
    resources: ["nodes/proxy"],
    verbs: [...writeOrDelete, "get"],
    why: "it leads into every pod of the node",
    clusterScoped: true,
  },
  {
    group: "",
    resources: ["nodes", "nodes/status"],
    verbs: write,
    why: "it moves pods, with their tokens",
    clusterScoped: true,
  },
  {
    group: "",
    resources: ["persistentvolumes"],
    verbs: write,
    why: "it leads to the disk of a node",
    clusterScoped: true,
  },
  {
    group: "",
    resources: ["namespaces"],
    verbs: ["create"],
    why: "whoever makes one chooses its labels",
    clusterScoped: true,
  },
  {
    group: certificates,
    resources: [
      "certificatesigningrequests",
      "certificatesigningrequests/approval",
      "certificatesigningrequests/status",
      "clustertrustbundles",
    ],
    verbs: write,
    why: certificate,
    clusterScoped: true,
  },
  {
    group: certificates,
    resources: ["signers"],
    verbs: ["approve", "attest", "sign"],
    why: certificate,
    clusterScoped: true,
  },
  {
    group: "admissionregistration.k8s.io",
    resources: [
      "mutatingadmissionpolicies",
      "mutatingadmissionpolicybindings",
      "mutatingwebhookconfigurations",
      "validatingadmissionpolicies",
      "validatingadmissionpolicybindings",
      "validatingwebhookconfigurations",
    ],
    verbs: writeOrDelete,
    why: "guards can be switched off",
    clusterScoped: true,
  },
  {
    group: "apiextensions.k8s.io",
    resources: ["customresourcedefinitions"],
    verbs: writeOrDelete,
    why: "guards can be switched off",
    clusterScoped: true,
  },
  {
    group: "apiregistration.k8s.io",
    resources: ["apiservices"],
    verbs: writeOrDelete,
    why: "credentials of others can be caught",
    clusterScoped: true,
  },
];

/** By group, whatever the verb; what only reads or deletes needs not stand here. */
export const harmless: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "",
    [
      "bindings",
      "configmaps",
      "events",
      "limitranges",
      "persistentvolumeclaims",
      "podtemplates",
      "resourcequotas",
      "*/binding",
      "*/eviction",
      "*/finalizers",
      "*/resize",
      "*/scale",
      "*/status",
    ],
  ],
  ["apps", ["*/finalizers", "*/rollback", "*/scale", "*/status"]],
  ["batch", ["*/finalizers", "*/status"]],
  ["networking.k8s.io", ["ingressclasses", "*/status"]],
  ["authentication.k8s.io", ["selfsubjectreviews", "tokenreviews"]],
  [
    "authorization.k8s.io",
    ["localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"],
  ],
  ...[
    "autoscaling",
    "coordination.k8s.io",
    "events.k8s.io",
    "extensions", // roles of Kubernetes' own still name it; no server has it
    "policy",
    "resource.k8s.io",
    "scheduling.k8s.io",
  ].map((group): [string, readonly string[]] => [group, ["*"]]),
]);
