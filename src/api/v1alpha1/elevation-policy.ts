import * as z from "zod";
import { rule, rules } from "./cel.ts";
import { conditions, duration, type Immutable, type Meta, method, roleRef, text, timeout } from "./meta.ts";

const matchExpression = z
  .object({
    key: text(317).describe("The label."),
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]).describe("In, NotIn, Exists or DoesNotExist."),
    values: z
      .array(text(63))
      .max(32)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional()
      .describe("Of In and NotIn, which need some; the others take none."),
  })
  .meta(
    rules(
      rule(
        "In and NotIn need values; Exists and DoesNotExist take none",
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      ),
    ),
  );

const namespaceSelector = z
  .object({
    matchLabels: z
      .record(z.string(), text(63))
      .meta({ maxProperties: 16 })
      .optional()
      .describe("Labels that the namespace must have, each with this value."),
    matchExpressions: z
      .array(matchExpression)
      .max(16)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional()
      .describe("Conditions on labels, all of which must hold."),
  })
  .describe(
    "Where it may be asked for, by labels of the namespace; {} is everywhere. Namespaces kube-* and elevate-* never are.",
  );

const authentication = z
  .object({
    methods: z
      .array(method)
      .min(1)
      .max(4)
      .meta({ "x-kubernetes-list-type": "set" })
      .describe("What may be proven with: WebAuthn (a security key or passkey), TOTP (a code from an app)."),
    timeout: timeout.optional().describe("How long a request waits for its proof; 5m when left out, at most 10m."),
    totp: z
      .object({
        maxDuration: duration.optional().describe("A grant proven with TOTP lasts no longer; 15m when left out."),
      })
      .optional()
      .describe("Limits of TOTP, the weaker method: a code can be phished, and says nothing of what it is for."),
    webauthn: z
      .object({
        allowSynced: z
          .boolean()
          .optional()
          .describe("Whether a passkey that is copied between devices will do; true when left out."),
        aaguids: z
          .array(text(36).regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/))
          .max(64)
          .meta({ "x-kubernetes-list-type": "set" })
          .optional()
          .describe("The models of keys that will do; any when empty."),
      })
      .optional()
      .describe("Which security keys and passkeys will do."),
  })
  .describe("What a requester must prove with, and by when.");

const justification = z
  .object({
    required: z.boolean().optional().describe("Whether a request must say why; false when left out."),
    pattern: text(256)
      // "'x'.matches(self) || true" would not do: || absorbs the error
      .meta(rules(rule("must be an RE2 regular expression", "'x'.matches(self) in [true, false]")))
      .optional()
      .describe("RE2, searched for in the justification: a courtesy that keeps the history readable, not a wall."),
    hint: text(128).optional().describe("What people are told to write, as in INC-4312 what happens."),
  })
  .describe("What a request must say about why.");

const spec = z
  .object({
    description: text(512).optional().describe("What it is for, to whoever looks for what to ask for."),
    roleRef: roleRef.describe(
      "The role that is bound. A Role is looked up in the request's namespace. Never cluster-admin, nor kube-elevate-*; whoever writes the policy must be allowed to bind it.",
    ),
    namespaceSelector,
    duration: z
      .object({
        default: duration.describe("How long a grant lasts when the request does not say, as in 30m."),
        max: duration.describe("How long a request may ask for; at most 24h."),
      })
      .meta(rules(rule("default must not exceed max", "duration(self.default) <= duration(self.max)")))
      .describe("How long a grant lasts, when the request does not say, and at most."),
    authentication,
    justification: justification.optional(),
  })
  .describe("What may be asked for.");

const status = z
  .object({
    conditions: conditions(["Ready", "PersistenceSafe"], 4096)
      .optional()
      .describe(
        "Ready: False says why nothing can be granted, with the commands that cure it. PersistenceSafe: which rules of the role let somebody keep access after the end.",
      ),
  })
  .describe("Whether it works. Written by kube-elevate alone.");

export const elevationPolicy = z
  .object({ spec, status: status.optional() })
  .meta(rules(rule("metadata.name must be at most 63 characters", "self.metadata.name.size() <= 63")))
  .describe(
    "A role that people may ask for, where, for how long, and with which proof. Who may ask is RBAC: verb use on it, by name, in the namespace of the request. Who may end grants early: verb revoke.",
  );

export type ElevationPolicy = Immutable<z.infer<typeof elevationPolicy>> & { readonly metadata: Meta };
export type PolicyStatus = Immutable<z.infer<typeof status>>;
