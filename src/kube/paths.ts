import { group, version } from "../api/v1alpha1/meta.ts";

type OurPlural = "elevationrequests" | "elevationpolicies" | "authenticators";

/** Where a kind is listed, in one namespace or in all. */
export const ours = (plural: OurPlural, namespace?: string): string =>
  of(`/apis/${group}/${version}`, plural, namespace);
export const core = (plural: "namespaces" | "secrets" | "configmaps", namespace?: string): string =>
  of("/api/v1", plural, namespace);
export const rbac = (plural: "roles" | "clusterroles" | "rolebindings", namespace?: string): string =>
  of("/apis/rbac.authorization.k8s.io/v1", plural, namespace);
export const admission = (plural: `${"validating" | "mutating"}admission${"policies" | "policybindings"}`): string =>
  of("/apis/admissionregistration.k8s.io/v1", plural);
export const kinds = (): string => of("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions");
export const events = (namespace: string): string => of("/apis/events.k8s.io/v1", "events", namespace);
export const reviews = (plural: "subjectaccessreviews" | "selfsubjectaccessreviews"): string =>
  of("/apis/authorization.k8s.io/v1", plural);

/** One object of a collection. */
export const at = (collection: string, name: string): string => `${collection}/${segment(name)}`;

/** Whether an object can have this name; the API server reads `/` even when it is escaped, and "" is the collection. */
export const isName = (name: string): boolean => name !== "" && name !== "." && name !== ".." && !/[/%]/.test(name);

const of = (api: string, plural: string, namespace?: string): string =>
  namespace === undefined ? `${api}/${plural}` : `${api}/namespaces/${segment(namespace)}/${plural}`;

function segment(name: string): string {
  if (!isName(name)) throw new Error(`no object can be named ${JSON.stringify(name)}`);
  return encodeURIComponent(name);
}
