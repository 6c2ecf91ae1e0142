import * as z from "zod";

export const group = "kube-elevate.dev";
export const version = "v1alpha1";
export const apiVersion = "kube-elevate.dev/v1alpha1";

/** What zod infers, readonly all the way down; `.readonly()` would put a keyword into the CRD that it must not hold. */
export type Immutable<T> = T extends object ? { readonly [K in keyof T]: Immutable<T[K]> } : T;

/** Kubernetes' own part of an object, as far as the rules read it. */
export type Meta = {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly generation?: number;
};

export const method = z.enum(["WebAuthn", "TOTP"]);
export type Method = z.infer<typeof method>;

export const roleRef = z.object({
  kind: z.enum(["Role", "ClusterRole"]).describe("Role or ClusterRole."),
  name: z.string().min(1).max(253).describe("Name of the role."),
});
export type RoleRef = Immutable<z.infer<typeof roleRef>>;

export const text = (max: number) => z.string().max(max);
export const name = (max: number) => text(max).min(1);
/** No control or invisible characters: it is shown in terminals. The same in RE2 and, with flag u, in JavaScript. */
export const printable = text(512).regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);
/** A SHA-256 in base64url: the last of 43 characters carries 4 bits, else one hash had four spellings. */
export const codeChallenge = text(43).regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/);

// Always UTC, ending in Z: `date-time` alone takes offsets, and a time that is set once could be spelled anew.
const utc = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$/;
const gep2257 = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;
const range = (max: string) => ({
  "x-kubernetes-validations": [
    {
      rule: `duration(self) >= duration('1s') && duration(self) <= duration('${max}')`,
      message: `must be between 1s and ${max}`,
    },
  ],
});

/** A time in a spec. */
export const time = text(30).regex(utc).meta({ format: "date-time" });
/** A duration in a spec (GEP-2257), for example 30m or 1h30m. */
export const duration = text(16).regex(gep2257).meta(range("24h"));
export const timeout = text(16).regex(gep2257).meta(range("10m"));

// In a status both are text to zod, and a pattern to the API server alone: what cannot be read counts as past
// (domain/time.ts), it must not make the whole record unreadable.
export const writtenTime = text(30).meta({ format: "date-time", pattern: utc.source });
export const writtenDuration = text(16).meta({ pattern: gep2257.source });
export const writtenReason = text(64).meta({ pattern: "^[A-Z][A-Za-z0-9]*$" });

/** metav1.Condition; `types` are the kind's own. */
export const conditions = <T extends string>(types: readonly [T, ...T[]], messageMax: number) =>
  z
    .array(
      z.object({
        type: z.enum(types).describe(`One of ${types.join(", ")}.`),
        status: z.enum(["True", "False", "Unknown"]).describe("True, False or Unknown."),
        reason: writtenReason.describe("One word why."),
        message: text(messageMax).describe("A sentence why, and what to do about it."),
        lastTransitionTime: writtenTime.describe("When status last changed."),
        observedGeneration: z.int().min(0).optional().describe("The metadata.generation that this was said of."),
      }),
    )
    .max(8)
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] });
