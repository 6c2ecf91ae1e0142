import { z } from "zod";
import type { ElevationRequest } from "../../../src/api/v1alpha1/elevation-request.ts";
import { bindingName, type RoleBinding } from "../../../src/domain/binding.ts";
import { sealPreimage } from "../../../src/domain/challenge.ts";
import { parseInstant } from "../../../src/domain/time.ts";
import { sha256 } from "../../../src/mfa/digest.ts";
import { sealChecker } from "../../../src/mfa/seals.ts";
import type { Call, History, Revision, Stored } from "./history.ts";
import type { Violation } from "./invariants.ts";

export type AccessOptions = {
  /** When a process was dead that would have ended something in this namespace; none: in all of them. */
  readonly downs?: readonly { readonly namespace?: string; readonly from: number; readonly to: number }[];
  /** Namespaces where a binding was made by a write that a test held back until its request had ended. */
  readonly lateIn?: readonly string[];
  /** Until when the history is looked at: by default until now. */
  readonly now?: number;
};

const graceMs = 5_000;
const cacheMs = 1_000; // an API server's authorizer hears of it a little after a binding is gone: 0.3 s when it is overrun

type Binding = {
  readonly first: Revision;
  readonly states: readonly Revision[];
  readonly gone: { readonly from: number; readonly to: number } | undefined;
  readonly requests: readonly Revision[];
};

/** I1, I2, I3, I9 and I10: who had access, by what right, and how long. */
export function accessHolds(history: History, options: AccessOptions): readonly Violation[] {
  const requests = history.revisions("elevationrequests");
  const bindings = [...history.revisions("rolebindings").entries()].flatMap(([uid, states]): Binding[] => {
    const [first] = states;
    if (first === undefined || !isManaged(first)) return [];
    const owner = bindingOf(first.object).metadata.labels?.["kube-elevate.dev/request-uid"] ?? "";
    return [{ first, states, gone: history.removals.get(uid), requests: requests.get(owner) ?? [] }];
  });
  const holds = sealHolds(history);
  return [
    ...bindings.flatMap((binding) => [
      ...rightful(binding, holds, history.unanswered),
      ...timely(binding, options),
      ...exact(binding),
    ]),
    ...settled(history, bindings),
    ...felt(history, bindings),
  ];
}

const promise = z.looseObject({
  status: z.looseObject({ phase: z.literal("Granting"), grant: z.looseObject({ expirationTime: z.string() }) }),
});
const isPromise = (object: unknown): boolean =>
  parseInstant(promise.safeParse(object).data?.status.grant.expirationTime) > 0;

function rightful(
  { first, requests }: Binding,
  holds: (request: ElevationRequest) => boolean,
  unanswered: History["unanswered"],
): readonly Violation[] {
  // whoever wrote it may have been killed before it was answered: then the log has what was asked for alone
  const asked = unanswered.some(
    ({ resource, namespace, name, body, from }) =>
      resource === "elevationrequests/status" &&
      namespace === first.namespace &&
      name === requests[0]?.name &&
      from < first.from &&
      isPromise(body),
  );
  const promised = requests.some(
    ({ revision, object }) => revision < first.revision && (asked || isPromise(object)) && holds(requestOf(object)),
  );
  const says = `${idOf(first)} was made by ${first.user} without an earlier Granting that has an expirationTime and a good seal`;
  return promised ? [] : [{ invariant: "I1", says }];
}

function timely(
  { first, gone, requests }: Binding,
  { downs = [], lateIn = [], now = Date.now() }: AccessOptions,
): Violation[] {
  const expiration = parseInstant(bindingOf(first.object).metadata.annotations?.["kube-elevate.dev/expiration-time"]);
  let due = Math.max(expiration, first.from) + graceMs;
  for (const { namespace = first.namespace, from, to } of downs.toSorted((a, b) => a.from - b.from))
    if (namespace === first.namespace && from < due && to > expiration) due = Math.max(due, to + graceMs);
  const end = requests.find(({ object }) => requestOf(object).status?.endTime !== undefined);
  const says: string[] = [];
  if ((gone?.to ?? now) > due)
    says.push(`${idOf(first)} was there ${String((gone?.to ?? now) - expiration)} ms after its expirationTime`);
  // what came late was not there to be taken away before: for it the time begins when it is made
  const isLate = end !== undefined && first.revision > end.revision && lateIn.includes(first.namespace);
  // one replica's create and another's end may cross, but only before the create is followed by Active
  const active = requests.some(({ object }) => requestOf(object).status?.phase === "Active");
  const outlived =
    end !== undefined && (active ? (gone?.from ?? now) > end.from : (gone?.to ?? now) > end.to + graceMs);
  if (isLate && (gone?.to ?? now) > first.to + graceMs)
    says.push(`${idOf(first)} came late and was there for ${String((gone?.to ?? now) - first.to)} ms`);
  if (outlived && !isLate) says.push(`${idOf(first)} outlived its request, which ended at ${iso(end.from)}`);
  return says.map((text) => ({ invariant: "I2", says: text }));
}

function exact({ states, requests }: Binding): readonly Violation[] {
  return states.flatMap((state): readonly Violation[] => {
    const { metadata, subjects, roleRef } = bindingOf(state.object);
    const request = requests.findLast(({ revision }) => revision <= state.revision);
    const { metadata: about, spec, status } = request === undefined ? {} : requestOf(request.object);
    const user = { kind: "User", apiGroup: rbac, name: spec?.requester.username };
    const role = { kind: status?.offer?.roleRef.kind, name: status?.offer?.roleRef.name };
    const wanted = [about === undefined ? "" : bindingName(about), about?.namespace, [user], role];
    const given = subjects?.map(({ kind, apiGroup, name, ...more }) => ({ kind, apiGroup, name, ...more }));
    const found = [metadata.name, metadata.namespace, given, { kind: roleRef?.kind, name: roleRef?.name }];
    if (JSON.stringify(found) === JSON.stringify(wanted)) return [];
    return [{ invariant: "I3", says: `${idOf(state)} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}` }];
  });
}

/** At the end of the history: who has access is recorded as Active, and who is recorded as Active has access. */
function settled({ revisions, removals, unanswered }: History, bindings: readonly Binding[]): readonly Violation[] {
  const left = bindings.filter(({ gone }) => gone === undefined);
  const active = [...revisions("elevationrequests")].flatMap(([uid, states]) => {
    const last = states.at(-1);
    const isActive = last !== undefined && requestOf(last.object).status?.phase === "Active" && !removals.has(uid);
    return isActive ? [last] : [];
  });
  // whoever wrote its end may have been killed before it was answered: then the log does not hold what was written
  const mayHaveEnded = ({ namespace, name, from }: Revision): boolean =>
    unanswered.some(
      (call) =>
        call.resource === "elevationrequests" && call.namespace === namespace && call.name === name && call.to > from,
    );
  const unrecorded = left.filter(({ requests }) => !active.some(({ uid }) => uid === requests.at(-1)?.uid));
  const unbound = active.filter(
    (request) => !left.some(({ requests }) => requests.at(-1)?.uid === request.uid) && !mayHaveEnded(request),
  );
  return [
    ...unrecorded.map(({ first }) => `${idOf(first)} is left, and its request is not Active`),
    ...unbound.map((request) => `${idOf(request)} is left Active, without a binding`),
  ].map((says) => ({ invariant: "I9", says }));
}

/** Calls that the grant is for, and that nobody else may make: those on Pods by who has asked for access there. */
function felt({ calls, revisions, unanswered }: History, bindings: readonly Binding[]): readonly Violation[] {
  const requesters = new Set(
    [...revisions("elevationrequests").values()].flatMap(([first]) =>
      first === undefined ? [] : [`${first.namespace} ${requestOf(first.object).spec.requester.username}`],
    ),
  );
  // one that was made though its maker hung up; from when to when is not told, only by its next DELETE that is answered
  const mayBe = unanswered.flatMap(({ namespace, resource, verb, body, from }) => {
    if (resource !== "rolebindings" || verb !== "create") return [];
    const { metadata, subjects } = unmade.parse(body);
    const isIts = (call: Call): boolean =>
      call.resource === resource && call.namespace === namespace && call.name === metadata.name && call.from > from;
    const gone = calls.find((call) => isIts(call) && call.verb === "delete" && call.code < 500);
    return [{ namespace, user: subjects[0]?.name, from, to: gone?.to ?? Infinity }];
  });
  return calls.flatMap(({ user, namespace, resource, code, from, to, verb }): readonly Violation[] => {
    const within = (one: { readonly from: number; readonly to: number }): boolean =>
      one.from <= to && from <= one.to + cacheMs; // it was judged at some time from its arrival to its answer
    if (mayBe.some((one) => one.namespace === namespace && one.user === user && within(one))) return [];
    if (!/^pods(\/|$)/.test(resource) || code === 401 || code === 403 || code >= 500) return [];
    if (!requesters.has(`${namespace} ${user}`)) return [];
    const rightly = bindings.some(
      ({ first, gone }) =>
        first.namespace === namespace &&
        bindingOf(first.object).subjects?.[0]?.name === user &&
        within({ from: first.from, to: gone?.to ?? Infinity }),
    );
    const says = `${user} got through with ${verb} ${resource} in ${namespace} at ${iso(from)}, without a binding`;
    return rightly ? [] : [{ invariant: "I10", says }];
  });
}

const rbac = "rbac.authorization.k8s.io";
const iso = (time: number): string => new Date(time).toISOString();
const idOf = ({ resource, namespace, name, revision }: Revision): string =>
  `${resource.replace(/s(\/.*)?$/, "")} ${namespace}/${name} (revision ${String(revision)})`;

const isManaged = ({ name, object }: Revision): boolean =>
  name.startsWith("elevate:") || bindingOf(object).metadata.labels?.["app.kubernetes.io/managed-by"] === "kube-elevate";

/** Public halves as the trust ConfigMap ever told them. */
function sealHolds({ revisions }: History): (request: ElevationRequest) => boolean {
  const keys = new Map<string, string>();
  for (const states of revisions("configmaps").values())
    for (const { name, object } of states)
      if (name === "kube-elevate-trust")
        for (const [key, value] of Object.entries(trustData.catch({ data: {} }).parse(object).data))
          if (key.startsWith("seal-key.")) keys.set(key.slice("seal-key.".length), value);
  const checker = sealChecker(keys);
  return (request) => {
    const { offer, verification } = request.status ?? {};
    if (offer === undefined || verification === undefined) return false;
    const preimage = sealPreimage(sha256, request, offer, verification);
    return checker.holds(verification.keyID, verification.seal, preimage);
  };
}

const unmade = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  subjects: z.array(z.looseObject({ name: z.string() })),
});
const trustData = z.looseObject({ data: z.record(z.string(), z.string()) });

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
const requestOf = (object: Stored): ElevationRequest => object as unknown as ElevationRequest;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
const bindingOf = (object: Stored): RoleBinding => object as unknown as RoleBinding;
