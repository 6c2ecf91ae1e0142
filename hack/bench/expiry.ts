import { setTimeout as sleep } from "node:timers/promises";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { bindingFor, bindingName } from "../../src/domain/binding.ts";
import { formatInstant, instant, later } from "../../src/domain/time.ts";
import { type Lives, likeShop, must, playLives } from "../../test/cluster/support/lives.ts";
import { bindingsPath, requestBody, requestsPath } from "../../test/contract/bodies.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { install } from "../controlplane/install.ts";
import { startController } from "../controlplane/processes.ts";
import { startTemporaryControlPlane } from "../controlplane/temporary.ts";
import { firstListOf } from "./first-list.ts";
import { granted } from "./grants.ts";
import { type Bench, documentOf, printTable, type Row, rowOf } from "./report.ts";
import { sideBySide } from "./side-by-side.ts";
import { type Unbound, unboundIn } from "./unbound.ts";

const small = process.argv.includes("--small");
const sizes = small ? { rounds: 3, bursts: [100], overdue: 100 } : { rounds: 20, bursts: [500, 5_000], overdue: 500 };
const lasts = "15m";
const lastsMs = 900_000;
const spaces = Array.from({ length: 25 }, (_, i) => `expiry-${String(i)}`);
const controller = "system:serviceaccount:elevate-system:controller";

/**
 * How late access ends: one grant at a time, many at the very same instant, and many that ran out while no controller ran.
 * Single grants are made by the real controller, from proofs that are sealed with a key of this bench, each for the time
 * that makes it end when it should; of many see grants.ts. Beside it the floor: as many bindings of the same names, deleted bare by one client that
 * keeps its connections, 16 ways for bursts, with no controller.
 *
 * One grant is late until its owner's own request is refused. Of many each is late until a watch tells that its binding is
 * gone, and all together until their owner is refused in each namespace: she has grants in all of them.
 */
export const expiry: Bench = async (plane, tell) => {
  await install(plane);
  await plane.run("admin", ["apply", "-k", "config/samples"]);
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: likeShop(...spaces) });
  await plane.run("admin", ["apply", "-f", "-"], { input });
  const scene: Scene = { plane, lives: await playLives(plane), unbound: await unboundIn(plane), tell };
  try {
    const rows = await oneByOne(scene);
    for (const n of sizes.bursts) rows.push(...(await atOneInstant(scene, n)));
    return [...rows, ...(await acrossARestart(scene))];
  } finally {
    await scene.unbound.stop();
  }
};

type Scene = {
  readonly plane: ControlPlane;
  readonly lives: Lives;
  readonly unbound: Unbound;
  readonly tell: (line: string) => void;
};

async function oneByOne(scene: Scene): Promise<Row[]> {
  const { plane, lives, tell } = scene;
  const running = await startController(plane);
  const asked = await ask(scene, "one", sizes.rounds);
  const begin = soon(asked);
  const ends = asked.requests.map((request, i) => ({ request, at: begin + 1_000 * i }));
  await grant(scene, ends);
  const late: number[] = [];
  for (const { request, at } of ends) {
    await sleep(Math.max(0, at - 100 - Date.now()));
    if (!(await lives.allowed(spaceOf(request)))) throw new Error("it ended early");
    late.push((await refusedAt(scene, spaceOf(request))) - at);
  }
  await running.stop("SIGTERM");
  const floor: number[] = [];
  for (const request of asked.requests) {
    await bind(scene, request);
    while (!(await lives.allowed(spaceOf(request)))) await sleep(1);
    const from = Date.now();
    const [refused] = await Promise.all([refusedAt(scene, spaceOf(request)), unbind(scene, request)]);
    floor.push(refused - from);
  }
  tell(`${String(sizes.rounds)} grants, one after another`);
  return [rowOf("expiry to refused, 1 grant", late, { floor })];
}

async function atOneInstant(scene: Scene, n: number): Promise<Row[]> {
  const { plane, unbound, tell } = scene;
  const { requests, at } = await grantAll(scene, `burst-${String(n)}`, n);
  const running = await startController(plane);
  await sleep(Math.max(0, at - Date.now()));
  const refused = (await refusedEverywhere(scene, n)) - at;
  const late = (await unbound.times(requests.map(nameOf))).map((time) => time - at);
  await untilClosed(scene);
  await running.stop("SIGTERM");
  const floor = await bareDeletes(scene, requests);
  tell(
    `${String(n)} grants at one instant: all refused after ${String(refused)} ms, bare ${String(Math.max(...floor))} ms`,
  );
  return [
    rowOf(`expiry to unbound, ${String(n)} at one instant`, late, { floor }),
    rowOf(`expiry to all refused, ${String(n)} at one instant`, [refused], { floor: [Math.max(...floor)] }),
  ];
}

async function acrossARestart(scene: Scene): Promise<Row[]> {
  const { plane, unbound, tell } = scene;
  const n = sizes.overdue;
  const { requests, at } = await grantAll(scene, "overdue", n);
  await sleep(Math.max(0, at + 1_000 - Date.now()));
  const firstList = await firstListOf(plane, controller);
  const begun = Date.now();
  const running = await startController(plane, { waitUntilReady: false });
  const times = await unbound.times(requests.map(nameOf));
  const listed = await firstList();
  await untilClosed(scene);
  await running.stop("SIGTERM");
  const floor = await bareDeletes(scene, requests);
  tell(`${String(n)} overdue grants, after a restart`);
  return [
    rowOf(
      `restart to unbound, ${String(n)} overdue`,
      times.map((time) => time - begun),
    ),
    rowOf(
      `first list to unbound, ${String(n)} overdue`,
      times.map((time) => time - listed),
      { floor },
    ),
  ];
}

type Asked = { readonly requests: readonly ElevationRequest[]; readonly tookMs: number };

/** Asks for so many, in all the namespaces in turn; returns when each has its offer. */
async function ask({ plane, lives }: Scene, word: string, n: number): Promise<Asked> {
  const begun = Date.now();
  const all = Array.from({ length: n }, (_, i) => i);
  const requests = await sideBySide(all, async (i) => {
    const path = requestsPath(spaces[i % spaces.length] ?? "");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the API server made of it
    return (await must(
      plane,
      "alice",
      "POST",
      path,
      requestBody(`${word}-${String(i)}`, { duration: lasts }),
    )) as ElevationRequest;
  });
  await sideBySide(requests, async (request) => until(lives, request, "Pending"));
  return { requests, tookMs: Date.now() - begun };
}

/** So many grants that end at one instant, in all the namespaces in turn, with no controller beside. */
async function grantAll(
  scene: Scene,
  word: string,
  n: number,
): Promise<{ readonly requests: readonly ElevationRequest[]; readonly at: number }> {
  const { plane, lives, tell } = scene;
  const model = await modelOf(scene, word);
  const begun = Date.now();
  const at = enoughFor(n);
  const all = Array.from({ length: n }, (_, i) => i);
  const requests = await sideBySide(all, async (i) =>
    granted(
      { plane, lives, model },
      { namespace: spaces[i % spaces.length] ?? "", name: `${word}-${String(i)}` },
      { at, lasts, lastsMs },
    ),
  );
  tell(`${String(n)} grants in ${String(Date.now() - begun)} ms, ${String(at - Date.now())} ms before they end`);
  return { requests, at };
}

/** What the real controller offers. */
async function modelOf({ plane, lives }: Scene, word: string): Promise<ElevationRequest> {
  const running = await startController(plane);
  const [namespace, name] = ["shop", `model-${word}`];
  await must(plane, "alice", "POST", requestsPath(namespace), requestBody(name, { duration: lasts }));
  const model = await lives.until(namespace, name, "Pending", 60);
  await running.stop("SIGTERM");
  return model;
}

/** What it takes to write one, and for a controller that starts to look at it once; then there is time until this instant. */
const enoughFor = (n: number): number => Date.now() + 40_000 + msForOne * n;
const msForOne = 60;

type Ending = { readonly request: ElevationRequest; readonly at: number };

/** Proves each so that it ends when it should; returns when all are Active, and throws where that was too late. */
async function grant({ lives, tell }: Scene, ends: readonly Ending[]): Promise<void> {
  await sideBySide(ends, async ({ request: { metadata }, at }) => {
    const { namespace, name } = metadata;
    const verificationTime = formatInstant(later(instant(at), -lastsMs));
    await lives.prove(namespace, name, await lives.verificationOf(namespace, name, { verificationTime }));
  });
  await sideBySide(ends, async ({ request }) => until(lives, request, "Active"));
  const leftMs = Math.min(...ends.map(({ at }) => at)) - Date.now();
  tell(`${String(ends.length)} grants are active, ${String(leftMs)} ms before the first ends`);
}

/** Granting takes some times as long as offering: there is time enough until this instant. */
const soon = ({ tookMs }: Asked): number => Date.now() + 8_000 + 5 * tookMs;

async function until(lives: Lives, { metadata: { namespace, name } }: ElevationRequest, phase: string): Promise<void> {
  for (;;) {
    const { status } = await lives.get(namespace, name);
    if (status?.phase === phase) return;
    if (status?.endTime !== undefined) throw new Error(`${namespace}/${name} is ${status.phase ?? ""}`);
    await sleep(100);
  }
}

/** The instant at which their owner is refused in each namespace that has some of so many. */
async function refusedEverywhere(scene: Scene, n: number): Promise<number> {
  let last = 0;
  for (const space of spaces.slice(0, n)) last = await refusedAt(scene, space);
  return last;
}

async function refusedAt({ lives }: Scene, space: string): Promise<number> {
  while (await lives.allowed(space));
  return Date.now();
}

/** All that was unbound is on record, so that it holds up nothing that is measured next. */
async function untilClosed({ plane }: Scene): Promise<void> {
  const path = "/apis/kube-elevate.dev/v1alpha1/elevationrequests?fieldSelector=status.phase%3DActive&limit=1";
  for (;;) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a list
    const { items } = (await must(plane, "admin", "GET", path)) as { readonly items: readonly unknown[] };
    if (items.length === 0) return;
    await sleep(500);
  }
}

/** The same bindings once more, and how long after the first call each is gone. */
async function bareDeletes(scene: Scene, requests: readonly ElevationRequest[]): Promise<readonly number[]> {
  await sideBySide(requests, async (request) => bind(scene, request));
  scene.unbound.forget();
  const from = Date.now();
  await sideBySide(requests, async (request) => unbind(scene, request));
  return (await scene.unbound.times(requests.map(nameOf))).map((time) => time - from);
}

async function bind({ plane }: Scene, request: ElevationRequest): Promise<void> {
  const role = { kind: "ClusterRole", name: "pod-debugger" } as const;
  const binding = bindingFor(request, role, instant(Date.now() + 60_000));
  await must(plane, controller, "POST", bindingsPath(spaceOf(request)), binding);
}

async function unbind({ plane }: Scene, request: ElevationRequest): Promise<void> {
  const options = { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background" };
  await must(plane, controller, "DELETE", bindingsPath(spaceOf(request), `/${bindingName(request.metadata)}`), options);
}

const spaceOf = ({ metadata }: ElevationRequest): string => metadata.namespace;
const nameOf = ({ metadata }: ElevationRequest): string => `${metadata.namespace}/${bindingName(metadata)}`;

if (import.meta.main) {
  const plane = await startTemporaryControlPlane();
  try {
    const rows = await expiry(plane, (line) => void process.stderr.write(`expiry: ${line}\n`));
    printTable(rows);
    console.log(JSON.stringify(documentOf(rows, new Date())));
  } finally {
    await plane.stop();
  }
}
