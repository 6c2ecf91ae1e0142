import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Call, History, Revision } from "./history.ts";
import type { Violation } from "./invariants.ts";

const prefix = "system:serviceaccount:elevate-system:";
const anyName = /^/;
type Right = { readonly verbs: readonly string[]; readonly name: RegExp };

/** All that each account writes: reviews and Events included. */
const rights: { readonly [account: string]: { readonly [resource: string]: Right } } = {
  controller: {
    "elevationrequests/status": { verbs: ["patch"], name: anyName },
    "elevationpolicies/status": { verbs: ["patch"], name: anyName },
    elevationrequests: { verbs: ["delete"], name: anyName },
    authenticators: { verbs: ["delete"], name: anyName },
    rolebindings: { verbs: ["create", "delete"], name: /^(elevate:[^:]+:[^:]+)?$/ }, // a create that is refused has no name
    selfsubjectaccessreviews: { verbs: ["create"], name: anyName },
    subjectaccessreviews: { verbs: ["create"], name: anyName },
    events: { verbs: ["create"], name: anyName },
    configmaps: { verbs: ["patch"], name: /^kube-elevate-seen$/ },
  },
  verifier: {
    "elevationrequests/status": { verbs: ["patch"], name: anyName },
    "authenticators/status": { verbs: ["patch"], name: anyName },
    secrets: { verbs: ["patch"], name: /^kube-elevate-keys$/ },
    configmaps: { verbs: ["patch"], name: /^kube-elevate-trust$/ },
    events: { verbs: ["create"], name: anyName },
  },
  sweeper: { rolebindings: { verbs: ["delete"], name: /^elevate:[^:]+:[^:]+$/ } },
};

/** I8: which calls each account of ours makes, and which fields it changes. */
export function accountsHold({ calls, revisions, unanswered }: History): readonly Violation[] {
  return [
    ...calls
      .filter((call) => !isDeclared(call))
      .map(({ user, verb, resource, name }) => `${user}: ${verb} ${resource} ${name}`),
    ...[...revisions("elevationrequests").values()].flatMap((states) => eachItsField(states, unanswered)),
  ].map((says) => ({ invariant: "I8", says }));
}

function isDeclared({ user, verb, resource, name }: Call): boolean {
  if (!user.startsWith(prefix) || ["get", "list", "watch"].includes(verb)) return true;
  const right = rights[user.slice(prefix.length)]?.[resource];
  return right !== undefined && right.verbs.includes(verb) && right.name.test(name);
}

const request = z.looseObject({
  status: z.looseObject({ verification: z.unknown().optional() }).optional(),
  spec: z.unknown().optional(),
});

function eachItsField(states: readonly Revision[], unanswered: History["unanswered"]): readonly string[] {
  return states.flatMap((state, index) => {
    const before = states[index - 1];
    if (before === undefined || !state.user.startsWith(prefix)) return [];
    // a state between these two may be missing, and its change is then not this one's
    if (
      unanswered.some(
        ({ namespace, name, to }) => namespace === state.namespace && name === state.name && to > before.from,
      )
    )
      return [];
    const [was, is] = [before, state].map(({ object }) => request.parse(object));
    const { verification: oldProof, ...oldRest } = was?.status ?? { verification: undefined };
    const { verification: newProof, ...newRest } = is?.status ?? { verification: undefined };
    const says: string[] = [];
    const who = `${state.user} changed`;
    const of = `of elevationrequest ${state.namespace}/${state.name} (revision ${String(state.revision)})`;
    if (!isDeepStrictEqual(was?.spec, is?.spec)) says.push(`${who} the spec ${of}`);
    if (state.user !== `${prefix}verifier` && !isDeepStrictEqual(oldProof, newProof))
      says.push(`${who} the verification ${of}`);
    if (state.user === `${prefix}verifier` && !isDeepStrictEqual(oldRest, newRest))
      says.push(`${who} more than the verification ${of}`);
    return says;
  });
}
