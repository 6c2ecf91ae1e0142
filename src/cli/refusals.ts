import type { ElevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import { type RefusalReason, refusalReasons } from "../api/v1alpha1/reasons.ts";
import { parseDurationMs } from "../domain/time.ts";
import { denied, type Failure, KubectlFailure } from "./errors.ts";

// Admission refuses at `kubectl create`, and begins with its word. Here it is said for a person who typed a command.

export type Wish = {
  readonly policy: ElevationPolicy;
  readonly namespace: string;
  readonly duration: string | undefined;
  /** The command that lists what may be asked for. */
  readonly policies: string;
};

/** The refusal in an error of kubectl, if it is one of ours. When several rules refuse, the server tells any one. */
export function refusalIn(error: unknown, wish: Wish): Failure | undefined {
  if (!(error instanceof KubectlFailure)) return undefined;
  const refused = wordOf(error.message);
  if (refused !== undefined) {
    const { reason, message } = refused;
    // Where several rules refuse, the server tells any one of them; that it is so under every policy is worth more.
    const anywhere = namespaceWords.has(reason) && /^(kube|elevate)-/.test(wish.namespace);
    const told = anywhere ? "NamespaceNotAllowed" : reason;
    return denied(told, sentence({ reason: told, message }, wish));
  }
  // Beyond what any policy may allow the CRD speaks first, in words of its own.
  const max = parseDurationMs(wish.policy.spec.duration.max) ?? Number.POSITIVE_INFINITY;
  const tooLong = wish.duration !== undefined && (parseDurationMs(wish.duration) ?? 0) > max;
  return tooLong && error.message.includes("spec.duration")
    ? denied("DurationTooLong", sentence({ reason: "DurationTooLong", message: "" }, wish))
    : undefined;
}

const namespaceWords: ReadonlySet<string> = new Set(["NamespaceNotSelected", "UseNotPermitted"]);

type Refusal = { readonly reason: RefusalReason; readonly message: string };

/** `... denied request: WORD: sentence`; what comes from another admission policy bears no word of ours. */
export function wordOf(text: string): Refusal | undefined {
  const [, word = "", message = ""] = /denied request: (\w+): ([^]*)$/.exec(text) ?? [];
  const reason = refusalReasons.find((known) => known === word);
  return reason === undefined ? undefined : { reason, message: message.trim() };
}

function sentence({ reason, message }: Refusal, wish: Wish): string {
  return sentences[reason]?.(wish) ?? message;
}

/** Undefined: admission's own words will do. */
const sentences: { readonly [reason: string]: (wish: Wish) => string | undefined } = {
  DurationTooLong: ({ policy, duration }) => {
    const { max } = policy.spec.duration;
    if (duration === undefined) return undefined;
    return `${policy.metadata.name} lasts at most ${max}; you asked for ${duration}. Try --duration ${max}`;
  },
  JustificationMismatch: ({ policy }) => {
    const { pattern, hint = "" } = policy.spec.justification ?? {};
    const like = hint === "" ? "" : ` like "${hint}"`;
    if (pattern === undefined) return undefined;
    return `${policy.metadata.name} wants a justification${like}\n  (pattern ${pattern})`;
  },
  JustificationRequired: ({ policy }) => {
    const { hint = "what happens" } = policy.spec.justification ?? {};
    return `${policy.metadata.name} wants a justification. Say why: -j "${hint}"`;
  },
  UseNotPermitted: ({ policy, namespace, policies }) =>
    `you may not use policy ${policy.metadata.name} in namespace ${namespace}.\n  What you may use: ${policies}`,
  NamespaceNotAllowed: ({ namespace }) => `no elevation in namespace ${namespace}, by any policy`,
  NamespaceNotSelected: ({ policy, namespace, policies }) =>
    `${policy.metadata.name} is not for namespace ${namespace}.\n  What you may use: ${policies}`,
};
