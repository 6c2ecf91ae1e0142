import type { z } from "zod";
import { authenticator } from "../../src/api/v1alpha1/authenticator.ts";
import { elevationPolicy } from "../../src/api/v1alpha1/elevation-policy.ts";
import { elevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";

/** What a CRD says of a kind beside its schema. */
export type Kind = {
  readonly kind: string;
  readonly plural: string;
  readonly scope: "Namespaced" | "Cluster";
  readonly shortNames: readonly string[];
  readonly schema: z.ZodType;
  readonly selectable: readonly string[];
  readonly columns: readonly Column[];
};
/** Wide ones are printed with -o wide alone. */
type Column = readonly [name: string, jsonPath: string, type?: "string" | "date" | "boolean", wide?: "wide"];

const condition = (type: string, field: string): string => `.status.conditions[?(@.type=="${type}")].${field}`;
const age: Column = ["Age", ".metadata.creationTimestamp", "date"];

// Times are printed as strings: type date prints <invalid> for the future.
export const kinds: readonly Kind[] = [
  {
    kind: "ElevationRequest",
    plural: "elevationrequests",
    scope: "Namespaced",
    shortNames: ["elev"],
    schema: elevationRequest,
    selectable: [".spec.requester.username", ".spec.policyName", ".status.phase"],
    columns: [
      ["Requester", ".spec.requester.username"],
      ["Role", ".status.offer.roleRef.name"],
      ["Phase", ".status.phase"],
      ["Expires", ".status.grant.expirationTime"],
      age,
      ["Policy", ".spec.policyName", "string", "wide"],
      ["Method", ".status.verification.method", "string", "wide"],
      ["Granted", ".status.grant.grantTime", "string", "wide"],
      ["Ended", ".status.endTime", "string", "wide"],
      ["Ended-By", ".spec.termination.by", "string", "wide"],
      ["Reason", ".status.reason", "string", "wide"],
      ["Justification", ".spec.justification", "string", "wide"],
    ],
  },
  {
    kind: "ElevationPolicy",
    plural: "elevationpolicies",
    scope: "Cluster",
    shortNames: ["elevpol"],
    schema: elevationPolicy,
    selectable: [],
    columns: [
      ["Role", ".spec.roleRef.name"],
      ["Max", ".spec.duration.max"],
      ["Methods", ".spec.authentication.methods"],
      ["Ready", condition("Ready", "status")],
      age,
      ["Reason", condition("Ready", "reason"), "string", "wide"],
      ["Persistence-Safe", condition("PersistenceSafe", "status"), "string", "wide"],
      ["Description", ".spec.description", "string", "wide"],
    ],
  },
  {
    kind: "Authenticator",
    plural: "authenticators",
    scope: "Cluster",
    shortNames: [],
    schema: authenticator,
    selectable: [".spec.owner.username"],
    columns: [
      ["Owner", ".spec.owner.username"],
      ["Method", ".spec.method"],
      ["Phase", ".status.phase"],
      ["Disabled", ".spec.disabled", "boolean"],
      ["Last-Used", ".status.lastUsedTime", "date"],
      age,
      ["Invited-By", ".spec.invitedBy", "string", "wide"],
      ["Expires", ".spec.expirationTime", "string", "wide"],
    ],
  },
];
