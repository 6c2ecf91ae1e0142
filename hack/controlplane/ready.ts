import { open } from "node:fs/promises";
import type { Ask } from "./ask.ts";
import { eventually } from "./eventually.ts";
import type { Supervised } from "./supervise.ts";

/** Throws, with the last lines of its log, when one of these has ended by itself. */
export async function mustRun(children: readonly Supervised[]): Promise<void> {
  for (const child of children) {
    if (!child.hasExited()) continue;
    throw new Error(`${child.name} exited with ${await child.exited}:\n${await lastLines(child.logFile)}`);
  }
}

/**
 * Waits for more than /readyz: the first policies of admission are judged a moment later, and the first ServiceAccounts
 * are what shows that the controllers work.
 */
export async function untilUsable(
  ask: Ask,
  admin: string,
  running: readonly Supervised[],
  signal?: AbortSignal,
): Promise<void> {
  const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies?dryRun=All";
  const account = "/api/v1/namespaces/default/serviceaccounts/default";
  const policyIsTaken = async (): Promise<boolean> => {
    await mustRun(running);
    return (await ask(admin, "POST", policies, anyPolicy)).code === 201;
  };
  const accountIsThere = async (): Promise<boolean> => {
    await mustRun(running);
    return (await ask(admin, "GET", account)).code === 200;
  };
  await eventually(policyIsTaken, 30, "a ValidatingAdmissionPolicy is taken", signal);
  await eventually(accountIsThere, 30, "kube-controller-manager makes ServiceAccounts", signal);
}

/** The end of a log, for the message of an error. */
export async function lastLines(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, 4_000);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString("utf8").split("\n").slice(-12).join("\n");
  } finally {
    await file.close();
  }
}

const anyPolicy = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicy",
  metadata: { name: "ready" },
  spec: {
    matchConstraints: {
      resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
    },
    validations: [{ expression: "true" }],
  },
};
