import { globSync, readFileSync } from "node:fs";
import { loadAll } from "js-yaml";
import { expect, test } from "vitest";
import { z } from "zod";
import * as reasons from "../../src/api/v1alpha1/reasons.ts";
import { readSettings } from "../../src/settings.ts";

// What config/ promises without a cluster; test/cluster applies it to one.

const container = z.looseObject({
  name: z.string(),
  args: z.array(z.string()),
  ports: z.array(z.object({ name: z.string(), containerPort: z.int() }).loose()),
  resources: z.looseObject({}),
  securityContext: z.looseObject({}),
});
const deployment = z.object({
  kind: z.literal("Deployment"),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    replicas: z.int(),
    template: z.looseObject({
      spec: z.looseObject({ securityContext: z.looseObject({}), containers: z.array(container) }),
    }),
  }),
});
const cronJob = z.object({
  kind: z.literal("CronJob"),
  metadata: z.looseObject({ name: z.string(), namespace: z.string() }),
  spec: z.looseObject({
    jobTemplate: z.looseObject({
      spec: z.looseObject({
        template: z.looseObject({
          spec: z.looseObject({ containers: z.array(container.omit({ ports: true })) }),
        }),
      }),
    }),
  }),
});
const objects = globSync("config/**/*.yaml")
  .toSorted()
  .flatMap((file) => loadAll(readFileSync(file, "utf8")));
const deployments = objects.flatMap((object) => deployment.safeParse(object).data ?? []);

test("DS08: controller and verifier run twice, as nobody, on a file system they cannot write to, within their memory", () => {
  expect(deployments.map(({ metadata, spec }) => [metadata.name, spec.replicas])).toEqual([
    ["controller", 2],
    ["verifier", 2],
  ]);
  for (const { metadata, spec } of deployments) {
    const { securityContext, containers } = spec.template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(containers.map(({ args }) => args)).toEqual([[metadata.name]]);
    for (const { resources, securityContext: own } of containers) {
      expect(own).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(resources).toMatchObject({ requests: { memory: "160Mi" }, limits: { memory: "512Mi" } });
    }
  }
});

test("DS08: the sweeper starts every minute, one at a time and never stuck, as its own account and as nobody", () => {
  const [sweeper, ...others] = objects.flatMap((object) => cronJob.safeParse(object).data ?? []);
  expect(others).toEqual([]);
  expect(sweeper?.metadata).toMatchObject({ name: "sweeper", namespace: "elevate-system" });
  expect(sweeper?.spec).toMatchObject({
    schedule: "* * * * *",
    concurrencyPolicy: "Forbid",
    jobTemplate: { spec: { backoffLimit: 0, activeDeadlineSeconds: 110 } },
  });
  const pod = sweeper?.spec.jobTemplate.spec.template.spec;
  expect(pod).toMatchObject({
    serviceAccountName: "sweeper",
    restartPolicy: "Never",
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  });
  expect(pod?.containers.map(({ args, securityContext }) => ({ args, securityContext }))).toEqual([
    {
      args: ["sweep"],
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
    },
  ]);
});

/** Of every object that starts Pods, at whatever depth: what it says of them. */
function podsOf(object: unknown): readonly z.infer<typeof pods>[] {
  if (typeof object !== "object" || object === null) return [];
  const values: readonly unknown[] = Object.values(object);
  const { data } = pods.safeParse(object);
  return [...(data === undefined ? [] : [data]), ...values.flatMap(podsOf)];
}
const pods = z.strictObject({
  serviceAccountName: z.string(),
  enableServiceLinks: z.literal(false),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.literal(65_532),
    runAsGroup: z.literal(65_532),
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  containers: z.array(
    container
      .omit({ ports: true })
      .extend({
        image: z.literal("kube-elevate"),
        securityContext: z.strictObject({
          allowPrivilegeEscalation: z.literal(false),
          readOnlyRootFilesystem: z.literal(true),
          capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
        }),
      })
      .loose(),
  ),
  topologySpreadConstraints: z.unknown().optional(),
  restartPolicy: z.string().optional(),
});

test("DS08: no Pod has more than its own account: no volume, host network, init container, root, capability or file to write", () => {
  // what has containers is a Pod; strict, so that a field which gives more is a failure until it stands above
  const withContainers = (value: unknown): number =>
    typeof value === "object" && value !== null
      ? (Object.hasOwn(value, "containers") ? 1 : 0) +
        Object.values(value).reduce((sum: number, each) => sum + withContainers(each), 0)
      : 0;
  const found = objects.flatMap(podsOf);
  expect(found.map(({ serviceAccountName }) => serviceAccountName)).toEqual(["controller", "sweeper", "verifier"]);
  expect(withContainers(objects)).toBe(found.length);
});

/** At whatever depth, and in containers of every sort: the lists of objects whose keys become variables. */
function variablesFromObjects(value: unknown): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => (key === "envFrom" ? [each] : variablesFromObjects(each)));
}
const settingsPrefix = "KUBE_ELEVATE_";

test("DS08: no container takes variables whole from an object but under prefix KUBE_ELEVATE_, so none is one of Node", () => {
  // NODE_OPTIONS alone would make who may write the object the account that the process runs as
  const settings = { prefix: settingsPrefix, configMapRef: { name: "kube-elevate-settings" } };
  expect(objects.flatMap(variablesFromObjects)).toEqual([[settings], [settings]]);
});

const allowed = (...ports: readonly (string | number)[]): object => ({
  ports: ports.map((port) => ({ port, protocol: "TCP" })),
});
const toApiServer = [allowed(443, 6443, 8443)];

test("HT10: what a process reaches is what an API server listens on, not even DNS; what reaches it are its own ports", () => {
  const policy = z.object({
    kind: z.literal("NetworkPolicy"),
    metadata: z.looseObject({ name: z.string(), namespace: z.literal("elevate-system") }),
    spec: z.strictObject({
      podSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
      policyTypes: z.tuple([z.literal("Ingress"), z.literal("Egress")]),
      ingress: z.array(z.unknown()).default([]),
      egress: z.array(z.unknown()),
    }),
  });
  const found = objects.flatMap((object) => policy.safeParse(object).data ?? []);
  expect(found.map(({ metadata: { name }, spec }) => [name, spec.ingress, spec.egress])).toEqual([
    ["controller", [allowed("health")], toApiServer],
    ["sweeper", [], toApiServer],
    ["verifier", [allowed("https", "health")], toApiServer],
  ]);
  for (const { metadata, spec } of found)
    expect(spec.podSelector.matchLabels).toEqual({
      "app.kubernetes.io/part-of": "kube-elevate",
      "app.kubernetes.io/component": metadata.name,
    });
});

test("the settings that are shipped, and those of README's overlay, are known, and the ports are the processes' own", () => {
  const generator = z.object({ configMapGenerator: z.array(z.object({ literals: z.array(z.string()) }).loose()) });
  const environments = (manifests: readonly unknown[]): { readonly [name: string]: string }[] =>
    manifests
      .flatMap((object) => generator.safeParse(object).data?.configMapGenerator ?? [])
      .map(({ literals }) => literals.map((literal) => /^([^=]+)=(.*)$/.exec(literal) ?? []))
      .map((read) => Object.fromEntries(read.map(([, key = "", value = ""]) => [settingsPrefix + key, value])));
  const blocks = readFileSync("README.md", "utf8").matchAll(/^```yaml\n(.*?)^```/gms);
  const [env = {}, ...others] = environments(objects);
  const [overlay = {}, ...more] = environments([...blocks].flatMap(([, text = ""]) => loadAll(text)));
  expect([others, more]).toEqual([[], []]);
  const table = readFileSync("src/settings.ts", "utf8");
  for (const each of [env, overlay]) {
    expect(Object.keys(each).length).toBeGreaterThan(2);
    expect(Object.keys(each).filter((name) => !table.includes(`"${name}"`))).toEqual([]);
  }
  const read = readSettings([], env);
  const { healthPort, endpointPort, ...rest } = z
    .looseObject({ healthPort: z.int(), endpointPort: z.int() })
    .parse(read);
  expect(rest).toMatchObject({ url: env["KUBE_ELEVATE_URL"], clusterName: env["KUBE_ELEVATE_CLUSTER_NAME"] });
  const ports = deployments.flatMap(({ spec }) => spec.template.spec.containers.flatMap((each) => each.ports));
  expect(ports.map(({ name, containerPort }) => [name, containerPort])).toEqual([
    ["health", healthPort],
    ["https", endpointPort],
    ["health", healthPort],
  ]);
});

test("every refusal at admission begins with a word of the closed list", () => {
  const words = new Set<string>(reasons.refusalReasons);
  const policy = z.object({
    kind: z.literal("ValidatingAdmissionPolicy"),
    spec: z.object({
      validations: z.array(z.object({ message: z.string().optional(), messageExpression: z.string().optional() })),
    }),
  });
  const messages = objects.flatMap((object) =>
    (policy.safeParse(object).data?.spec.validations ?? []).map(
      ({ message, messageExpression }) => message ?? messageExpression?.slice(1) ?? "",
    ),
  );
  expect(messages.length).toBeGreaterThan(40);
  expect(messages.filter((message) => !words.has(message.split(":", 1).join("")))).toEqual([]);
});
