import { authenticator } from "../api/v1alpha1/authenticator.ts";
import { elevationPolicy } from "../api/v1alpha1/elevation-policy.ts";
import { elevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { Tell } from "./client.ts";

type Schema = { safeParse(value: unknown): { readonly success: boolean } };
type Named = { readonly metadata: { readonly name: string; readonly namespace?: string } };

/**
 * An object of ours as the API server has it, or undefined where it is not what the schema says (which a CRD that was
 * tampered with lets through): it is as if it were not there. So it gives no access, ends what hangs on it, and stops
 * no loop. What the schema does not know is kept.
 */
export type Read = <T extends Named>(found: T | undefined) => T | undefined;

export const readRequest = (tell: Tell): Read => reading("elevationrequest", elevationRequest, tell);
export const readPolicy = (tell: Tell): Read => reading("elevationpolicy", elevationPolicy, tell);
export const readAuthenticator = (tell: Tell): Read => reading("authenticator", authenticator, tell);

/** Those of a list that can be read. */
export const readAll = <T extends Named>(read: Read, found: readonly T[]): readonly T[] =>
  found.flatMap((object) => read(object) ?? []);

const reading =
  (kind: string, schema: Schema, tell: Tell): Read =>
  (found) => {
    if (found === undefined || schema.safeParse(found).success) return found;
    const { name, namespace } = found.metadata;
    tell("an object that breaks its schema is passed over", { kind, namespace, name });
    return undefined;
  };
