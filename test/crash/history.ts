import { generateKeyPairSync } from "node:crypto";
import type { Offer, Verification } from "../../src/api/v1alpha1/elevation-request.ts";
import { sealPreimage } from "../../src/domain/challenge.ts";
import { sha256 } from "../../src/mfa/digest.ts";
import { sealer } from "../../src/mfa/seals.ts";
import { bindingBody, hex, nameOfBinding, offer } from "../contract/bodies.ts";

// A life as an audit log tells it, made by hand: each line is changed, left out or doubled by its name.

const keyID = "20261124T100000000Z";
const keys = generateKeyPairSync("ed25519");
const seals = sealer(new Map([[keyID, String(keys.privateKey.export({ type: "pkcs8", format: "pem" }))]]));
const start = Date.parse("2026-11-24T11:00:00.000Z");
/** So many seconds after the beginning. */
export const second = (seconds: number): string => new Date(start + seconds * 1_000).toISOString();
export const endOfHistory = start + 60_000;

const controller = "system:serviceaccount:elevate-system:controller";
const verifier = "system:serviceaccount:elevate-system:verifier";
const about = { namespace: "shop", name: "fix", uid: "12345678-0000" };
const spec = {
  policyName: "shop-debug",
  duration: "10s",
  requester: { username: "alice", uid: "uid-alice", groups: ["devs"] },
};
const totp = { namespace: "", name: `${hex("alice")}.totp`, uid: "totp-uid" };

type Target = { readonly namespace: string; readonly name: string; readonly uid: string };
export type Line = {
  /** In seconds. */
  readonly at: number;
  readonly user: string;
  readonly verb: string;
  readonly resource: string;
  readonly about: Target;
  readonly code?: number;
  /** All but the metadata. */
  readonly object?: { readonly [field: string]: unknown };
};
export type Told = { readonly [name: string]: Line };

const madeOffer: Offer = {
  ...offer,
  roleRef: { kind: "ClusterRole", name: "pod-debugger" },
  methods: [{ method: "TOTP", duration: "10m" }],
};
const proof: Verification = sealed(about, 5);

/** Asked, proven, bound at 4, expired at 12, closed at 13; alice tries before, meanwhile and after. */
export function goodLife(): Told {
  const pending = { phase: "Pending", reason: "AwaitingProof", offer } as const;
  const proven = { ...pending, verification: proof };
  const promised = {
    ...proven,
    phase: "Granting",
    grant: { bindingName: nameOfBinding(about), expirationTime: second(12) },
  };
  const active = { ...promised, phase: "Active", grant: { ...promised.grant, grantTime: second(5) } };
  const written = (at: number, status: object, user = controller): Line => ({
    at,
    user,
    verb: "patch",
    resource: "elevationrequests/status",
    about,
    object: { spec, status },
  });
  return {
    trust: {
      at: 0,
      user: verifier,
      verb: "patch",
      resource: "configmaps",
      about: { namespace: "elevate-system", name: "kube-elevate-trust", uid: "trust-uid" },
      object: { data: { [`seal-key.${keyID}`]: String(keys.publicKey.export({ type: "spki", format: "pem" })) } },
    },
    ask: { at: 1, user: "alice", verb: "create", resource: "elevationrequests", about, object: { spec } },
    early: read(1.2, 403),
    offer: written(1.5, pending),
    spend: spending(2, { lastTimeStep: 5, failures: { consecutive: 0, total: 3 } }),
    prove: written(2.5, proven, verifier),
    promise: written(3, promised),
    bind: bound(4, {}),
    activate: written(5, active),
    use: read(6, 404),
    unbind: { at: 12.1, user: controller, verb: "delete", resource: "rolebindings", about: binding },
    close: written(13, { ...active, phase: "Expired", reason: "Expired", endTime: second(13) }),
    late: read(14, 403),
  };
}

const read = (at: number, code: number): Line => ({
  at,
  user: "alice",
  verb: "get",
  resource: "pods",
  about: { namespace: "shop", name: "none", uid: "" },
  code,
});
const binding: Target = { namespace: "shop", name: nameOfBinding(about), uid: "binding-uid" };

/** The binding of this life; `change` as `bindingBody` takes it. */
export function bound(at: number, change: object): Line {
  const made: object = bindingBody(about, change);
  const metadata = {
    labels: { "app.kubernetes.io/managed-by": "kube-elevate", "kube-elevate.dev/request-uid": about.uid },
    annotations: { "kube-elevate.dev/expiration-time": second(12) },
  };
  return {
    at,
    user: controller,
    verb: "create",
    resource: "rolebindings",
    about: binding,
    object: { ...made, metadata },
  };
}

/** What the verifier makes of the authenticator. */
export const spending = (at: number, state: object): Line => ({
  at,
  user: verifier,
  verb: "patch",
  resource: "authenticators/status",
  about: totp,
  object: { spec: { owner: { username: "alice" } }, status: { phase: "Active", totp: state } },
});

/** A second request of alice's, proven at `timeStep`. */
export function another(at: number, timeStep: number): Line {
  const other = { ...about, name: "other", uid: "87654321-0000" };
  const status = { phase: "Pending", reason: "AwaitingProof", offer, verification: sealed(other, timeStep) };
  return {
    at,
    user: verifier,
    verb: "patch",
    resource: "elevationrequests/status",
    about: other,
    object: { spec, status },
  };
}

/** The same line, with this in its status. */
export function withStatus(line: Line | undefined, change: object, more: object = {}): Line {
  if (line === undefined) throw new Error("no such line");
  const { object = {} } = line;
  const status = typeof object["status"] === "object" ? object["status"] : {};
  return { ...line, ...more, object: { ...object, status: { ...status, ...change } } };
}

export function auditLog(told: Told): string {
  const lines = Object.values(told).toSorted((a, b) => a.at - b.at);
  return lines.map((line, index) => `${JSON.stringify(entryOf(line, index + 1))}\n`).join("");
}

function entryOf({ at, user, verb, resource, about: target, code = 200, object }: Line, revision: number): object {
  const [plural = "", subresource] = resource.split("/");
  const { namespace, name, uid } = target;
  const own = object?.["metadata"];
  const metadata = { ...(typeof own === "object" ? own : {}), ...target, resourceVersion: String(revision) };
  const answered = verb === "delete" ? { kind: "Status", details: { uid } } : object && { ...object, metadata };
  return {
    stage: "ResponseComplete",
    verb,
    requestURI: `/${resource}`,
    user: { username: user },
    objectRef: { resource: plural, subresource, namespace, name },
    responseStatus: { code },
    requestReceivedTimestamp: second(at),
    stageTimestamp: second(at + 0.01),
    ...(code >= 500 ? { requestObject: object } : { responseObject: answered }),
  };
}

function sealed(target: Target, timeStep: number): Verification {
  const unsealed = {
    method: "TOTP" as const,
    authenticator: totp.name,
    authenticatorUID: totp.uid,
    verificationTime: second(2),
    keyID,
    timeStep,
  };
  const request = { metadata: { ...target, resourceVersion: "1", creationTimestamp: second(1) }, spec };
  const seal = seals.seal(keyID, sealPreimage(sha256, request, madeOffer, unsealed));
  return { ...unsealed, seal };
}
