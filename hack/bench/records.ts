import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "js-yaml";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { type Lives, must } from "../../test/cluster/support/lives.ts";
import { requestBody, requestsPath } from "../../test/contract/bodies.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { install } from "../controlplane/install.ts";
import { root } from "../controlplane/plugin.ts";
import { granted } from "./grants.ts";
import { sideBySide } from "./side-by-side.ts";

export type Scene = { readonly plane: ControlPlane; readonly lives: Lives; readonly tell: (line: string) => void };

const lasts = "15m";
const lastsMs = 900_000;

/** So many grants in namespace active, written as in grants.ts; `quiet` ends the processes before that. */
export async function activeGrants(scene: Scene, count: number, quiet: () => Promise<void>): Promise<void> {
  const { lives, plane, tell } = scene;
  await must(plane, "alice", "POST", requestsPath("active"), requestBody("model", { duration: lasts }));
  const model = await lives.until("active", "model", "Pending", 60);
  await quiet();
  const at = Date.now() + lastsMs;
  await sideBySide(upTo(count), async (i) =>
    granted({ plane, lives, model }, { namespace: "active", name: `active-${String(i)}` }, { at, lasts, lastsMs }),
  );
  tell(`${String(count)} grants are active`);
}

/**
 * So many records in namespace history, each equal to what the controller left of a grant that it made and ended. They are
 * stored in one write each: by a CRD without the rules on steps, and with admission away; both are put back. `quiet` ends
 * the processes before that.
 */
export async function endedRequests(scene: Scene, count: number, quiet: () => Promise<void>): Promise<void> {
  const { lives, plane, tell } = scene;
  await must(plane, "alice", "POST", requestsPath("history"), requestBody("model", { duration: "5s" }));
  await lives.until("history", "model", "Pending", 60);
  await lives.prove("history", "model");
  const { spec, status } = await lives.until("history", "model", "Expired", 60);
  await quiet();
  const bindings = ["validatingadmissionpolicybindings", "mutatingadmissionpolicybindings"].join(",");
  await plane.run("admin", ["delete", bindings, "-l", "app.kubernetes.io/part-of=kube-elevate"]);
  const input = JSON.stringify(withoutRules(load(await readFile(join(root, "crds/elevationrequests.yaml"), "utf8"))));
  await plane.run("admin", ["replace", "-f", "-"], { input });
  const record = (i: number): object => ({ ...requestBody(`ended-${String(i)}`), spec, status });
  await untilStoredWhole(plane, record(0));
  await sideBySide(upTo(count - 1), async (i) => {
    await must(plane, "admin", "POST", requestsPath("history"), record(i + 1));
    if ((i + 1) % 1_000 === 0) tell(`${String(i + 1)} records`);
  });
  await install(plane);
}

/** The changed CRD is served a moment later; until then a status is dropped at a create. */
async function untilStoredWhole(plane: ControlPlane, record: object): Promise<void> {
  for (;;) {
    const { code, body } = await plane.ask("admin", "POST", requestsPath("history"), record);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the API server stored, or why not
    const { status } = body as Partial<ElevationRequest>;
    if (code === 201 && status?.phase === "Expired") return;
    if (code === 201) await plane.run("admin", ["delete", "elev", "ended-0", "-n", "history"]);
    await sleep(500);
  }
}

function withoutRules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRules);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== "x-kubernetes-validations" && key !== "subresources");
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutRules(inner)]));
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_none, index) => index);
