import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { likeShop, must, playLives } from "../../test/cluster/support/lives.ts";
import { requestsPath } from "../../test/contract/bodies.ts";
import { bundle } from "../bundle/bundle.ts";
import { imageCommand } from "../bundle/image.ts";
import { install } from "../controlplane/install.ts";
import { type Process, startController, startSweep, startVerifier } from "../controlplane/processes.ts";
import { activeGrants, endedRequests, type Scene } from "./records.ts";
import { type Bench, type Row, rowOf } from "./report.ts";

const small = process.argv.includes("--small");
const sizes = small ? { ended: 500, active: 50, offers: 10 } : { ended: 20_000, active: 1_000, offers: 50 };
const settleMs = 35_000; // each of what is looked at again, at least every 30 s, has been looked at
const restMs = 30_000;
const asImage = true;
const many = (n: number): string => n.toLocaleString("en");

/**
 * What each process weighs, as the image runs it: at rest, with a history, and with many active grants on top. Resident
 * memory, of which a large part is Node itself, shared by all on a machine: the floor is a bare Node that waits. And what
 * the history costs the controller: its time on the CPU at rest, what it hears meanwhile, and from a request to its offer,
 * beside the same without.
 */
export const memory: Bench = async (plane, tell) => {
  await bundle();
  await install(plane);
  await plane.run("admin", ["apply", "-k", "config/samples"]);
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: likeShop("history", "active") });
  await plane.run("admin", ["apply", "-f", "-"], { input });
  const first = await startVerifier(plane, { asImage }); // it makes its keys before ours is beside them
  await first.stop("SIGTERM");
  const scene: Scene = { plane, lives: await playLives(plane), tell };
  const floor = [await bareNode()];

  const rows: Row[] = [];
  const weigh = async (when: string, controller: Process, verifier: Process): Promise<void> => {
    for (const [name, { pid }] of Object.entries({ controller, verifier })) {
      const { rss, peak } = await weightOf(pid);
      rows.push(rowOf(`${name}, ${when}`, [rss], { floor, unit: "MB" }));
      rows.push(rowOf(`${name}, ${when}, peak`, [peak], { floor, unit: "MB" }));
    }
    rows.push(rowOf(`sweep, ${when}, peak`, [await sweepPeak(scene)], { floor, unit: "MB" }));
    tell(
      `weighed ${when}: ${rows
        .map(({ p50 }) => p50)
        .slice(-5)
        .join(", ")} MB`,
    );
  };
  const start = async (): Promise<readonly [Process, Process]> => {
    const both = await Promise.all([startController(plane, { asImage }), startVerifier(plane, { asImage })]);
    await sleep(settleMs);
    return both;
  };

  const before = await start();
  await weigh("idle", ...before);
  const without = await costOf(scene, before[0], "before");
  await endedRequests(scene, sizes.ended, async () => stop(before));

  const after = await start();
  await untilRead(after[0]);
  await weigh(`${many(sizes.ended)} ended`, ...after);
  const having = await costOf(scene, after[0], "after");
  rows.push(
    rowOf("controller's CPU in 30 s at rest, with history : without", [having.cpuMs], { floor: [without.cpuMs] }),
    rowOf("controller hears in 30 s at rest, with history : without", [having.heardMB], {
      floor: [without.heardMB],
      unit: "MB",
    }),
    rowOf("asked to offered, with history : without", having.offeredMs, { floor: without.offeredMs }),
  );

  await activeGrants(scene, sizes.active, async () => stop(after));
  const crowded = await start();
  await weigh(`${many(sizes.active)} active, ${many(sizes.ended)} ended`, ...crowded);
  await stop(crowded);
  return rows;
};

const stop = async (both: readonly Process[]): Promise<void> => {
  await Promise.all(both.map(async (one) => one.stop("SIGTERM")));
};

async function costOf(
  { lives, plane }: Scene,
  { pid }: Process,
  word: string,
): Promise<{ readonly cpuMs: number; readonly heardMB: number; readonly offeredMs: readonly number[] }> {
  const [cpuBefore, heardBefore] = [await cpuMsOf(pid), await heardMBOf(pid)];
  await sleep(restMs);
  const cpuMs = (await cpuMsOf(pid)) - cpuBefore;
  const heardMB = (await heardMBOf(pid)) - heardBefore;
  const offeredMs: number[] = [];
  for (let i = 0; i < sizes.offers; i += 1) {
    const name = `${word}-${String(i)}`;
    await lives.ask("shop", name);
    const begun = performance.now();
    while ((await lives.get("shop", name)).status?.phase !== "Pending") await sleep(1);
    offeredMs.push(performance.now() - begun);
    await must(plane, "alice", "PATCH", requestsPath("shop", `/${name}`), { spec: { termination: { by: "alice" } } });
  }
  return { cpuMs, heardMB, offeredMs };
}

/** The image's own flags and environment, and nothing to do. */
async function bareNode(): Promise<number> {
  const { args, env } = imageCommand();
  const child = spawn(process.execPath, [...args.slice(0, -1), "-e", "setInterval(() => {}, 1e6)"], { env });
  try {
    await sleep(3_000);
    return (await weightOf(child.pid ?? 0)).rss;
  } finally {
    child.kill();
  }
}

/** The peak as last seen: it only rises, and is looked at all the time. */
async function sweepPeak({ plane }: Scene): Promise<number> {
  const sweep = await startSweep(plane, { asImage });
  let peak = 0;
  while (!sweep.hasExited()) {
    peak = await weightOf(sweep.pid).then(
      (weight) => weight.peak,
      () => peak, // it has just ended
    );
    await sleep(2);
  }
  return peak;
}

/** Of 1,000,000 bytes. */
async function weightOf(pid: number): Promise<{ readonly rss: number; readonly peak: number }> {
  const text = await readFile(`/proc/${String(pid)}/status`, "utf8");
  const read = (word: string): number => {
    const [, kibibytes] = new RegExp(`^${word}:\\s+(\\d+) kB$`, "m").exec(text) ?? [];
    if (kibibytes === undefined) throw new Error(`process ${String(pid)} has no ${word}: it has ended`);
    return (Number(kibibytes) * 1024) / 1e6;
  };
  return { rss: read("VmRSS"), peak: read("VmHWM") };
}

/** In user and kernel, by ticks of 10 ms. */
async function cpuMsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${String(pid)}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Soon after its start, and each hour, a controller reads the whole history once: what that costs is no cost at rest. */
async function untilRead({ pid }: Process): Promise<void> {
  for (let before = -1; ; ) {
    const heard = await heardMBOf(pid);
    if (heard - before < 0.2) return;
    before = heard;
    await sleep(5_000);
  }
}

/** What it read of sockets and files since it began, in 1,000,000 bytes. */
async function heardMBOf(pid: number): Promise<number> {
  const [, bytes] = /^rchar: (\d+)$/m.exec(await readFile(`/proc/${String(pid)}/io`, "utf8")) ?? [];
  return Number(bytes) / 1e6;
}
