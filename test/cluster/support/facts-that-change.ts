import { z } from "zod";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { authenticatorsPath, bindingsPath, policiesPath, requestsPath, rolesPath } from "../../contract/bodies.ts";
import { totpOf } from "./endpoint.ts";
import { podsRule, policyOf } from "./grants.ts";
import { must } from "./lives.ts";

// What may change under a grant that stands, by whose hand, and what comes of it. The grant is request `fix` of a person
// whose namespace, role and policy all bear the name of the case.

type Change = (plane: ControlPlane, name: string) => Promise<unknown>;
export type Case = { readonly row: string; readonly name: string; readonly what: string; readonly change: Change };
export type Ending = Case & {
  readonly reason: string;
  readonly phase?: string;
  readonly by?: string;
  readonly at?: "once";
};

/** `at: "once"`: an ending of its own, ended on time. Others are seen at the next look, which is within 30 s. */
export const endings: readonly Ending[] = [
  {
    row: "EX26",
    name: "policy-gone",
    what: "the policy is deleted",
    change: async (plane, name) => admin(plane, "DELETE", policiesPath(`/${name}`)),
    reason: "PolicyNotFound",
  },
  {
    row: "EX26",
    name: "roleref",
    what: "the policy names another role",
    change: ofPolicy({ roleRef: { name: "pod-debugger" } }),
    reason: "PolicyChanged",
  },
  {
    row: "EX26",
    name: "methods",
    what: "the policy takes the method no more",
    change: ofPolicy({ authentication: { methods: ["WebAuthn"] } }),
    reason: "PolicyChanged",
  },
  {
    row: "EX26",
    name: "selector",
    what: "the policy is for other namespaces",
    change: ofPolicy({ namespaceSelector: { matchLabels: { env: "test" } } }),
    reason: "NamespaceNotSelected",
  },
  {
    row: "EX26",
    name: "label",
    what: "the namespace loses its label",
    change: async (plane, name) =>
      admin(plane, "PATCH", `/api/v1/namespaces/${name}`, { metadata: { labels: { env: null } } }),
    reason: "NamespaceNotSelected",
  },
  {
    row: "EX26",
    name: "maximum",
    what: "the policy's maximum falls a second below the duration",
    change: ofPolicy({ duration: { default: "1m", max: "9m59s" } }),
    reason: "DurationTooLong",
  },
  {
    row: "EX32",
    name: "role-gone",
    what: "the role is deleted",
    change: async (plane, name) => admin(plane, "DELETE", `${rolesPath}/${name}`),
    reason: "RoleNotFound",
  },
  {
    row: "EN10",
    name: "disabled",
    what: "the authenticator is disabled",
    change: disable,
    reason: "AuthenticatorWithdrawn",
  },
  {
    row: "EN10",
    name: "deleted",
    what: "the authenticator is deleted",
    change: withdraw,
    reason: "AuthenticatorWithdrawn",
  },
  {
    row: "EX24",
    name: "released",
    what: "the requester releases it",
    change: end(),
    phase: "Released",
    reason: "ReleasedByRequester",
    by: "released",
    at: "once",
  },
  {
    row: "EX24",
    name: "revoked",
    what: "an SRE revokes it",
    change: end("sre"),
    reason: "Revoked",
    by: "sre",
    at: "once",
  },
  {
    row: "EX27",
    name: "removed",
    what: "an admin deletes the binding",
    change: async (plane, name) => admin(plane, "DELETE", bindingsPath(name, `/${await bindingOf(plane, name)}`)),
    reason: "BindingRemoved",
    at: "once",
  },
  {
    row: "EX01",
    name: "expired",
    what: "expirationTime comes",
    change: async () => undefined,
    phase: "Expired",
    reason: "Expired",
    at: "once",
  },
];

export const stays: readonly Case[] = [
  {
    row: "EX26",
    name: "words",
    what: "description, pattern and timeout of the policy change",
    change: ofPolicy({
      description: "Something else",
      justification: { required: true, pattern: "^OPS-", hint: "OPS-1 x" },
      authentication: { timeout: "1m" },
    }),
  },
  {
    row: "EX26",
    name: "roomy",
    what: "the policy's maximum falls to the very duration, and TOTP's too",
    change: ofPolicy({ duration: { default: "1m", max: "10m" }, authentication: { totp: { maxDuration: "10m" } } }),
  },
  {
    row: "EX26",
    name: "policy-again",
    what: "the policy is deleted and made again with equal content",
    change: async (plane, name) => {
      await admin(plane, "DELETE", policiesPath(`/${name}`));
      return admin(plane, "POST", policiesPath(), policyOf(name));
    },
  },
  {
    row: "EX32",
    name: "rules",
    what: "the role gets one rule more",
    change: async (plane, name) =>
      admin(plane, "PATCH", `${rolesPath}/${name}`, { rules: [podsRule, { ...podsRule, resources: ["configmaps"] }] }),
  },
  {
    row: "EX32",
    name: "role-again",
    what: "the role is deleted and made again",
    change: async (plane, name) => {
      await admin(plane, "DELETE", `${rolesPath}/${name}`);
      const metadata = { name };
      return admin(plane, "POST", rolesPath, { metadata, rules: [podsRule] });
    },
  },
];

async function admin(plane: ControlPlane, method: string, path: string, body?: object): Promise<unknown> {
  return must(plane, "admin", method, path, body);
}
function ofPolicy(spec: object): Change {
  return async (plane, name) => admin(plane, "PATCH", policiesPath(`/${name}`), { spec });
}
/** `by`: nobody else than the requester where it is left out. */
function end(by?: string): Change {
  return async (plane, name) => {
    const termination = { by: by ?? name, justification: "that is enough" };
    return must(plane, by ?? name, "PATCH", requestsPath(name, "/fix"), { spec: { termination } });
  };
}
export async function disable(plane: ControlPlane, name: string): Promise<unknown> {
  return must(plane, "ivy", "PATCH", authenticatorsPath(`/${totpOf(name)}`), { spec: { disabled: true } });
}
export async function withdraw(plane: ControlPlane, name: string): Promise<unknown> {
  await disable(plane, name);
  return must(plane, "ivy", "DELETE", authenticatorsPath(`/${totpOf(name)}`));
}
async function bindingOf(plane: ControlPlane, name: string): Promise<string> {
  const { status } = grants.parse(await admin(plane, "GET", requestsPath(name, "/fix")));
  return status.grant.bindingName;
}
const grants = z.object({ status: z.object({ grant: z.object({ bindingName: z.string() }) }) });
