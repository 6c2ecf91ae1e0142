import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationPolicy, PolicyStatus } from "../api/v1alpha1/elevation-policy.ts";
import type { ElevationRequest, Offer, Status, Verification } from "../api/v1alpha1/elevation-request.ts";
import type { RoleRef } from "../api/v1alpha1/meta.ts";
import type { OwnReason } from "../api/v1alpha1/reasons.ts";
import type { Assertion, CreationOptions, Registration, RequestOptions } from "../api/v1alpha1/webauthn.ts";
import type { NewBinding, RoleBinding } from "../domain/binding.ts";
import type { Digest } from "../domain/challenge.ts";
import type { Step } from "../domain/grant.ts";
import type { PolicyRule } from "../domain/persistence.ts";
import type { EntryFacts, GateFacts } from "../domain/policy.ts";
import type { Denial } from "../domain/reasons.ts";
import type { Differences } from "../domain/shipped.ts";
import type { Instant } from "../domain/time.ts";

// What the flows need of the world. Every read is live, never a cache; undefined: the API server said "not found".
// Whatever else fails throws, and the caller retries. No port knows another: a flow carries data from one to the next.

export type RequestKey = { readonly namespace: string; readonly name: string; readonly uid: string };

/** Every replica acts: a write says whose it was. Lost (Conflict, AlreadyExists, NotFound): look again, tell nobody. */
export type Outcome = "won" | "lost";

/** kube/requests.ts: a swap is a merge patch that holds only while the object is the one seen (resourceVersion). */
export type Requests = {
  get(namespace: string, name: string): Promise<ElevationRequest | undefined>;
  /** All whose phase is not terminal, those without a phase among them. */
  listOpen(): Promise<readonly ElevationRequest[]>;
  /** As it is now; undefined: lost. */
  swapStatus(seen: ElevationRequest, patch: Status): Promise<ElevationRequest | undefined>;
  /**
   * The request changed after `seen` and as `enough` wants it, or as it is when `forMs` have passed; undefined: it is gone.
   * To tell people: it may be as a watch has just told of it.
   */
  next(
    seen: ElevationRequest,
    forMs: number,
    enough?: (request: ElevationRequest) => boolean,
  ): Promise<ElevationRequest | undefined>;
};

/** kube/bindings.ts */
export type Bindings = {
  get(namespace: string, name: string): Promise<RoleBinding | undefined>;
  /** All that bear our label. Labels serve lists alone: what is bound is known by name, and by a GET. */
  listManaged(): Promise<readonly RoleBinding[]>;
  create(binding: NewBinding): Promise<Outcome>;
  /** Server-side dry run: RBAC `bind`, quota, admission, an ending namespace. The first line of a refusal, if any. */
  rehearse(binding: NewBinding): Promise<Denial | undefined>;
  /** DELETE by UID, in Background. What it answers is no end: a live read by name that no longer finds it is. */
  remove(binding: Placed): Promise<Outcome>;
};
export type Placed = { readonly metadata: Pick<RoleBinding["metadata"], "namespace" | "name" | "uid"> };

/** kube/bindings.ts, for the sweeper, whose account may list and delete, and read no single one. */
export type SweptBindings = {
  /** Every RoleBinding of the cluster, whoever made it: a label can be taken off. */
  listAll(): Promise<readonly RoleBinding[]>;
  /** DELETE by UID, in Background. What it answers is no end: a list that no longer holds the binding is. */
  remove(binding: RoleBinding): Promise<void>;
};

/** kube/kept.ts: objects that are kept for a while. */
export type Kept<T> = {
  /** All that may be due, a page at a time, so that many cost no memory. */
  pages(): AsyncIterable<readonly T[]>;
  /** DELETE by UID and resourceVersion: the very object that was seen, as it was seen, or nothing. */
  remove(seen: T): Promise<Outcome>;
};

/** kube/facts.ts: what `judge` is told about the cluster. */
export type Facts = {
  policy(name: string): Promise<ElevationPolicy | undefined>;
  namespaceLabels(namespace: string): Promise<GateFacts["namespaceLabels"]>;
  /** Over the role's UID and rules; the same for the same rules in another order. */
  rulesHash(role: RoleRef, namespace: string): Promise<string | undefined>;
  /**
   * A SubjectAccessReview with user, uid and groups; for entry each time. For a grant that stands the adapter asks
   * every 5 min, answers from memory between, and calls it lost when refused twice running without evaluationError:
   * one sick authorizer must not end every grant, and decide must not count.
   */
  mayUse(request: ElevationRequest, scope: "entry" | "standing"): Promise<GateFacts["use"]>;
  /** Ours minus the API server's `Date`. */
  clockOffMs(): Promise<EntryFacts["clockOffMs"]>;
};

/** kube/policies.ts: what the conditions of a policy are made of. */
export type Policies = {
  list(): Promise<readonly ElevationPolicy[]>;
  /** By where the role is found: "" for a ClusterRole, else each namespace that holds a Role of this name. */
  placesOf(role: RoleRef): Promise<Places>;
  /** What each grant that is Active was proven for. */
  granted(): Promise<readonly Granted[]>;
  /** Labels of each namespace, by its name. */
  namespaces(): Promise<ReadonlyMap<string, { readonly [label: string]: string }>>;
  /** A SelfSubjectAccessReview for `bind` on the role, there. */
  mayBind(role: RoleRef, place: string): Promise<boolean>;
  swapStatus(seen: ElevationPolicy, patch: PolicyStatus): Promise<Outcome>;
};

export type Places = ReadonlyMap<string, { readonly rulesHash: string; readonly rules: readonly PolicyRule[] }>;

/** `offer.roleRef` and `offer.rulesHash` of a request, by which policy and where. */
export type Granted = Pick<Offer, "roleRef" | "rulesHash"> & {
  readonly policyName: string;
  readonly namespace: string;
};

/** A merge patch (RFC 7386): what it does not name stays as it is, null takes away, a list is replaced whole. */
export type Patch<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Patch<T[K]> | null }
    : T;

/** kube/authenticators.ts */
export type Authenticators = {
  get(name: string): Promise<Authenticator | undefined>;
  swapStatus(seen: Authenticator, patch: Patch<NonNullable<Authenticator["status"]>>): Promise<Outcome>;
};

/** flows/remembering.ts */
export type RememberedAuthenticators = Authenticators & {
  /** As this replica last read it: good for a swap alone, which says whether it is still so. */
  lastSeen(name: string): Authenticator | undefined;
};

/** mfa/seals.ts: the verifier alone holds a Sealer; controller and plugin check. `holds` may throw: the key is not known yet. */
export type SealChecker = { holds(keyID: string, seal: string, preimage: Uint8Array): boolean };
export type Sealer = SealChecker & { readonly newestKeyID: string; seal(keyID: string, preimage: Uint8Array): string };

/** mfa/digest.ts, in constant time. */
export type Secrets = { opens(codeChallenge: string | undefined, codeVerifier: string): boolean };

/** mfa/totp.ts (RFC 6238: SHA-1, 6 digits, 30 s). The seed is derived anew each time and kept nowhere. */
export type Totp = {
  /** The step, of T and T-1, that the code belongs to. */
  matches(authenticator: Authenticator, code: string, now: Instant): number | undefined;
  /** What an authenticator app needs, in clear: for the holder of the ticket, until Active. */
  enrollment(authenticator: Authenticator): { readonly secret: string; readonly uri: string };
};

export type Credential = NonNullable<NonNullable<Authenticator["status"]>["webauthn"]>;
export type Evidence = NonNullable<Verification["webauthn"]>;

/** mfa/webauthn.ts (WebAuthn Level 3, sections 7.1 and 7.2). What does not hold is ProofRejected; neither throws. */
export type WebAuthn = {
  /** A new key: its user verified, its algorithm one that we take. `challenge`: the hash of enrollmentPreimage. */
  register(
    expected: { readonly challenge: Uint8Array; readonly rpId: string; readonly origins: readonly string[] },
    answer: Registration,
  ): Promise<Credential | Denial>;
  /** A key used: at the page and for the relying party that it was enrolled at. Whether its counter went on is not judged. */
  assert(
    expected: { readonly challenge: Uint8Array; readonly credential: Credential; readonly userId: string },
    answer: Assertion,
  ): Promise<{ readonly evidence: Evidence; readonly signCount: number } | Denial>;
};

/** mfa/webauthn-options.ts: what a browser is asked (sections 5.4 and 5.5). */
export type WebAuthnOptions = {
  /** The user handle of an authenticator's owner: opaque, base64url, another one for each authenticator. */
  userIdOf(authenticator: Authenticator): string;
  request(
    about: { readonly challenge: Uint8Array; readonly rpId: string },
    allowed: readonly Credential[],
  ): RequestOptions;
  creation(
    about: { readonly challenge: Uint8Array; readonly rpId: string; readonly rpName: string },
    owned: { readonly authenticator: Authenticator; readonly excluded: readonly Credential[] },
  ): CreationOptions;
};

/** Where keys are enrolled and used. */
export type RelyingParty = { readonly rpId: string; readonly origin: string };

/** Never awaited, never throws. */
export type Recorder = {
  /** Fans out to Events and log, after a write that this replica won. */
  tell(what: { readonly about: RequestKey; readonly step: Step }): void;
  /** An Event that access ends soon: one, whichever replicas tell it. */
  warn(what: { readonly about: RequestKey; readonly expiration: Instant }): void;
};

/** Never awaited, never throws. */
export type Alarm = {
  /** An Event of a proof that its owner did not make, as it seems. */
  reject(what: { readonly about: RequestKey; readonly denial: Denial }): void;
};

/** The verifier's: a line of log for each attempt, with its word and without its code. Never throws. */
export type AttemptLog = {
  tell(what: { readonly attempt: "prove" | "enroll"; readonly about: string; readonly result: string }): void;
};

/**
 * flows/protection.ts: whether admission is what was shipped. A request that was made, or could be changed, while it was
 * not may have been forged by whoever may write it, so that none of its fields is believed.
 */
export type Protection = {
  /**
   * AdmissionUnprotected, by a look that began within the last second, or after this moment where one is given. Throws
   * where no such look was answered.
   */
  refuses(request: ElevationRequest, after?: Moment): Promise<Denial | undefined>;
  /** To be told apart from what begins later. */
  moment(): Moment;
  /** The same by the last look that was answered, for what waits and has nothing to ask for. */
  remembers(request: ElevationRequest): Denial | undefined;
  /** What is wrong with admission, by the last look; undefined: nothing. */
  hole(): string | undefined;
};

/** Of a process, in ms; no time of day. */
export type Moment = number;

/** A person waits; or nobody does, and what is asked all the time should take few connections, which weigh. */
export type Pace = "all at once" | "one by one";

/** kube/admission.ts: what the install ships and every record rests on, and what is kept of it. */
export type AdmissionObjects = {
  /** Of each object that is shipped its uid and generation, which the API server alone counts; as one text, to be compared. */
  versions(pace: Pace): Promise<string>;
  /** All of them whole, with what was shipped. */
  differences(): Promise<Differences>;
  /** Tries what the policy about bindings must refuse, and leaves nothing. Undefined: refused in its words; else what was. */
  probe(): Promise<string | undefined>;
  /** ConfigMap kube-elevate-seen; undefined: there is none. */
  seen(): Promise<Stored | undefined>;
  swapSeen(before: Stored, data: Stored["data"]): Promise<Outcome>;
};

/** An Event about kube-elevate itself. Never awaited, never throws. */
export type Announcer = {
  announce(what: { readonly reason: OwnReason; readonly message: string }): void;
};

type Common = {
  readonly requests: Requests;
  readonly cluster: { readonly name: string; readonly uid: string };
  readonly digest: Digest;
  readonly clock: () => Instant; // the controller's: its own or the API server's, whichever is ahead
};
export type ControllerPorts = Common & {
  readonly bindings: Bindings;
  readonly facts: Facts;
  readonly authenticators: Pick<Authenticators, "get">;
  readonly seals: SealChecker;
  readonly protection: Protection;
  readonly recorder: Recorder;
};
export type VerifierPorts = Common & {
  readonly authenticators: RememberedAuthenticators;
  readonly sealer: Sealer;
  readonly secrets: Secrets;
  readonly totp: Totp;
  readonly webauthn: WebAuthn & WebAuthnOptions;
  /** Undefined: no page is set up, and keys are neither enrolled nor used. */
  readonly relyingParty: RelyingParty | undefined;
  /** For what it says of keys; live. */
  readonly policy: Facts["policy"];
  readonly attempts: AttemptLog;
  readonly alarm: Alarm;
};

/** The data of one Secret or ConfigMap in clear, and the version that a swap is held against. */
export type Stored = { readonly data: { readonly [key: string]: string }; readonly resourceVersion: string };

/** kube/trust.ts: the two objects that the install ships empty and the first verifier fills. Throws where one is missing. */
export type TrustStore = {
  /** Secret kube-elevate-keys; the verifier alone may read it. */
  keys(): Promise<Stored>;
  swapKeys(seen: Stored, data: Stored["data"]): Promise<Outcome>;
  /** ConfigMap kube-elevate-trust; readable by all who are logged in. */
  trust(): Promise<Stored>;
  swapTrust(seen: Stored, data: Stored["data"]): Promise<Outcome>;
};

/** What the verifier works with. Keys are texts by id; the newest id, last in the order of text, is used for what is new. */
export type Keys = {
  readonly sealKeys: ReadonlyMap<string, string>;
  /** Under the same ids: an authenticator's `status.keyID` names both, for its life. */
  readonly seedKeys: ReadonlyMap<string, string>;
  readonly endpoint: Endpoint;
};
export type Endpoint = { readonly key: string; readonly certificate: string };

/** mfa/keys.ts: makes keys and reads them again. The two that read throw at what they cannot read. */
export type KeyMaker = {
  sealKey(): string;
  seedKey(): string;
  endpoint(hosts: readonly string[], now: Instant): Promise<Endpoint>;
  /** The half of a seal key that everybody may see. */
  publicSealKey(sealKey: string): string;
  checkSeedKey(seedKey: string): void;
  /** Whether a client that reaches the endpoint as `host` would take this certificate; throws where it is not the key's. */
  serves(endpoint: Endpoint, host: string): boolean;
};

/** kube/operator.ts: tells of each open request that was made, changed or left. A hint where to look, never a fact. */
export type RequestWatch = {
  /** Resolves when the first list has been told. */
  start(onHint: (key: RequestKey, heard?: Heard) => void): Promise<void>;
  stop(): Promise<void>;
};
/** A version that was seen is no news. `left`: it is no longer among the open ones, so it has ended, or is gone. */
export type Heard = {
  readonly resourceVersion: string;
  readonly left: boolean;
  /** By name; whose turn it takes, and no more. */
  readonly requester?: string | undefined;
};
