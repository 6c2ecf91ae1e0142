import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { asking } from "../../hack/controlplane/ask.ts";
import { eventually } from "./support/control-plane.ts";
import { environment, exists, type Foreground, makeCluster, processesOf } from "./support/foreground.ts";

const people = { admin: z.string(), alice: z.string(), bob: z.string(), sre: z.string() };
const processes = {
  etcd: z.int(),
  apiserver: z.int(),
  controllerManager: z.int(),
  controller: z.int(),
  verifier: z.int(),
};
const environmentSchema = z.strictObject({
  kubectl: z.string(),
  apiServer: z.url(),
  endpoint: z.url(),
  endpointCAFile: z.string(),
  bin: z.string(),
  kubeconfigs: z.strictObject(people),
  pids: z.strictObject(processes),
});
const kubeconfigSchema = z.object({
  clusters: z.tuple([z.object({ cluster: z.object({ server: z.string(), "certificate-authority": z.string() }) })]),
  users: z.tuple([z.object({ user: z.object({ token: z.string() }) })]),
});

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "kube-elevate-cluster-"));
});
afterAll(() => rm(base, { recursive: true, force: true }));

test("CL01: two at once are complete, know nothing of each other, and end with Ctrl-C and with SIGKILL", async () => {
  const [one, two] = [join(base, "one"), join(base, "two")];
  const [home, temporary] = [join(base, "home"), join(base, "temporary")];
  await Promise.all([home, temporary].map((folder) => mkdir(folder)));
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const env = { ...process.env, HOME: home, TMPDIR: temporary, XDG_CACHE_HOME: cache };
  const [first, second] = [makeCluster(one, env), makeCluster(two, env)];
  try {
    const [here, there] = await Promise.all([complete(one, first), complete(two, second)]);

    expect(here.apiServer).not.toBe(there.apiServer);
    expect(here.endpoint).not.toBe(there.endpoint);
    const alice = await credentials(here.kubeconfigs.alice);
    expect(alice.server).toBe(here.apiServer);
    expect(await answerTo(alice)).toBe(201);
    const stranger = { ...(await credentials(there.kubeconfigs.alice)), token: alice.token };
    expect(await answerTo(stranger)).toBe(401);
    await expect(answerTo({ ...alice, server: there.apiServer })).rejects.toThrow(/certificate/);
    for (const pid of Object.values(here.pids)) expect(() => process.kill(pid, 0)).not.toThrow();
    const endpoint = asking(here.endpoint, here.endpointCAFile);
    expect((await endpoint.ask("nobody", "GET", "/nothing-is-here")).code).toBeGreaterThanOrEqual(400);
    endpoint.close();
    expect(await readdir(here.bin)).toEqual(expect.arrayContaining(["kubectl", "kubectl-elevate"]));

    const third = makeCluster(one, env);
    expect(await third.exited).toBe(1);
    expect(third.output()).toContain("a cluster runs in");

    process.kill(here.pids.controller, "SIGKILL");
    const renewed = async (): Promise<boolean> => {
      const seen = environmentSchema.safeParse(await environment(one)).data;
      return seen !== undefined && seen.pids.controller !== here.pids.controller && seen.endpoint === here.endpoint;
    };
    await eventually(renewed, 30, "a controller takes the place of the one that was killed");

    first.kill("SIGINT");
    expect(await first.exited).toBe(0);
    expect(await processesOf(one)).toEqual([]);
    expect(await exists(join(one, "env.json"))).toBe(false);
    expect(await answerTo(await credentials(there.kubeconfigs.alice))).toBe(201);

    second.kill("SIGKILL");
    expect(await second.exited).toBe("SIGKILL");
    await eventually(async () => (await processesOf(two)).length === 0, 5, "the kernel's word reaches all");
    expect([...(await readdir(home)), ...(await readdir(temporary))]).toEqual([]);
  } finally {
    await end(first, second);
  }
}, 150_000);

test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const)(
  "CL01: %s in the middle of the start leaves no process",
  async (signal) => {
    const dir = join(base, `middle-${signal}`);
    const starting = makeCluster(dir);
    try {
      await eventually(() => exists(join(dir, "certs", "apiserver.crt")), 30, "kube-apiserver starts");
      expect(await processesOf(dir, [starting.pid])).not.toEqual([]);
      starting.kill(signal);
      expect(await starting.exited).toBe(signal === "SIGKILL" ? "SIGKILL" : 130);
      await eventually(
        async () => (await processesOf(dir)).length === 0,
        signal === "SIGKILL" ? 5 : 0,
        "nothing is left",
      );
      expect(await exists(join(dir, "env.json"))).toBe(false);
    } finally {
      await end(starting);
    }
  },
);

test("CL01: a failure in the middle of the start is told, and leaves no process", async () => {
  const dir = join(base, "failure");
  const starting = makeCluster(dir);
  try {
    const log = join(dir, "logs", "kube-apiserver.log");
    await eventually(() => exists(log), 30, "kube-apiserver starts");
    const [line = ""] = (await processesOf(dir)).filter(
      (each) => / \S*\/etcd --/.test(each) && !each.includes("/bin/sh"),
    );
    process.kill(Number(line.trim().split(/\s+/)[0]), "SIGKILL");
    expect(await starting.exited).toBe(1);
    expect(starting.output()).toContain("etcd exited with 137");
    expect(await processesOf(dir)).toEqual([]);
  } finally {
    await end(starting);
  }
});

test("CL01: somebody else's folder is not touched", async () => {
  const dir = join(base, "foreign");
  await mkdir(join(dir, "logs"), { recursive: true });
  const refused = makeCluster(dir);
  expect(await refused.exited).toBe(1);
  expect(refused.output()).toContain("holds logs, which no cluster made");
  expect(await readdir(dir)).toEqual(["logs"]);
});

type Environment = z.infer<typeof environmentSchema>;

async function complete(dir: string, cluster: Foreground): Promise<Environment> {
  let ended = false;
  void cluster.exited.then(() => (ended = true));
  const look = async (): Promise<unknown> => {
    if (ended) throw new Error(`it ended: ${cluster.output()}`);
    return environment(dir);
  };
  return environmentSchema.parse(await eventually(look, 90, "env.json is there"));
}

interface Credentials {
  readonly server: string;
  readonly caFile: string;
  readonly token: string;
}

async function credentials(kubeconfig: string): Promise<Credentials> {
  const { clusters, users } = kubeconfigSchema.parse(JSON.parse(await readFile(kubeconfig, "utf8")));
  const { server, "certificate-authority": caFile } = clusters[0].cluster;
  return { server, caFile, token: users[0].user.token };
}

async function answerTo({ server, caFile, token }: Credentials): Promise<number> {
  const { ask, close } = asking(server, caFile);
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  try {
    return (await ask(token, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)).code;
  } finally {
    close();
  }
}

async function end(...clusters: readonly Foreground[]): Promise<void> {
  for (const cluster of clusters) cluster.kill("SIGKILL");
  await Promise.all(clusters.map((cluster) => cluster.exited));
}
