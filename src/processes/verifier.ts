import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { challenge } from "../flows/challenge.ts";
import { enrollmentOptions, register } from "../flows/enroll.ts";
import type { Alarm, RelyingParty, VerifierPorts } from "../flows/ports.ts";
import { prove } from "../flows/prove.ts";
import { remembering } from "../flows/remembering.ts";
import { usualLimits } from "../http/limits.ts";
import { type Page, readPage } from "../http/page.ts";
import { createEndpoint, type Endpoint } from "../http/server.ts";
import { isOutage } from "../kube/api-error.ts";
import { createAuthenticators } from "../kube/authenticators.ts";
import { connect, type KubeClient } from "../kube/client.ts";
import { createFacts } from "../kube/facts.ts";
import { type Hearing, hearRequests } from "../kube/hearing.ts";
import { createRecorder } from "../kube/recorder.ts";
import { createRequests } from "../kube/requests.ts";
import { secrets, sha256 } from "../mfa/digest.ts";
import { sealer } from "../mfa/seals.ts";
import { totp } from "../mfa/totp.ts";
import { webauthn } from "../mfa/webauthn.ts";
import { webauthnOptions } from "../mfa/webauthn-options.ts";
import { serveHealth } from "../ops/health.ts";
import type { Log } from "../ops/log.ts";
import { pageDirectory, type Settings } from "../settings.ts";
import { isSame, type Material, materialReader } from "./keyring.ts";

type Context = { readonly log: Log; readonly signal: AbortSignal };
type Cluster = { readonly client: KubeClient; readonly hearing: Hearing; readonly alarm: Alarm };
type Missing = { keys?: string | undefined; endpoint?: string | undefined };

const lookAgainMs = 5_000;
const graceMs = 15_000; // a waiting answer takes 10 s, and what precedes it little

/**
 * Composes the verifier and runs it until `signal` aborts. It is not ready, and says why, until there are keys and the
 * endpoint listens. It keeps no state: any number of verifiers serve side by side.
 */
export async function run(settings: Settings, { log, signal }: Context): Promise<void> {
  const client = connect({ kubeconfig: settings.kubeconfig, tell: (message, fields) => log.warn(fields, message) });
  const missing: Missing = { keys: "not read yet", endpoint: "not listening yet" };
  const checks = { keys: () => missing.keys, endpoint: () => missing.endpoint };
  const health = await serveHealth({ port: settings.healthPort, address: settings.bindAddress, checks });
  const hearing = hearRequests(client);
  const events = createRecorder(client, {
    component: "verifier",
    instance: settings.identity,
    clock: () => client.now(),
  });
  let endpoint: Endpoint | undefined;
  try {
    const read = materialReader(client, settings);
    let material = await firstMaterial(read, missing, { log, signal });
    if (material === undefined) return;
    let ports = portsOf({ client, hearing, alarm: events }, settings, material, log);
    endpoint = endpointOf(() => ports, material, log, await pageOf(log));
    const port = await endpoint.listen(settings.endpointPort, settings.bindAddress);
    missing.endpoint = undefined;
    log.info({ port, healthPort: health.port, keyID: ports.sealer.newestKeyID }, "serving");
    while (await passed(lookAgainMs, signal)) {
      const seen = await readAgain(read, log);
      if (seen === undefined || isSame(seen, material)) continue;
      material = seen;
      ports = portsOf({ client, hearing, alarm: events }, settings, material, log);
      endpoint.useCertificate(material.tls);
      log.info({ keyID: ports.sealer.newestKeyID }, "keys or certificate were changed, and are used as they are now");
    }
  } finally {
    missing.endpoint = "stopping";
    await endpoint?.close(graceMs);
    await events.settled();
    await hearing.stop();
    await health.close();
    await client.close();
  }
}

/** Tries until it is there, sooner at first; undefined: told to stop meanwhile. */
async function firstMaterial(
  read: () => Promise<Material>,
  missing: Missing,
  { log, signal }: Context,
): Promise<Material | undefined> {
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, lookAgainMs)) {
    try {
      const material = await read();
      missing.keys = undefined;
      return material;
    } catch (error) {
      missing.keys = error instanceof Error ? error.message : "cannot be read";
      log.error({ err: error }, "the keys cannot be used yet");
    }
    if (!(await passed(waitMs, signal))) return undefined;
  }
}

/** New keys and certificates are taken up; from those that cannot be used a running verifier keeps away, and serves on. */
async function readAgain(read: () => Promise<Material>, log: Log): Promise<Material | undefined> {
  try {
    return await read();
  } catch (error) {
    log.error({ err: error }, "keys or certificate cannot be read again: those read before stay in use");
    return undefined;
  }
}

/** False as soon as it is told to stop. */
async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

function portsOf(
  { client, hearing, alarm }: Cluster,
  settings: Settings,
  { keys, cluster }: Material,
  log: Log,
): VerifierPorts {
  const facts = createFacts(client);
  return {
    requests: createRequests(client, hearing),
    authenticators: remembering(createAuthenticators(client)),
    sealer: sealer(keys.sealKeys),
    totp: totp({ seedKeys: keys.seedKeys, issuer: cluster.name }),
    webauthn: { ...webauthn, ...webauthnOptions },
    relyingParty: relyingPartyOf(settings),
    policy: async (name) => facts.policy(name),
    secrets,
    digest: sha256,
    cluster,
    clock: () => client.now(),
    attempts: { tell: (attempt) => log.info(attempt, "attempt") },
    alarm,
  };
}

function relyingPartyOf({ pageUrl, rpId }: Settings): RelyingParty | undefined {
  return pageUrl === "" ? undefined : { rpId, origin: new URL(pageUrl).origin };
}

async function pageOf(log: Log): Promise<Page> {
  try {
    return await readPage(pageDirectory);
  } catch (error) {
    log.warn({ err: error }, "the page where keys are used is not served here: it is not built (make page)");
    return new Map();
  }
}

function endpointOf(ports: () => VerifierPorts, { tls }: Material, log: Log, page: Page): Endpoint {
  return createEndpoint({
    flows: {
      challenge: async (about, body) => challenge(ports(), about, body),
      prove: async (about, body) => prove(ports(), about, body),
      enrollmentOptions: async (name, body) => enrollmentOptions(ports(), name, body),
      register: async (name, body) => register(ports(), name, body),
    },
    tls,
    clock: () => ports().clock(),
    log,
    newId: randomUUID,
    unreachable: isOutage,
    limits: usualLimits,
    page,
  });
}
