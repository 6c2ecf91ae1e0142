import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import {
  endpointCAFile,
  type Process,
  startController,
  startVerifier,
  type Verifier,
} from "../../../hack/controlplane/processes.ts";
import { blindToAdmission } from "../support/blind.ts";
import type { Cluster } from "../support/control-plane.ts";
import type { Person } from "../support/endpoint.ts";
import { likeShop } from "../support/lives.ts";
import { type Proxy, startProxy, type Write } from "../support/proxy.ts";
import { enrolledAt, type World } from "./life.ts";

// A controller and a verifier of their own for one namespace, each behind a proxy that shows it this namespace alone. So
// several lanes share one control plane, and a kill in one disturbs no other.

/** Before: it never reaches the API server. After: applied, the process dies without its reply. Cut: it lives on without. */
export const faults = ["killed before", "killed after", "reply cut"] as const;
/** `meanwhile`: nothing goes wrong, but this comes between what the process has read and what it writes. */
export type Fault = (typeof faults)[number];
export type Point = { readonly call: string } & (
  | { readonly fault: Fault }
  | { readonly meanwhile: () => Promise<void> }
);
export type Down = { readonly namespace: string; readonly from: number; readonly to: number };

export interface Lane {
  readonly namespace: string;
  /** The one that runs now, or as soon as it does. */
  verifier(): Promise<Verifier>;
  controller(): Promise<Process>;
  /** From now on the calls about this request and person are counted, and the first that is the point's goes wrong. */
  arm(about: { readonly request: string; readonly authenticator: string }, point?: Point): Armed;
  /** Kills the controller, and starts the next one when this is done. */
  withoutController(deed: () => Promise<void>): Promise<void>;
  /** When a process of it was dead. */
  readonly downs: readonly Down[];
  stop(): Promise<void>;
}

export interface Armed {
  /** In order, each by its process, verb, resource and what it says. */
  readonly calls: readonly string[];
  /** Resolves when what was to go wrong went wrong and, where one was killed, the next one is ready. */
  readonly over: Promise<void>;
}

/** Resolves when what was to go wrong went wrong and is over. */
export async function reached({ over }: Armed): Promise<void> {
  let seen = false;
  await Promise.all([over.then(() => (seen = true)), eventually(() => seen, 30, "the point is reached")]);
}

type Role = "controller" | "verifier";

export type Lanes = { readonly lanes: readonly Lane[]; readonly world: World; readonly enrolled: Person[] };

/** So many lanes, each in a namespace like shop, and these people, enrolled by the verifiers of all. */
export async function openLanes(cluster: Cluster, count: number, people: readonly string[]): Promise<Lanes> {
  const { plane } = cluster;
  const namespaces = Array.from({ length: count }, (_none, index) => `lane-${String(index)}`);
  await cluster.apply("admin", ...likeShop(...namespaces));
  for (const account of ["controller", "verifier", "sweeper"]) await plane.accountKubeconfig(account);
  const first = await openLane(plane, namespaces[0] ?? ""); // the others find its certificate
  const lanes = [first, ...(await Promise.all(namespaces.slice(1).map(async (name) => openLane(plane, name))))];
  const world = { plane, ca: await readFile(await endpointCAFile(plane), "utf8") };
  const waiting = [...people];
  const enrolled: Person[] = [];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
        enrolled.push(await enrolledAt(world, await lane.verifier(), name));
    }),
  );
  return { lanes, world, enrolled };
}

async function openLane(plane: ControlPlane, namespace: string): Promise<Lane> {
  const downs: Down[] = [];
  let armed: { about: Parameters<Lane["arm"]>[0]; point?: Point | undefined; calls: string[]; done: () => void };
  const running: { controller?: Promise<Process>; verifier?: Promise<Verifier> } = {};
  const proxies: { [role in Role]?: Proxy } = {};

  const start = async (role: Role): Promise<void> => {
    const options = {
      kubeconfig: proxies[role]?.kubeconfig ?? "",
      env: { KUBE_ELEVATE_URL: "https://127.0.0.1:8443" },
    };
    if (role === "controller") running.controller = startController(plane, options);
    else running.verifier = startVerifier(plane, options);
    await running[role];
  };
  const kill = async (role: Role): Promise<() => Promise<void>> => {
    const from = Date.now();
    const victim = await running[role];
    victim?.kill("SIGKILL");
    await victim?.exited;
    return async () => {
      await start(role);
      downs.push({ namespace, from, to: Date.now() });
    };
  };
  const around = (role: Role) => {
    const isPoint = (write: Write, when: "before" | "after"): Point | undefined => {
      const call = callOf(role, write, armed.about);
      if (call === undefined) return undefined;
      if (when === "before") armed.calls.push(call);
      const { point } = armed;
      if (point?.call !== call || isEarly(point) !== (when === "before")) return undefined;
      armed.point = undefined;
      return point;
    };
    const hook = (when: "before" | "after") => async (write: Write) => {
      const { done } = armed;
      const point = isPoint(write, when);
      if (point === undefined) return undefined;
      if ("meanwhile" in point) {
        await point.meanwhile();
        done();
        return undefined;
      }
      if (point.fault === "reply cut") done();
      else {
        const restart = await kill(role);
        const next = async (): Promise<void> => {
          await restart();
          done();
        };
        next().catch(() => undefined); // then it is never over, and its log says why
      }
      return "cut" as const;
    };
    return {
      ...blindToAdmission(),
      namespace,
      labelled: role === "controller",
      counts,
      before: hook("before"),
      after: hook("after"),
    };
  };

  const arm: Lane["arm"] = (about, point) => {
    const over = Promise.withResolvers<void>();
    const calls: string[] = [];
    armed = { about, point, calls, done: over.resolve };
    return { calls, over: over.promise };
  };
  arm({ request: "", authenticator: "" });
  for (const role of ["controller", "verifier"] as const)
    proxies[role] = await startProxy(plane, `system:serviceaccount:elevate-system:${role}`, around(role));
  await Promise.all([start("controller"), start("verifier")]);
  return {
    namespace,
    downs,
    arm,
    verifier: async () => running.verifier ?? Promise.reject(new Error("no verifier was started")),
    controller: async () => running.controller ?? Promise.reject(new Error("no controller was started")),
    async withoutController(deed) {
      const restart = await kill("controller");
      await deed();
      await restart();
    },
    async stop() {
      await Promise.all([running.controller, running.verifier].map(async (process) => (await process)?.stop()));
      await Promise.all([proxies.controller?.close(), proxies.verifier?.close()]);
    },
  };
}

const isEarly = (point: Point): boolean => "meanwhile" in point || point.fault === "killed before";

/** Reviews and rehearsals change nothing. */
const counts = (method: string, path: string): boolean =>
  method !== "GET" &&
  !path.includes("dryRun=All") &&
  /\/(elevationrequests|authenticators|rolebindings|events)(\/|$)/.test(path);

const sent = z.looseObject({
  metadata: z.looseObject({ name: z.string().optional() }).optional(),
  regarding: z.looseObject({ name: z.string().optional() }).optional(),
  action: z.string().optional(),
  status: z.looseObject({ phase: z.string().optional() }).optional(),
});

/** What a write is, if it is about these two: the same words in each run, however the order of two may change. */
function callOf(
  role: Role,
  { method, path, body }: Write,
  about: { readonly request: string; readonly authenticator: string },
): string | undefined {
  const { metadata, regarding, action, status } = sent.catch({}).parse(body);
  const [, resource = "", name, subresource] =
    /\/(elevationrequests|authenticators|rolebindings|events)(?:\/([^/?]+))?(\/status)?/.exec(path) ?? [];
  const named = regarding?.name ?? decodeURIComponent(name ?? metadata?.name ?? "");
  if (named !== about.request && named !== about.authenticator && !named.startsWith(`elevate:${about.request}:`))
    return undefined;
  const says = action ?? status?.phase ?? "";
  return [role, method, `${resource}${subresource ?? ""}`, says].join(" ").trim();
}
