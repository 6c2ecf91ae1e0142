import { setTimeout as sleep } from "node:timers/promises";
import { tellingOfDeletions } from "../flows/deletions.ts";
import { createPolicyConditions } from "../flows/policies.ts";
import type { ControllerPorts, Recorder } from "../flows/ports.ts";
import { createProtection } from "../flows/protection.ts";
import type { After } from "../flows/queue.ts";
import { createSchedule, type Schedule } from "../flows/schedule.ts";
import { createTidying } from "../flows/tidy.ts";
import { createTrustedSeals } from "../flows/trusted-seals.ts";
import { createAdmission } from "../kube/admission.ts";
import { createAuthenticators } from "../kube/authenticators.ts";
import { createBindings } from "../kube/bindings.ts";
import { connect, type KubeClient } from "../kube/client.ts";
import { readCluster } from "../kube/cluster.ts";
import { createFacts } from "../kube/facts.ts";
import { createAllAuthenticators, createEndedRequests } from "../kube/kept.ts";
import { createRequestWatch } from "../kube/operator.ts";
import { createPolicies } from "../kube/policies.ts";
import { createRecorder } from "../kube/recorder.ts";
import { createRequests } from "../kube/requests.ts";
import { createTrustStore } from "../kube/trust.ts";
import { sha256 } from "../mfa/digest.ts";
import { sealChecker } from "../mfa/seals.ts";
import { serveHealth } from "../ops/health.ts";
import type { Log } from "../ops/log.ts";
import type { Settings } from "../settings.ts";

type Context = { readonly log: Log; readonly signal: AbortSignal };

const lookAgainMs = 1_000;

/**
 * Composes the controller and runs it until `signal` aborts. It is not ready until what was overdue has ended. It keeps
 * no state that matters and asks nobody whether it may act: any number of controllers work side by side.
 */
export async function run(settings: Settings, { log, signal }: Context): Promise<void> {
  const client = connect({ kubeconfig: settings.kubeconfig, tell: (message, fields) => log.warn(fields, message) });
  const clock: ControllerPorts["clock"] = () => client.now();
  const events = createRecorder(client, { component: "controller", instance: settings.identity, clock });
  const seals = createTrustedSeals({
    read: async () => createTrustStore(client).trust(),
    checkerOf: sealChecker,
    after,
    log,
    announcer: events,
  });
  let schedule: Schedule | undefined;
  const protection = createProtection({
    admission: createAdmission(client),
    clock,
    elapsedMs: () => performance.now(),
    after,
    log,
    announcer: events,
    onChange: () => schedule?.lookAgain(),
  });
  const conditions = createPolicyConditions({
    policies: createPolicies(client),
    hole: () => protection.hole(),
    clock,
    after,
    log,
  });
  const tidying = createTidying({
    requests: createEndedRequests(client),
    authenticators: createAllAuthenticators(client),
    retentionMs: settings.retention,
    clock,
    after,
    log,
  });
  const ready = (): void => {
    log.info("ready: nothing is overdue");
    tidying.start(); // history is never in the way of endings
  };
  const checks = {
    trust: seals.check,
    admission: protection.check,
    lists: () => (schedule === undefined ? "the API server has not answered yet" : schedule.checks.lists()),
    overdue: () => (schedule === undefined ? "what is overdue is not yet ended" : schedule.checks.overdue()),
  };
  const health = await serveHealth({ port: settings.healthPort, address: settings.bindAddress, checks });
  log.info({ healthPort: health.port }, "serving health");
  try {
    seals.start();
    protection.start();
    const cluster = await untilRead(async () => readCluster(client, settings.clusterName), { log, signal });
    if (cluster === undefined) return;
    const ports = portsOf(client, log, { cluster, clock, seals, protection, recorder: tellingBoth(events, log) });
    schedule = createSchedule({ ports, watch: createRequestWatch(client), log, after, random: Math.random });
    const started = schedule.start().then(ready);
    conditions.start();
    await Promise.race([aborted(signal), started.then(async () => aborted(signal))]);
  } finally {
    seals.stop();
    protection.stop();
    await Promise.all([conditions.stop(), tidying.stop(), schedule?.stop()]);
    await events.settled();
    await health.close();
    await client.close();
  }
}

type Parts = Pick<ControllerPorts, "cluster" | "clock" | "seals" | "protection" | "recorder">;

const portsOf = (client: KubeClient, log: Log, parts: Parts): ControllerPorts => ({
  requests: tellingOfDeletions(createRequests(client), log),
  bindings: createBindings(client),
  facts: createFacts(client),
  authenticators: createAuthenticators(client),
  digest: sha256,
  ...parts,
});

/** Each write that this replica won: an Event for people, and a line that outlives it. */
const tellingBoth = (events: Recorder, log: Log): Recorder => ({
  warn: (what) => events.warn(what),
  tell(what) {
    events.tell(what);
    const { about, step } = what;
    const ending = step.do === "close" ? { phase: step.phase } : {};
    const cause = "cause" in step ? step.cause : {};
    log.info({ ...about, step: step.do, ...ending, ...cause }, "a step was taken");
  },
});

/** Tries until the API server answers; undefined: told to stop meanwhile. */
async function untilRead<T>(read: () => Promise<T>, { log, signal }: Context): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await read();
    } catch (error) {
      log.warn({ err: error }, "the API server cannot be reached yet, which is tried again");
    }
    await sleep(lookAgainMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
}

const after: After = (ms, act) => {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
};
