import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { install } from "../../hack/controlplane/install.ts";
import { policiesPath, policyBody, requestBody, requestsPath } from "../contract/bodies.ts";
import { emptyPlane, type Installed, withSamples } from "../contract/installed.ts";
import { live } from "../contract/lives.ts";
import { pathOf, readSamples, zodTakes } from "../contract/samples.ts";

let installed: Installed;
const kubectl = async (user: string, ...args: readonly string[]): Promise<string> =>
  (await installed.plane.run(user, args)).stdout;
const object = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), resourceVersion: z.string() }),
  spec: z.unknown().optional(),
});
/** What the server stores of all that config/default holds. */
const stored = async (): Promise<readonly z.infer<typeof object>[]> =>
  z
    .object({ items: z.array(object) })
    .parse(JSON.parse(await kubectl("admin", "get", "-k", "config/default", "-o", "json"))).items;

const condition = (type: string): object => ({
  type,
  status: "True",
  reason: "Tested",
  message: "",
  lastTransitionTime: "2026-11-24T11:00:00.000Z",
});
const waits = (type: string): Promise<string> =>
  kubectl("sre", "wait", "elev/waited", "-n", "shop", `--for=condition=${type}`, "--timeout=20s");

beforeAll(async () => {
  installed = await emptyPlane();
});
afterAll(() => installed[Symbol.asyncDispose]());

test("CL02: installed in one go on an empty server; a request in the meantime is refused, and none is stored unjudged", async () => {
  const { plane, post } = installed;
  const forged = requestBody("early", { requester: { username: "alice" } });
  const meanwhile = new Set<number>();
  let installedNow = false;
  await Promise.all([
    install(plane).then(() => (installedNow = true)),
    // Which policy is told differs from server to server; that one refuses, is the point.
    eventually(
      async () => {
        meanwhile.add((await post("admin", requestsPath("default"), forged)).code);
        return installedNow;
      },
      60,
      "the install is in force",
    ),
  ]);
  expect(meanwhile).toContain(404);
  expect(meanwhile).toContain(422);
  expect([...meanwhile].filter((code) => code < 400)).toEqual([]);
  expect(await kubectl("admin", "get", "elev", "-A", "-o", "name")).toBe("");
});

test("CL02: applied again, nothing changes", async () => {
  const before = await stored();
  expect(before.length).toBeGreaterThan(50);
  const said = (await kubectl("admin", "apply", "-k", "config/default")).trim().split("\n");
  const after = await stored();
  expect(after.map(({ kind, metadata }) => [kind, metadata.name, metadata.resourceVersion])).toEqual(
    before.map(({ kind, metadata }) => [kind, metadata.name, metadata.resourceVersion]),
  );
  // kubectl replaces the selector of a PodDisruptionBudget at each apply, and says "configured" though it is the same.
  expect(said.filter((line) => !line.endsWith(" unchanged") && !line.startsWith("poddisruptionbudget"))).toEqual([]);
});

test("what the server stores of CRDs and admission is what is shipped, in every field", async () => {
  const kinds = /^(?:CustomResourceDefinition|(?:Validating|Mutating)AdmissionPolicy(?:Binding)?)$/;
  const { load } = await import("js-yaml");
  const shipped = (await kubectl("admin", "kustomize", "config/default"))
    .split("\n---\n")
    .map((text) =>
      z
        .looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }), spec: z.unknown().optional() })
        .parse(load(text)),
    )
    .filter(({ kind }) => kinds.test(kind));
  expect(shipped).toHaveLength(3 + 2 * 10);
  const kept = await stored();
  for (const { kind, metadata, spec } of shipped)
    expect([metadata.name, kept.find((is) => is.kind === kind && is.metadata.name === metadata.name)?.spec]).toEqual([
      metadata.name,
      spec,
    ]);
});

test("every sample, good and bad, is judged alike by zod and by the API server", async () => {
  const { post } = installed;
  await withSamples(installed);
  const samples = readSamples();
  expect(samples.filter(({ refused }) => refused === undefined).length).toBeGreaterThan(5);
  expect(samples.filter(({ refused }) => refused !== undefined).length).toBeGreaterThan(40);
  for (const sample of samples) {
    const { file, by, refused, zodTakesIt } = sample;
    const { code, message } = await post(by, `${pathOf(sample)}?dryRun=All&fieldValidation=Strict`, sample.object);
    const said = refused !== undefined && message.includes(refused) ? refused : message;
    const good = code >= 200 && code < 300;
    expect([file, good, said, zodTakes(sample)]).toEqual([file, refused === undefined, refused ?? "", zodTakesIt]);
  }
});

test("HI01: columns as promised, wide ones too, and no time in the future is <invalid>", async () => {
  const { merge } = installed;
  await live(installed, "shown", "Granting");
  const future = { grant: { grantTime: new Date().toISOString() } };
  await merge("controller", requestsPath("shop", "/shown/status"), { status: { phase: "Active", ...future } });
  await live(installed, "later", "New");
  const header = async (...args: readonly string[]): Promise<string> =>
    (await kubectl("sre", "get", ...args)).split("\n", 1).join("").replaceAll(/ +/g, " ").trim();
  expect(await header("elev", "-n", "shop")).toBe("NAME REQUESTER ROLE PHASE EXPIRES AGE");
  expect(await header("elev", "-A")).toBe("NAMESPACE NAME REQUESTER ROLE PHASE EXPIRES AGE");
  expect(await header("elev", "-A", "-o", "wide")).toBe(
    "NAMESPACE NAME REQUESTER ROLE PHASE EXPIRES AGE POLICY METHOD GRANTED ENDED ENDED-BY REASON JUSTIFICATION",
  );
  expect(await header("elevpol")).toBe("NAME ROLE MAX METHODS READY AGE");
  const shown = await kubectl("sre", "get", "elev", "shown", "-n", "shop", "-o", "wide");
  expect(shown).toMatch(/shown +alice +pod-debugger +Active +2026-11-24T11:10:00.000Z +\S+ +shop-debug +TOTP/);
  expect(shown).not.toContain("<invalid>");
  expect(await kubectl("sre", "get", "kube-elevate", "-A", "-o", "name")).toContain(
    "elevationrequest.kube-elevate.dev/shown",
  );
});

test("HI02: requests are selected by requester, policy and phase, in lists and in a watch", async () => {
  const names = async (selector: string): Promise<readonly string[]> =>
    (
      await kubectl(
        "sre",
        "get",
        "elev",
        "-n",
        "shop",
        "-o",
        "jsonpath={.items[*].metadata.name}",
        "--field-selector",
        selector,
      )
    ).split(" ");
  expect(await names("spec.requester.username=alice")).toEqual(["later", "shown"]);
  expect(await names("spec.requester.username=bob")).toEqual([""]);
  expect(await names("status.phase=Active,spec.policyName=shop-debug")).toEqual(["shown"]);
  expect(await names("status.phase!=Active")).toEqual(["later"]);
  expect(await names("status.phase=")).toEqual(["later"]);
  const watched = await kubectl(
    "sre",
    "get",
    "--raw",
    `${requestsPath("shop")}?watch=true&timeoutSeconds=1&fieldSelector=status.phase%3DActive`,
  );
  expect(watched).toContain('"name":"shown"');
  expect(watched).not.toContain('"name":"later"');
});

test("HI02: kubectl wait ends on Granted and on Completed", async () => {
  const { merge } = installed;
  await live(installed, "waited", "Granting");
  const status = (change: object): Promise<unknown> =>
    merge("controller", requestsPath("shop", "/waited/status"), { status: change });
  const granted = waits("Granted");
  await status({
    phase: "Active",
    grant: { grantTime: "2026-11-24T11:00:01.000Z" },
    conditions: [condition("Granted")],
  });
  expect(await granted).toContain("condition met");
  const completed = waits("Completed");
  await status({
    phase: "Expired",
    reason: "Expired",
    endTime: "2026-11-24T11:10:00.123Z",
    conditions: [condition("Completed")],
  });
  expect(await completed).toContain("condition met");
});

test("HI02: kubectl explain says something of every field", async () => {
  const spec = await kubectl("alice", "explain", "elev.spec");
  expect(spec).toContain("How long, as in 30m or 1h30m.");
  const { components } = z
    .object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    .parse(JSON.parse(await kubectl("admin", "get", "--raw", "/openapi/v3/apis/kube-elevate.dev/v1alpha1")));
  const ours = Object.entries(components.schemas).filter(([name]) =>
    /v1alpha1\.(?:ElevationRequest|ElevationPolicy|Authenticator)$/.test(name),
  );
  const fields = ours.flatMap(([name, schema]) => fieldsOf(schema, name.split(".").at(-1) ?? ""));
  expect(fields.length).toBeGreaterThan(100);
  expect(fields.filter(([, description]) => description === "").map(([path]) => path)).toEqual([]);
});

test("no expression of ours has a wrong field, and the server would say so", async () => {
  const { plane } = installed;
  for (const verb of ["delete", "apply"])
    for (const folder of ["config/admission", "config/admission/limits"])
      await plane.run("admin", [verb, "-k", folder]);
  const control = {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "control" },
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ["kube-elevate.dev"],
            apiVersions: ["v1alpha1"],
            operations: ["CREATE"],
            resources: ["elevationrequests"],
          },
        ],
      },
      validations: [{ expression: "object.spec.nope == 1" }],
    },
  };
  await plane.run("admin", ["create", "-f", "-"], { input: JSON.stringify(control) });
  const policy = z.object({
    metadata: z.object({ name: z.string() }),
    status: z
      .object({ typeChecking: z.object({ expressionWarnings: z.array(z.unknown()).optional() }).optional() })
      .optional(),
  });
  const checked = await eventually(
    async () => {
      const { items } = z
        .object({ items: z.array(policy) })
        .parse(JSON.parse(await kubectl("admin", "get", "validatingadmissionpolicies", "-o", "json")));
      const ours = items.filter(
        ({ metadata }) => metadata.name === "control" || metadata.name.startsWith("kube-elevate-"),
      );
      return ours.length === 10 && ours.every(({ status }) => status?.typeChecking !== undefined) && ours;
    },
    30,
    "types are checked",
  );
  const warned = checked.filter(({ status }) => (status?.typeChecking?.expressionWarnings ?? []).length > 0);
  expect(warned.map(({ metadata }) => metadata.name)).toEqual(["control"]);
  expect((await installed.post("admin", policiesPath("?dryRun=All"), policyBody("x"))).code).toBe(201);
});

function fieldsOf(schema: unknown, path: string): readonly (readonly [string, string])[] {
  const { properties, items } = z
    .object({
      properties: z.record(z.string(), z.looseObject({ description: z.string().default("") })).default({}),
      items: z.unknown().optional(),
    })
    .parse(schema ?? {});
  const inner = items === undefined ? [] : fieldsOf(items, `${path}[]`);
  const own = Object.entries(properties).filter(([field]) => field !== "metadata");
  return [
    ...inner,
    ...own.flatMap(([field, of]) => [
      [`${path}.${field}`, of.description] as const,
      ...fieldsOf(of, `${path}.${field}`),
    ]),
  ];
}
