/** The versions that everything here is tested with; another Kubernetes is another folder of the cache. */
export const versions = { kubernetes: "1.37.2", etcd: "3.6.16" } as const;

/** What a control plane is made of, in the order in which it is built: the quick ones first. */
export const names = ["etcd", "kubectl", "kube-controller-manager", "kube-apiserver"] as const;

export type Name = (typeof names)[number];
