import { afterEach, beforeEach, expect, test } from "vitest";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import { createAdmission } from "./admission.ts";
import { connect, type KubeClient } from "./client.ts";

let api: ScriptedApi;
let client: KubeClient;
beforeEach(async () => {
  api = await scriptedApi((_asked, response) => json(response, {}, 201));
  client = connect({ kubeconfig: api.kubeconfig, requestTimeoutMs: 2_000 });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});
const answering = (code: number, message: string): void => {
  api.script = (_asked, response) => json(response, status(code, "Forbidden", message), code);
};
const probe = async (): Promise<string | undefined> => createAdmission(client).probe();

test("IA33: the probe is a dry run of a binding for nobody; one that is let through is a hole", async () => {
  expect(await probe()).toMatch(/^the probe was let through/);
  expect(api.asked[0]).toMatchObject({
    method: "POST",
    path: "/apis/rbac.authorization.k8s.io/v1/namespaces/elevate-system/rolebindings",
    query: { dryRun: "All" },
  });
  expect(JSON.parse(api.asked[0]?.body ?? "")).not.toHaveProperty("subjects");
});

const begins = 'rolebindings.rbac.authorization.k8s.io "elevate:probe:00000000" is forbidden: ';
test.each([
  [
    403,
    `${begins}ValidatingAdmissionPolicy 'kube-elevate-bindings' with binding 'kube-elevate-bindings' denied request: BindingRefused: x`,
    undefined,
  ],
  [
    403,
    `admission webhook "x" denied the request: ${begins}ValidatingAdmissionPolicy 'kube-elevate-bindings' with binding 'kube-elevate-bindings' denied request: BindingRefused: x`,
    "in other words",
  ],
  [
    403,
    `${begins}ValidatingAdmissionPolicy 'somebody-elses' with binding 'x' denied request: BindingRefused: x`,
    "in other words",
  ],
  [
    403,
    `${begins}ValidatingAdmissionPolicy 'kube-elevate-bindings' with binding 'x' denied request: failed to call`,
    "in other words",
  ],
  [403, "attempting to grant RBAC permissions not currently held", "in other words"],
  [404, "namespaces elevate-system not found", "in other words"],
])("IA33: a probe that is refused with %i %s", async (code, message, hole) => {
  answering(code, message);
  if (hole === undefined) expect(await probe()).toBeUndefined();
  else expect(await probe()).toContain(hole);
});

test.each([401, 500, 503])("a probe that was not judged (%i) says nothing: it throws", async (code) => {
  answering(code, "x");
  await expect(probe()).rejects.toMatchObject({ code });
});
