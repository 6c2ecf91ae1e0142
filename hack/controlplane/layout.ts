import { generateKeyPairSync } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { auditPolicy } from "./audit-policy.ts";
import { writePlugin } from "./plugin.ts";

export interface Paths {
  /** kube-apiserver's own certificate; the authority that signed it stands in the same file. */
  readonly caFile: string;
  readonly auditLog: string;
  readonly bin: string;
  /** The working folder of the servers. */
  readonly sockets: string;
  readonly kubeconfig: (user: string) => string;
  log(process: string): string;
}

/** Where a control plane keeps what. */
export function paths(dir: string): Paths {
  return {
    caFile: join(dir, "certs", "apiserver.crt"),
    auditLog: join(dir, "audit.log"),
    bin: join(dir, "bin"),
    sockets: join(dir, "sockets"),
    kubeconfig: (user) => join(dir, "kubeconfigs", `${user.replaceAll(/[^\w.-]/g, ".")}.kubeconfig`),
    log: (process) => join(dir, "logs", `${process}.log`),
  };
}

/** Removes what an earlier control plane left in `dir`, and writes what a new one reads. Tokens and keys are readable by their owner alone. */
export async function layOut(dir: string, tokens: string, kubectl: string): Promise<void> {
  await Promise.all([...own].map((name) => rm(join(dir, name), { recursive: true, force: true })));
  for (const folder of ["certs", "kubeconfigs", "logs", "sockets"]) {
    await mkdir(join(dir, folder), { recursive: true, mode: 0o700 });
  }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const secret = { mode: 0o600 } as const;
  await writeFile(join(dir, "serviceaccounts.key"), privateKey.export({ type: "sec1", format: "pem" }), secret);
  await writeFile(join(dir, "tokens.csv"), tokens, secret);
  await writeFile(join(dir, "audit-policy.json"), auditPolicy(), secret);
  await writePlugin(join(dir, "bin"), kubectl);
}

/** All names that a control plane takes in its folder. */
export const own: ReadonlySet<string> = new Set([
  "audit-policy.json",
  "audit.log",
  "bin",
  "cache",
  "certs",
  "etcd",
  "kubeconfigs",
  "kubectl-cache",
  "logs",
  "serviceaccounts.key",
  "sockets",
  "tokens.csv",
]);
