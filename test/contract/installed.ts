import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { ControlPlane } from "../../hack/controlplane/control-plane.ts";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { startControlPlane } from "../../hack/controlplane/start.ts";
import type { User } from "../../hack/controlplane/users.ts";
import { requestBody, requestsPath } from "./bodies.ts";

export type Reply = { readonly code: number; readonly message: string; readonly body: unknown };

export type Installed = {
  readonly plane: ControlPlane;
  /** One request by HTTP; our own accounts are known by their short names. */
  readonly call: (user: string, method: string, path: string, body?: unknown, type?: string) => Promise<Reply>;
  readonly post: (user: string, path: string, body: unknown) => Promise<Reply>;
  readonly merge: (user: string, path: string, body: unknown) => Promise<Reply>;
  /** kubectl create or apply of this object, by the server's dry run, as somebody else (--as). */
  readonly as: (
    user: string,
    impersonation: readonly string[],
    verb: "create" | "apply",
    body: object,
  ) => Promise<Reply>;
  [Symbol.asyncDispose](): Promise<void>;
};

export const accounts = ["controller", "verifier", "sweeper"] as const;
export const accountName = (name: string): string => `system:serviceaccount:elevate-system:${name}`;
export const merging = "application/merge-patch+json";
export const jsonPatching = "application/json-patch+json";
export const applying = "application/apply-patch+yaml";

const fullName = (user: string): string => (accounts.some((name) => name === user) ? accountName(user) : user);

/** A control plane of its own with nothing of ours in it. */
export async function emptyPlane(users: readonly User[] = []): Promise<Installed> {
  const dir = await mkdtemp(join(tmpdir(), "kube-elevate-"));
  const plane = await startControlPlane({ dir, users });
  const call: Installed["call"] = async (user, ...rest) => {
    const { code, body } = await plane.ask(fullName(user), ...rest);
    return { code, body, message: z.looseObject({ message: z.string() }).safeParse(body).data?.message ?? "" };
  };
  return {
    plane,
    call,
    post: (user, path, body) => call(user, "POST", path, body),
    merge: (user, path, body) => call(user, "PATCH", path, body, merging),
    as: async (user, impersonation, verb, body) => {
      const args = [...impersonation, verb, "--dry-run=server", "-o", "json", "-f", "-"];
      const { code, stdout, stderr } = await plane.run(user, args, { check: false, input: JSON.stringify(body) });
      return { code: code === 0 ? 200 : 0, message: stderr, body: stdout };
    },
    [Symbol.asyncDispose]: async () => {
      await plane.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The same with config/default and config/samples, as shipped, once all of it bites. */
export async function installedPlane(users: readonly User[] = []): Promise<Installed> {
  const installed = await emptyPlane(users);
  await install(installed);
  return installed;
}

export async function install({ plane, call, post }: Installed): Promise<void> {
  await plane.run("admin", ["apply", "-k", "config/default"]);
  await eventually(() => samplesApply(plane), 30, "the CRDs answer");
  for (const account of accounts) await plane.accountKubeconfig(account);
  const trust = { metadata: { name: "kube-elevate-trust" }, data: { a: "b" } };
  const asks = (spec: object): Promise<Reply> =>
    post("bob", requestsPath("shop", "?dryRun=All"), requestBody("x", spec));
  await eventually(() => says("UseNotPermitted", asks({ policyName: "other" })), 30, "policies bite");
  await eventually(() => says("DurationTooLong", asks({ duration: "2h" })), 30, "limits bite");
  await eventually(
    () =>
      says(
        "WriteNotPermitted",
        call("admin", "POST", "/api/v1/namespaces/elevate-system/configmaps?dryRun=All", trust),
      ),
    30,
    "the policy on the trust objects bites",
  );
}

/** The last line of policies is the first to be taken when CRDs and admission answer. */
const samplesApply = async (plane: ControlPlane): Promise<boolean> =>
  (await plane.run("admin", ["apply", "-k", "config/samples"], { check: false })).code === 0;

const says = async (word: string, reply: Promise<Reply>): Promise<boolean> => (await reply).message.includes(word);
