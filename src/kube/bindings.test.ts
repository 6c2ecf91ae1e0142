import { afterEach, beforeEach, expect, test } from "vitest";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import { bindingFor, type RoleBinding } from "../domain/binding.ts";
import { instant } from "../domain/time.ts";
import { createBindings, createSweptBindings } from "./bindings.ts";
import { connect, type KubeClient } from "./client.ts";

const metadata = { name: "a", namespace: "shop", uid: "0123456789", resourceVersion: "1", creationTimestamp: "" };
const request = { metadata, spec: { policyName: "debug", requester: { username: "alice" } } };
const binding = bindingFor(request, { kind: "ClusterRole", name: "edit" }, instant(0));
const stored: RoleBinding = {
  ...binding,
  metadata: { ...binding.metadata, uid: "b1", resourceVersion: "1", creationTimestamp: "" },
};

let api: ScriptedApi;
let client: KubeClient;
beforeEach(async () => {
  api = await scriptedApi((_asked, response) => json(response, {}));
  client = connect({ kubeconfig: api.kubeconfig, requestTimeoutMs: 2_000 });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});
const answering = (code: number, reason: string, message: string): void => {
  api.script = (_asked, response) => json(response, status(code, reason, message), code);
};

const grants = `rolebindings.rbac.authorization.k8s.io "x" is forbidden: user "c" is attempting to grant RBAC permissions not currently held:
{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}`;
const quota = 'rolebindings "x" is forbidden: exceeded quota';

test.each([
  [
    403,
    "Forbidden",
    grants,
    "BindNotPermitted",
    /^the controller may not bind ClusterRole edit; .*elevationpolicy debug/,
  ],
  [403, "Forbidden", quota, "BindingRefused", /^rolebindings "x" is forbidden: exceeded quota$/],
  [422, "Invalid", "denied request: no\nmore", "BindingRefused", /^denied request: no$/],
  [404, "NotFound", 'namespaces "shop" not found', "BindingRefused", /not found$/],
  [400, "BadRequest", "x".repeat(5_000), "BindingRefused", /^x{512}$/],
])(
  "IA26: a rehearsal that is refused with %i %s says so in one short line",
  async (code, reason, message, word, text) => {
    answering(code, reason, message);
    const denial = await createBindings(client).rehearse(binding);
    expect(denial?.reason).toBe(word);
    expect(denial?.message).toMatch(text);
  },
);

test.each([
  [429, "TooManyRequests"],
  [401, "Unauthorized"],
  [500, "InternalError"],
  [503, "ServiceUnavailable"],
])("a rehearsal that was not judged (%i %s) is no refusal: it throws", async (code, reason) => {
  answering(code, reason, "x");
  await expect(createBindings(client).rehearse(binding)).rejects.toMatchObject({ code });
});

test("a rehearsal is a dry run of the very binding; one that is there already passes", async () => {
  const bindings = createBindings(client);
  expect(await bindings.rehearse(binding)).toBeUndefined();
  expect(api.asked[0]?.query).toEqual({ dryRun: "All" });
  expect(JSON.parse(api.asked[0]?.body ?? "")).toEqual({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    ...binding,
  });
  answering(409, "AlreadyExists", "x");
  expect(await bindings.rehearse(binding)).toBeUndefined();
  expect(await bindings.create(binding)).toBe("lost");
});

test("a binding is asked to go by its UID, in Background; who was quicker is no error, and a refusal is", async () => {
  const bindings = createBindings(client);
  expect(await bindings.remove(stored)).toBe("won");
  expect(api.asked.map(({ method }) => method)).toEqual(["DELETE"]);
  expect(api.asked[0]?.query).toEqual({});
  expect(JSON.parse(api.asked[0]?.body ?? "")).toMatchObject({
    preconditions: { uid: "b1" },
    propagationPolicy: "Background",
  });
  answering(409, "Conflict", "uid");
  expect(await bindings.remove(stored)).toBe("lost");
  answering(404, "NotFound", "gone");
  expect(await bindings.remove(stored)).toBe("lost");
  answering(403, "Forbidden", "a webhook says no");
  await expect(bindings.remove(stored)).rejects.toThrow("a webhook says no");
});

test("the sweeper asks by UID, in Background, too", async () => {
  await createSweptBindings(client).remove(stored);
  expect(JSON.parse(api.asked[0]?.body ?? "")).toMatchObject({
    preconditions: { uid: "b1" },
    propagationPolicy: "Background",
  });
});
