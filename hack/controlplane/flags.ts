import { join } from "node:path";

/**
 * etcd listens on sockets in a folder for us alone: no ports to collide on, nothing for other users of this machine to reach,
 * and names relative to the working folder, for the path of a socket may have hardly more than 100 bytes.
 */
export const etcdSocket = "unix://etcd.sock";

export function etcdFlags(dir: string): string[] {
  return [
    `--data-dir=${join(dir, "etcd")}`,
    `--listen-client-urls=${etcdSocket}`,
    "--listen-peer-urls=unix://peer.sock",
    // Names in its list of members, which must look like this; nobody listens there, and nobody asks.
    "--advertise-client-urls=http://127.0.0.1:2379",
    "--initial-advertise-peer-urls=http://127.0.0.1:2380",
    "--initial-cluster=default=http://127.0.0.1:2380",
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

export function apiServerFlags(dir: string, port: number): string[] {
  return [
    `--etcd-servers=${etcdSocket}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${join(dir, "certs")}`,
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--authorization-mode=Node,RBAC",
    `--token-auth-file=${join(dir, "tokens.csv")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${join(dir, "serviceaccounts.key")}`,
    `--service-account-signing-key-file=${join(dir, "serviceaccounts.key")}`,
    `--audit-policy-file=${join(dir, "audit-policy.json")}`,
    `--audit-log-path=${join(dir, "audit.log")}`,
  ];
}

/**
 * Each controller acts by its own ServiceAccount, as on real clusters, so that rules which name them are tested against
 * the right name. By default the queries are so few a second that the first ServiceAccounts take ten seconds.
 */
export function managerFlags(dir: string, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${join(dir, "serviceaccounts.key")}`,
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
    "--leader-elect=false",
    "--secure-port=0",
    `--controllers=${controllers.join(",")}`,
  ];
}

const controllers = [
  "clusterrole-aggregation-controller",
  "garbage-collector-controller",
  "namespace-controller",
  "resourcequota-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "validatingadmissionpolicy-status-controller",
] as const;
