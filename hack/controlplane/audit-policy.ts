/**
 * Every write is logged with its request and its response, so that a test can rebuild what was ever stored. Reads are
 * logged without bodies, or the log would hold each list of each informer. Bodies that carry secrets are never logged.
 */
export function auditPolicy(): string {
  return JSON.stringify({
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    omitStages: ["RequestReceived"],
    omitManagedFields: true,
    rules: [
      { level: "None", nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/openapi/*", "/version"] },
      {
        level: "Metadata",
        resources: [
          { group: "", resources: ["secrets", "serviceaccounts/token"] },
          { group: "authentication.k8s.io", resources: ["tokenreviews"] },
        ],
      },
      { level: "Metadata", verbs: ["get", "list", "watch"] },
      { level: "RequestResponse" },
    ],
  });
}
