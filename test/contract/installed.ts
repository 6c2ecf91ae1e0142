import { z } from "zod";
import type { ControlPlane } from "../../hack/controlplane/control-plane.ts";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { startPreparedControlPlane } from "../../hack/controlplane/prepared.ts";
import { startTemporaryControlPlane } from "../../hack/controlplane/temporary.ts";
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
  return installedOn(await startTemporaryControlPlane({ users }));
}

function installedOn(plane: ControlPlane): Installed {
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
    [Symbol.asyncDispose]: () => plane.stop(),
  };
}

/** The same with config/default and config/samples, as shipped, once all of it bites. */
export async function installedPlane(users: readonly User[] = []): Promise<Installed> {
  const installed = installedOn(await startPreparedControlPlane("samples", { users }));
  await untilSamplesHold(installed);
  return installed;
}

/** Applies the samples to a plane that has all the rest, and gets tokens of our accounts. */
export async function withSamples(installed: Installed): Promise<void> {
  await installed.plane.run("admin", ["apply", "-k", "config/samples"]);
  await untilSamplesHold(installed);
}

async function untilSamplesHold({ plane, post }: Installed): Promise<void> {
  await Promise.all(accounts.map((account) => plane.accountKubeconfig(account)));
  const tooLong = requestBody("x", { duration: "2h" });
  await eventually(
    async () => (await post("bob", requestsPath("shop", "?dryRun=All"), tooLong)).message.includes("DurationTooLong"),
    30,
    "the rights of the samples and the limits of their policy are in force",
  );
}
