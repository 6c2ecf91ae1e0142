import { readFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { authenticatorPath, requestPath } from "../../src/api/v1alpha1/wire.ts";
import { formatInstant, instant, later, parseInstant } from "../../src/domain/time.ts";
import { challengeOf, newSecret } from "../../test/cluster/support/endpoint.ts";
import { type Lives, likeShop, must, playLives } from "../../test/cluster/support/lives.ts";
import { requestBody, requestsPath } from "../../test/contract/bodies.ts";
import { bundle } from "../bundle/bundle.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { install } from "../controlplane/install.ts";
import { endpointCAFile, type Process, startController, startVerifier } from "../controlplane/processes.ts";
import { attack } from "./attack.ts";
import { type Answers, attacks, type Target } from "./hostile-clients.ts";
import { type Bench, type Row, rowOf } from "./report.ts";
import { sideBySide } from "./side-by-side.ts";

const small = process.argv.includes("--small");
const sizes = small
  ? { seconds: 5, rounds: 100, requests: 500, settleMs: 500 }
  : { seconds: 15, rounds: 300, requests: 10_000, settleMs: 3_000 };
const lasts = "15m";
const lastsMs = 900_000;
const asImage = true;

/**
 * What strangers at the endpoint cost those who are inside: while an attack goes on against a verifier of its own, one
 * grant a second ends by the controller, which is another process, and an honest caller asks twice a second from another
 * address. Beside each the same without attack. Then how long a stranger waits, by what he asks for; and one user who asks
 * for thousands of grants.
 */
export const underAttack: Bench = async (plane, tell) => {
  await bundle();
  await install(plane);
  await plane.run("admin", ["apply", "-k", "config/samples"]);
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: likeShop("ends", "many") });
  await plane.run("admin", ["apply", "-f", "-"], { input });
  const first = await startVerifier(plane, { asImage }); // it makes its keys before ours is beside them
  await first.stop("SIGTERM");
  const ca = await readFile(await endpointCAFile(plane), "utf8");
  const scene: Scene = { plane, lives: await playLives(plane), ca, newName: newNames(), tell };
  const controller = await startController(plane, { asImage });
  const quiet = await meanwhile(scene, "no attack");
  const rows = [rowOf("no attack: lateness", quiet.late), rowOf("no attack: peak", [quiet.peak], { unit: "MB" })];
  const table: object[] = [lineOf(quiet)];
  for (const name of Object.keys(attacks)) {
    const seen = await meanwhile(scene, name);
    table.push(lineOf(seen));
    rows.push(
      rowOf(`${name}: lateness`, seen.late, { floor: quiet.late }),
      rowOf(`${name}: peak`, [seen.peak], { floor: [quiet.peak], unit: "MB" }),
    );
  }
  rows.push(...(await strangers(scene)));
  rows.push(...(await thousands(scene, controller, quiet.late)));
  console.table(table);
  return rows;
};

function newNames(): () => string {
  let count = 0;
  return () => `asked-${String(count++)}`;
}

type Scene = {
  readonly plane: ControlPlane;
  readonly lives: Lives;
  readonly ca: string;
  readonly newName: () => string;
  readonly tell: (line: string) => void;
};
type Seen = {
  readonly name: string;
  readonly answers: Answers;
  readonly honest: readonly string[];
  readonly peak: number;
  readonly late: readonly number[];
};

async function meanwhile(scene: Scene, name: string): Promise<Seen> {
  const { plane, ca, tell } = scene;
  const verifier = await startVerifier(plane, { asImage });
  const at: Target = { port: verifier.ports.endpoint, ca, known: await claimed(scene) };
  const grants = await grantsThatEnd(scene);
  const until = Math.max(...grants.map(({ at: end }) => end)) + 500;
  const caller = { ...at, known: await claimed(scene) };
  const [answers, honest] = await Promise.all([attack(name, at, until), askHonestly(caller, until)]);
  await sleep(sizes.settleMs);
  const late = await Promise.all(grants.map(async (grant) => lateness(scene, grant)));
  const peak = await peakOf(verifier.pid);
  await verifier.stop("SIGTERM", 20_000);
  const seen = { name, answers, honest, peak, late };
  tell(JSON.stringify(lineOf(seen)));
  return seen;
}

/** A line of the table for people. */
function lineOf({ name, answers, honest, peak, late }: Seen): object {
  const callers = new Map<string, number>();
  for (const answer of honest) callers.set(answer, (callers.get(answer) ?? 0) + 1);
  const { p99, max } = rowOf(name, late);
  return {
    attack: name,
    answer: written(answers),
    honest: written(callers),
    "peak MB": Math.round(peak),
    "late p99 ms": Math.round(p99),
    "late max ms": Math.round(max),
  };
}

const written = (answers: Answers): string =>
  [...answers]
    .toSorted(([, a], [, b]) => b - a)
    .map(([answer, n]) => `${answer} × ${String(n)}`)
    .join(", ");

type Grant = { readonly name: string; readonly at: number };

/** One a second, from some seconds on. */
async function grantsThatEnd({ plane, lives, newName }: Scene): Promise<readonly Grant[]> {
  const asking = Date.now();
  const names = Array.from({ length: sizes.seconds }, () => newName());
  await sideBySide(names, async (name) => {
    await must(plane, "alice", "POST", requestsPath("ends"), requestBody(name, { duration: lasts }));
    await lives.until("ends", name, "Pending", 60);
  });
  const begin = Date.now() + 5_000 + 5 * (Date.now() - asking); // granting takes some times as long as offering
  const grants = names.map((name, i) => ({ name, at: begin + 1_000 * i }));
  await sideBySide(grants, async ({ name, at }) => {
    const verificationTime = formatInstant(later(instant(at), -lastsMs));
    await lives.prove("ends", name, await lives.verificationOf("ends", name, { verificationTime }));
    await lives.until("ends", name, "Active", 60);
  });
  if (Date.now() > begin) throw new Error("the grants were made too late: this machine is too busy to measure on");
  return grants;
}

async function lateness({ lives }: Scene, { name, at }: Grant): Promise<number> {
  const ended = await lives.until("ends", name, "Expired", 60);
  return parseInstant(ended.status?.endTime) - at;
}

/** A request that was offered, of whom has its codeVerifier. */
async function claimed({ plane, lives, newName }: Scene): Promise<Target["known"]> {
  const [namespace, name, codeVerifier] = ["ends", newName(), newSecret()];
  const spec = { codeChallenge: challengeOf(codeVerifier) };
  await must(plane, "alice", "POST", requestsPath(namespace), requestBody(name, spec));
  await lives.until(namespace, name, "Pending", 60);
  return { namespace, name, codeVerifier };
}

/** Twice a second, over a connection of its own and from another address; what was answered within ten seconds. */
async function askHonestly(at: Target, until: number): Promise<readonly string[]> {
  const asked: Promise<string>[] = [];
  const { namespace, name, codeVerifier } = at.known;
  while (Date.now() < until) {
    asked.push(ask(at, requestPath(namespace, name, "challenge"), codeVerifier, false, "127.0.0.2"));
    await sleep(500);
  }
  return Promise.all(asked);
}

async function ask(at: Target, path: string, codeVerifier: string, agent: Agent | false, from?: string) {
  const { promise, resolve } = Promise.withResolvers<string>();
  const sent = request(
    {
      host: "127.0.0.1",
      servername: "localhost",
      port: at.port,
      path,
      method: "POST",
      ca: at.ca,
      agent,
      ...(from !== undefined && { localAddress: from }),
      timeout: 10_000,
      headers: { "Content-Type": "application/json" },
    },
    (response) => {
      response.resume().on("end", () => resolve(String(response.statusCode)));
    },
  );
  sent.on("timeout", () => sent.destroy());
  sent.on("error", ({ message }) => resolve(message));
  sent.end(JSON.stringify({ codeVerifier }));
  return promise;
}

/** How long it takes to be told nothing, by what is asked for, in turns: nobody learns from it what there is. */
async function strangers(scene: Scene): Promise<readonly Row[]> {
  const { plane, ca, tell } = scene;
  const verifier = await startVerifier(plane, { asImage });
  const at: Target = { port: verifier.ports.endpoint, ca, known: await claimed(scene) };
  const { namespace, name } = at.known;
  const ended = (await claimed(scene)).name;
  await must(plane, "alice", "PATCH", requestsPath(namespace, `/${ended}`), {
    spec: { termination: { by: "alice" } },
  });
  await scene.lives.until(namespace, ended, "Released", 20);
  const asked: { readonly [what: string]: string } = {
    "no such request": requestPath(namespace, "no-such-name", "challenge"),
    "a request": requestPath(namespace, name, "challenge"),
    "a request that ended": requestPath(namespace, ended, "challenge"),
    "no such namespace": requestPath("no-such-space", name, "challenge"),
    "no such authenticator": authenticatorPath("6e6f6e65.totp", "challenge"),
    "an authenticator": authenticatorPath("616c696365.totp", "challenge"),
  };
  const took = new Map(Object.keys(asked).map((what): [string, number[]] => [what, []]));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 0; round < sizes.rounds; round += 1)
    for (const [what, path] of Object.entries(asked)) {
      const begun = performance.now();
      const answer = await ask(at, path, newSecret(), agent);
      if (answer !== "401") throw new Error(`a stranger is told ${answer}`);
      if (round >= 10) took.get(what)?.push(performance.now() - begun);
      await sleep(15); // within the limit of one address
    }
  agent.destroy();
  await verifier.stop("SIGTERM", 20_000);
  tell("strangers were told nothing");
  return [...took].map(([what, ms]) => {
    const floor = took.get(what.includes("authenticator") ? "no such authenticator" : "no such request") ?? [];
    return rowOf(`a stranger asks about ${what}`, ms, { floor });
  });
}

/** One user asks for thousands, as fast as it goes; others are granted and end meanwhile. */
async function thousands(scene: Scene, { pid }: Process, quiet: readonly number[]): Promise<readonly Row[]> {
  const { plane, lives, tell } = scene;
  const before = await peakOf(pid);
  const grants = await grantsThatEnd(scene);
  const over = new AbortController();
  const offeredMs: number[] = [];
  const others = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const begun = performance.now();
      await claimed(scene);
      offeredMs.push(performance.now() - begun);
      await sleep(500);
    }
  };
  const names = Array.from({ length: sizes.requests }, (_, i) => `many-${String(i)}`);
  const begun = Date.now();
  const making = sideBySide(names, async (name) => must(plane, "bob", "POST", requestsPath("many"), requestBody(name)));
  await Promise.all([making.then(() => over.abort()), others()]);
  tell(`${String(sizes.requests)} requests of one user in ${String(Date.now() - begun)} ms`);
  const late = await Promise.all(grants.map(async (grant) => lateness(scene, grant)));
  const last: ElevationRequest = await lives.until("many", names.at(-1) ?? "", "Pending", 600);
  tell(`the last was ${last.status?.phase ?? ""} ${String(Date.now() - begun)} ms after the first`);
  return [
    rowOf(`${String(sizes.requests)} requests of one user: lateness of others' ends`, late, { floor: quiet }),
    rowOf(`${String(sizes.requests)} requests of one user: another's, asked to offered`, offeredMs),
    rowOf(`${String(sizes.requests)} requests of one user: controller's peak`, [await peakOf(pid)], {
      floor: [before],
      unit: "MB",
    }),
  ];
}

/** The most memory that it ever had, in 1,000,000 bytes. */
async function peakOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${String(pid)}/status`, "utf8");
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(text) ?? [];
  if (kibibytes === undefined) throw new Error(`process ${String(pid)} has ended`);
  return (Number(kibibytes) * 1024) / 1e6;
}
