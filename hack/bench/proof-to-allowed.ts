import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { bindingFor } from "../../src/domain/binding.ts";
import { instant } from "../../src/domain/time.ts";
import {
  challengeOf,
  challengePath,
  codeAt,
  enroll,
  newSecret,
  type Person,
  post,
  stepNow,
  totpOf,
  verifyPath,
} from "../../test/cluster/support/endpoint.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { install } from "../controlplane/install.ts";
import { endpointCAFile, startController, startVerifier } from "../controlplane/processes.ts";
import { startTemporaryControlPlane } from "../controlplane/temporary.ts";
import { versions } from "../controlplane/versions.ts";

// From the POST of a right code until the API server lets the requester do what she asked for; rounds one after another, each
// by a person of her own (a code is good once in its 30 s). Beside it the floor: the same four writes bare (three patches of
// a status, one create of a managed binding), by one keep-alive client in the same run, in turn with the rounds. Machines
// differ and are noisy: read the ratio.

const rounds = Number(process.argv[2] ?? "30");
const names = Array.from({ length: rounds }, (_name, index) => `person-${String(index)}`);
const roleRef = { kind: "ClusterRole", name: "pod-debugger" } as const;

async function measure(plane: ControlPlane): Promise<void> {
  await install(plane);
  await plane.run("admin", ["apply", "-k", "config/samples"]);
  const [, verifier] = await Promise.all([startController(plane), startVerifier(plane)]);
  const ca = await readFile(await endpointCAFile(plane), "utf8");
  const apply = async (user: string, ...items: readonly object[]): Promise<string> => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    return (await plane.run(user, ["apply", "-f", "-"], { input })).stdout;
  };
  const took: number[] = [];
  const floors: number[] = [];
  for (const name of names) {
    const person = await enroll({ apply }, verifier, ca, name);
    took.push(await round(plane, verifier, ca, person));
    floors.push(await floor(plane, name));
    process.stderr.write(`\r${String(took.length)} of ${String(rounds)} rounds`);
  }
  process.stderr.write("\n");
  report(took, floors);
}

async function round(plane: ControlPlane, at: { readonly endpoint: string }, ca: string, person: Person) {
  const { username, seed } = person;
  const codeVerifier = newSecret();
  const name = `bench-${username}`;
  const spec = { policyName: "shop-debug", justification: "INC-1 bench", codeChallenge: challengeOf(codeVerifier) };
  const requests = "/apis/kube-elevate.dev/v1alpha1/namespaces/shop/elevationrequests";
  const object = { apiVersion: "kube-elevate.dev/v1alpha1", kind: "ElevationRequest", metadata: { name }, spec };
  mustBe(201, await plane.ask(username, "POST", requests, object));
  const offered = await post(at, ca, challengePath(name), { codeVerifier });
  if (offered.status !== 200) throw new Error(`not offered: ${offered.text}`);
  const code = codeAt(seed, await stepNow());
  const began = performance.now();
  const proven = post(at, ca, verifyPath(name), { codeVerifier, totp: { code } });
  for (;;) {
    const { code: answer } = await plane.ask(username, "GET", "/api/v1/namespaces/shop/pods/none");
    if (answer === 404) break; // allowed: there is no such pod
    if (performance.now() - began > 10_000) throw new Error(`not allowed: ${(await proven).text}`);
  }
  const ms = performance.now() - began;
  await proven;
  return ms;
}

/** The writes alone, with the same rules of admission, and nobody who reacts to them. */
async function floor(plane: ControlPlane, username: string): Promise<number> {
  const [verifier, controller] = ["verifier", "controller"].map(
    (name) => `system:serviceaccount:elevate-system:${name}`,
  );
  if (verifier === undefined || controller === undefined) throw new Error("two accounts write");
  const authenticator = `/apis/kube-elevate.dev/v1alpha1/authenticators/${totpOf(username)}/status`;
  const bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings";
  const meta = { uid: crypto.randomUUID(), resourceVersion: "", creationTimestamp: "", namespace: "shop" };
  const spec = { policyName: "shop-debug", requester: { username } };
  const binding = bindingFor({ metadata: { name: "floor", ...meta }, spec }, roleRef, instant(Date.now() + 60_000));
  const began = performance.now();
  for (const ms of [0, 1, 2])
    mustBe(200, await plane.ask(verifier, "PATCH", authenticator, used(ms), "application/merge-patch+json"));
  mustBe(201, await plane.ask(controller, "POST", bindings, binding));
  const took = performance.now() - began;
  await plane.ask("admin", "DELETE", `${bindings}/${binding.metadata.name}`);
  return took;
}

const used = (ms: number): object => ({ status: { lastUsedTime: new Date(Date.now() + ms).toISOString() } });

function mustBe(code: number, answer: { readonly code: number; readonly body: unknown }): void {
  if (answer.code !== code) throw new Error(`expected ${String(code)}: ${JSON.stringify(answer)}`);
}

function report(took: readonly number[], floors: readonly number[]): void {
  const rows = [0.5, 0.99].map((share) => ({
    percentile: `p${String(share * 100)}`,
    "proof to allowed, ms": Number(percentile(took, share).toFixed(1)),
    "floor, ms": Number(percentile(floors, share).toFixed(1)),
    ratio: Number((percentile(took, share) / percentile(floors, share)).toFixed(2)),
  }));
  console.table(rows);
  const [cpu] = cpus();
  const machine = `${String(cpus().length)} x ${cpu?.model ?? "unknown"}, Node ${process.versions.node}`;
  console.log(JSON.stringify({ n: took.length, kubernetes: versions.kubernetes, machine, rows }));
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}

const users = names.map((name) => ({ name, groups: ["devs"] }));
const plane = await startTemporaryControlPlane({ users, log: (line) => process.stderr.write(`${line}\n`) });
try {
  await measure(plane);
} finally {
  await plane.stop();
}
