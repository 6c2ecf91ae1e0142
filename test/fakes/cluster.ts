import { createHash, generateKeyPairSync } from "node:crypto";
import type { Authenticator } from "../../src/api/v1alpha1/authenticator.ts";
import type { ElevationPolicy } from "../../src/api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import type { Meta } from "../../src/api/v1alpha1/meta.ts";
import { terminalPhases } from "../../src/api/v1alpha1/phases.ts";
import type { RoleBinding } from "../../src/domain/binding.ts";
import { authenticatorPreimage, sealPreimage } from "../../src/domain/challenge.ts";
import { formatInstant, type Instant } from "../../src/domain/time.ts";
import type { ControllerPorts, Outcome, Recorder, VerifierPorts } from "../../src/flows/ports.ts";
import { remembering } from "../../src/flows/remembering.ts";
import { sealer } from "../../src/mfa/seals.ts";
import { webauthn } from "../../src/mfa/webauthn.ts";
import { webauthnOptions } from "../../src/mfa/webauthn-options.ts";
import { totpOfAlice } from "./objects.ts";
import { fakeProtection, intact } from "./protection.ts";

/** The API server's promises, for one kind: a version a write, a swap that holds only for the version seen. */
function store<T extends { readonly metadata: Meta }>() {
  const objects = new Map<string, T>();
  const watchers = new Set<(name: string) => void>();
  let writes = 0;
  const tell = (name: string): void => {
    for (const watcher of watchers) watcher(name);
  };
  const put = (object: T): void => {
    const { name } = object.metadata;
    objects.set(name, { ...object, metadata: { ...object.metadata, resourceVersion: String(++writes) } });
    tell(name);
  };
  return {
    get: async (name: string): Promise<T | undefined> => objects.get(name),
    list: async (): Promise<readonly T[]> => [...objects.values()],
    put,
    async create(object: T): Promise<Outcome> {
      if (objects.has(object.metadata.name)) return "lost";
      put(object);
      return "won";
    },
    async remove({ name, uid }: Pick<Meta, "name" | "uid">): Promise<Outcome> {
      if (objects.get(name)?.metadata.uid !== uid) return "lost";
      objects.delete(name);
      tell(name);
      return "won";
    },
    async swap(seen: T, next: T): Promise<Outcome> {
      const { name, resourceVersion } = seen.metadata;
      if (objects.get(name)?.metadata.resourceVersion !== resourceVersion) return "lost";
      put(next);
      return "won";
    },
    /** Until `off` is called. */
    watch(watcher: (name: string) => void): () => void {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    async next({ metadata: { name, resourceVersion } }: T, forMs: number): Promise<T | undefined> {
      if (objects.get(name)?.metadata.resourceVersion === resourceVersion)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, forMs);
          const watcher = (changed: string): void => {
            if (changed !== name) return;
            watchers.delete(watcher);
            clearTimeout(timer);
            resolve();
          };
          watchers.add(watcher);
        });
      return objects.get(name);
    },
  };
}

/** RFC 7386: null takes away, a list is replaced whole. */
function merged<T>(target: T, patch: object): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as believing as the API server is of a status
  return merge(target, patch) as T;
}
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const fields = new Map<string, unknown>(Object.entries(target ?? {}));
  for (const [key, value] of Object.entries(patch))
    if (value === null) fields.delete(key);
    else if (value !== undefined) fields.set(key, merge(fields.get(key), value));
  return Object.fromEntries(fields);
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash("sha256").update(bytes).digest();
const codeAt = (step: number): string => String(step % 1_000_000).padStart(6, "0");
const hasEnded = ({ status }: ElevationRequest): boolean => terminalPhases.some((phase) => phase === status?.phase);
const stepAt = (now: Instant): number => Math.floor(now / 30_000);
const born = { uid: "b1", resourceVersion: "", creationTimestamp: "" };

/** A cluster in memory that works: both processes run on it, with real digests and seals, by the clock it owns. */
export function fakeCluster(
  policy: ElevationPolicy,
  start: Instant,
  recorder: Pick<Recorder, "tell"> & Partial<Recorder>,
) {
  const requests = store<ElevationRequest>();
  const bindings = store<RoleBinding>();
  const authenticators = store<Authenticator>();
  const keys = generateKeyPairSync("ed25519");
  const cluster = { name: "test", uid: "c1" };
  const world = { now: start, useAllowed: true, bindingsHeld: false, rulesHash: "r1", ...intact };
  const clock = (): Instant => world.now;
  const seals = sealer(new Map([["k1", String(keys.privateKey.export({ type: "pkcs8", format: "pem" }))]]));
  const requestPorts: ControllerPorts["requests"] = {
    get: async (_namespace, name) => requests.get(name),
    listOpen: async () => (await requests.list()).filter((request) => !hasEnded(request)),
    next: async (seen, forMs) => requests.next(seen, forMs),
    async swapStatus(seen, patch) {
      if (hasEnded(seen)) throw new Error("422: status of an ended request never changes");
      const outcome = await requests.swap(seen, merged(seen, { status: patch }));
      return outcome === "won" ? requests.get(seen.metadata.name) : undefined;
    },
  };
  const controller: ControllerPorts = {
    requests: requestPorts,
    bindings: {
      get: async (_namespace, name) => bindings.get(name),
      listManaged: async () =>
        (await bindings.list()).filter(
          ({ metadata }) => metadata.labels?.["app.kubernetes.io/managed-by"] === "kube-elevate",
        ),
      create: async (binding) => bindings.create({ ...binding, metadata: { ...binding.metadata, ...born } }),
      rehearse: async () => undefined,
      async remove({ metadata }) {
        const found = await bindings.get(metadata.name);
        if (!world.bindingsHeld || found?.metadata.uid !== metadata.uid) return bindings.remove(metadata);
        bindings.put({ ...found, metadata: { ...found.metadata, deletionTimestamp: formatInstant(world.now) } });
        return "won";
      },
    },
    facts: {
      policy: async (name) => (name === policy.metadata.name ? policy : undefined),
      namespaceLabels: async () => ({ env: "prod" }),
      rulesHash: async () => world.rulesHash,
      mayUse: async () => ({ allowed: world.useAllowed, reason: "by RoleBinding oncall" }),
      clockOffMs: async () => 0,
    },
    authenticators: { get: authenticators.get },
    seals,
    protection: fakeProtection(world),
    recorder: { warn: () => undefined, ...recorder },
    cluster,
    digest: sha256,
    clock,
  };
  const verifier: VerifierPorts = {
    requests: requestPorts,
    authenticators: remembering({
      get: authenticators.get,
      swapStatus: async (seen, patch) => authenticators.swap(seen, merged(seen, { status: patch })),
    }),
    sealer: seals,
    secrets: { opens: (challenge, codeVerifier) => challenge === sha256(codeVerifier).toString("base64url") },
    totp: {
      matches: (_authenticator, code, now) => [stepAt(now), stepAt(now) - 1].find((step) => codeAt(step) === code),
      enrollment: ({ metadata }) => ({ secret: metadata.uid, uri: `otpauth://totp/${metadata.name}` }),
    },
    webauthn: { ...webauthn, ...webauthnOptions },
    relyingParty: { rpId: "elevate.example.com", origin: "https://elevate.example.com" },
    policy: async (name) => controller.facts.policy(name),
    attempts: { tell: () => undefined },
    alarm: { reject: () => undefined },
    cluster,
    digest: sha256,
    clock,
  };
  /** As the verifier leaves a request that was proven now. */
  const prove = async (name: string): Promise<void> => {
    const request = await requests.get(name);
    const offer = request?.status?.offer;
    if (request === undefined || offer === undefined) throw new Error(`${name} awaits no proof`);
    const unsealed = {
      method: "TOTP" as const,
      authenticator: totpOfAlice.metadata.name,
      authenticatorUID: totpOfAlice.metadata.uid,
      verificationTime: formatInstant(world.now),
      timeStep: stepAt(world.now),
      keyID: "k1",
    };
    const seal = seals.seal("k1", sealPreimage(sha256, request, offer, unsealed));
    requests.put(merged(request, { status: { verification: { ...unsealed, seal } } }));
  };
  /** As enrollment leaves it. */
  const enroll = (authenticator: Authenticator): unknown => {
    const seal = seals.seal("k1", authenticatorPreimage(cluster.uid, "k1", authenticator));
    const totp = { lastTimeStep: 0, failures: { consecutive: 0, total: 0 } };
    return authenticators.put({ ...authenticator, status: { phase: "Active", keyID: "k1", seal, totp } });
  };
  return {
    controller,
    verifier,
    world,
    requests,
    bindings,
    authenticators,
    enroll,
    prove,
    codeNow: () => codeAt(stepAt(world.now)),
  };
}
