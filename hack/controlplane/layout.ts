import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { auditPolicy } from "./audit-policy.ts";
import { writePlugin } from "./plugin.ts";

export interface Paths {
  /** kube-apiserver's own certificate; the authority that signed it stands in the same file. */
  readonly caFile: string;
  readonly auditLog: string;
  readonly bin: string;
  readonly kubeconfig: (user: string) => string;
  log(process: string): string;
}

/** Where a control plane keeps what. */
export function paths(dir: string): Paths {
  return {
    caFile: join(dir, "certs", "apiserver.crt"),
    auditLog: join(dir, "audit.log"),
    bin: join(dir, "bin"),
    kubeconfig: (user) => join(dir, "kubeconfigs", `${user.replaceAll(/[^\w.-]/g, ".")}.kubeconfig`),
    log: (process) => join(dir, "logs", `${process}.log`),
  };
}

/** Removes what an earlier control plane left in `dir`, and writes what a new one reads. The folder is for its owner alone: there are tokens and keys in it. */
export async function layOut(dir: string, tokens: string, kubectl: string): Promise<void> {
  await Promise.all(own.map((name) => rm(join(dir, name), { recursive: true, force: true })));
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o700);
  for (const folder of ["certs", "kubeconfigs", "logs"]) await mkdir(join(dir, folder));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const secret = { mode: 0o600 } as const;
  await writeFile(join(dir, "serviceaccounts.key"), privateKey.export({ type: "sec1", format: "pem" }), secret);
  await writeFile(join(dir, "tokens.csv"), tokens, secret);
  await writeFile(join(dir, "audit-policy.json"), auditPolicy(), secret);
  await writePlugin(join(dir, "bin"), kubectl);
}

const own = [
  "audit-policy.json",
  "audit.log",
  "bin",
  "certs",
  "etcd",
  "etcd.sock",
  "kubeconfigs",
  "kubectl-cache",
  "logs",
  "peer.sock",
  "serviceaccounts.key",
  "tokens.csv",
] as const;
