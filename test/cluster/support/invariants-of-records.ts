import { isDeepStrictEqual } from "node:util";
import type { Authenticator } from "../../../src/api/v1alpha1/authenticator.ts";
import type { ElevationRequest } from "../../../src/api/v1alpha1/elevation-request.ts";
import type { History, Revision, Stored } from "./history.ts";
import type { Violation } from "./invariants.ts";

/** I4, I5, I6 and I9: what a request and an authenticator may say, one state after the other. */
export function recordsHold(history: History): readonly Violation[] {
  const requests = [...history.revisions("elevationrequests").values()];
  const authenticators = [...history.revisions("authenticators").values()];
  return [
    ...requests.flatMap((states) => [...finished(states), ...setOnce(states)]),
    ...acceptedOnce(requests),
    ...authenticators.flatMap((states) => [...usedUp(states), ...locked(states)]),
  ];
}

const terminal = ["Expired", "Released", "Revoked", "Denied", "TimedOut"];
const isTerminal = (state: Revision): boolean => terminal.includes(requestOf(state.object).status?.phase ?? "");

function finished(states: readonly Revision[]): readonly Violation[] {
  const violations: Violation[] = [];
  for (const state of states) {
    const { phase, endTime, reason } = requestOf(state.object).status ?? {};
    if (isTerminal(state) && (endTime === undefined || reason === undefined))
      violations.push({ invariant: "I6", says: `${idOf(state)} is ${String(phase)} without endTime and reason` });
    if (!isTerminal(state) && endTime !== undefined)
      violations.push({ invariant: "I6", says: `${idOf(state)} has an endTime and is ${String(phase)}` });
  }
  const end = states.find(isTerminal);
  for (const state of states) {
    if (end === undefined || state.revision <= end.revision) continue;
    const [was, now] = [requestOf(end.object), requestOf(state.object)];
    if (!isDeepStrictEqual(was.status, now.status) || !isDeepStrictEqual(was.spec, now.spec))
      violations.push({ invariant: "I6", says: `${idOf(state)} was changed after its end by ${state.user}` });
    if (state.user.startsWith("system:serviceaccount:elevate-system:"))
      violations.push({ invariant: "I9", says: `${idOf(state)} was written after its end by ${state.user}` });
  }
  return violations;
}

const onceOnly = [
  ["spec.codeChallenge", ({ spec }) => spec.codeChallenge],
  ["spec.termination", ({ spec }) => spec.termination],
  ["status.offer", ({ status }) => status?.offer],
  ["status.verification", ({ status }) => status?.verification],
  ["status.grant.bindingName", ({ status }) => status?.grant?.bindingName],
  ["status.grant.expirationTime", ({ status }) => status?.grant?.expirationTime],
  ["status.grant.grantTime", ({ status }) => status?.grant?.grantTime],
  ["status.endTime", ({ status }) => status?.endTime],
] as const satisfies readonly (readonly [string, (request: ElevationRequest) => unknown])[];

function setOnce(states: readonly Revision[]): readonly Violation[] {
  return onceOnly.flatMap(([field, read]) => {
    const set = states.findIndex(({ object }) => read(requestOf(object)) !== undefined);
    const first = states[set];
    const other = states.slice(set + 1).find(({ object }) => {
      return first !== undefined && !isDeepStrictEqual(read(requestOf(object)), read(requestOf(first.object)));
    });
    if (other === undefined) return [];
    return [{ invariant: "I6" as const, says: `${field} of ${idOf(other)} was set before, and is another now` }];
  });
}

function acceptedOnce(requests: readonly (readonly Revision[])[]): readonly Violation[] {
  const violations: Violation[] = [];
  const taken = new Map<string, Revision>();
  for (const states of requests) {
    const proofs = states.flatMap((state) => {
      const verification = requestOf(state.object).status?.verification;
      return verification === undefined ? [] : [{ state, verification }];
    });
    const [first] = proofs;
    if (first === undefined) continue;
    const again = proofs.find(({ verification }) => !isDeepStrictEqual(verification, first.verification));
    if (again !== undefined)
      violations.push({ invariant: "I4", says: `${idOf(again.state)} was proven a second time` });
    const { authenticatorUID, timeStep } = first.verification;
    if (timeStep === undefined) continue;
    const step = `${authenticatorUID} ${String(timeStep)}`;
    const other = taken.get(step);
    if (other !== undefined)
      violations.push({
        invariant: "I4",
        says: `time step ${String(timeStep)} proved ${idOf(other)} and ${idOf(first.state)}`,
      });
    taken.set(step, first.state);
  }
  return violations;
}

/** A step that was taken is the newest: so whoever lowers the counter makes an old code good again. */
function usedUp(states: readonly Revision[]): readonly Violation[] {
  return states.flatMap((state, index) => {
    const before = states[index - 1];
    const [was, is] = [before, state].map((at) => at && authenticatorOf(at.object).status?.totp?.lastTimeStep);
    if (was === undefined || (is !== undefined && is >= was)) return [];
    return [{ invariant: "I4" as const, says: `${idOf(state)} went back from time step ${String(was)}` }];
  });
}

function locked(states: readonly Revision[]): readonly Violation[] {
  return states.flatMap((state): readonly Violation[] => {
    const { consecutive = 0, total = 0, lockedUntilTime } = authenticatorOf(state.object).status?.totp?.failures ?? {};
    const says: string[] = [];
    if (consecutive >= 10 && lockedUntilTime === undefined)
      says.push(`${idOf(state)} has ${String(consecutive)} wrong codes running and no lock`);
    if (total > 100) says.push(`${idOf(state)} has ${String(total)} wrong codes`);
    return says.map((text) => ({ invariant: "I5", says: text }));
  });
}

const idOf = ({ resource, namespace, name, revision }: Revision): string =>
  `${resource.replace(/s(\/.*)?$/, "")} ${namespace === "" ? "" : `${namespace}/`}${name} (revision ${String(revision)})`;

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
const requestOf = (object: Stored): ElevationRequest => object as unknown as ElevationRequest;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
const authenticatorOf = (object: Stored): Authenticator => object as unknown as Authenticator;
