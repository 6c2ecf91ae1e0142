import { createHash } from "node:crypto";
import { vi } from "vitest";
import type { ElevationPolicy } from "../../src/api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { type Instant, later, parseInstant } from "../../src/domain/time.ts";
import type { VerifierPorts } from "../../src/flows/ports.ts";
import { reconcile } from "../../src/flows/reconcile.ts";
import { remembering } from "../../src/flows/remembering.ts";
import { fakeCluster } from "./cluster.ts";
import { asked, meta, policy, totpOfAlice } from "./objects.ts";

/** A cluster in memory with alice's TOTP in it, and what a test of proofs does there. Its codes are those of its clock. */
export function provingGround(changed: Partial<ElevationPolicy["spec"]> = {}) {
  const start: Instant = parseInstant("2026-11-24T10:00:00Z");
  const cluster = fakeCluster({ ...policy, spec: { ...policy.spec, ...changed } }, start, { tell: () => undefined });
  cluster.enroll(totpOfAlice);
  const [attempts, alarms]: [unknown[], unknown[]] = [[], []];
  const looked = vi.fn<VerifierPorts["totp"]["matches"]>((...given) => cluster.verifier.totp.matches(...given));
  /** One replica of the verifier: it shares nothing with another but the cluster. */
  const verifier = (): VerifierPorts => ({
    ...cluster.verifier,
    authenticators: remembering(cluster.verifier.authenticators),
    totp: { ...cluster.verifier.totp, matches: looked },
    attempts: { tell: (attempt) => attempts.push(attempt) },
    alarm: { reject: (alarm) => alarms.push(alarm) },
  });
  const ask = (name: string, spec: Partial<ElevationRequest["spec"]> = {}): void => {
    cluster.requests.put({
      metadata: { ...meta, ...keyOf(name) },
      spec: { ...asked, codeChallenge: challengeOf(verifierOf(name)), ...spec },
    });
  };
  const settle = async (name: string) => reconcile(cluster.controller, keyOf(name), {});
  const offered = async (name: string, spec: Partial<ElevationRequest["spec"]> = {}) => {
    ask(name, spec);
    await settle(name);
    return keyOf(name);
  };
  return {
    ...cluster,
    attempts,
    alarms,
    looked,
    verifier,
    ask,
    settle,
    offered,
    get: async (name: string) => (await cluster.requests.get(name))?.status,
    totpStatus: async () => (await cluster.authenticators.get(totpOfAlice.metadata.name))?.status,
    body: (name: string, code = cluster.codeNow()) => ({ codeVerifier: verifierOf(name), totp: { code } }),
    pass: (ms: number): Instant => (cluster.world.now = later(cluster.world.now, ms)),
  };
}

const keyOf = (name: string) => ({ namespace: "shop", name, uid: `uid-${name}` });
export const verifierOf = (name: string): string => `verifier of ${name}`;
export const challengeOf = (codeVerifier: string): string =>
  createHash("sha256").update(codeVerifier).digest("base64url");
