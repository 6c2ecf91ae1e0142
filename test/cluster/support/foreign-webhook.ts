import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { instant } from "../../../src/domain/time.ts";
import { selfSigned } from "../../../src/mfa/certificate.ts";

/** Somebody else's admission webhook: it refuses what it is asked about, or never answers. */
export interface ForeignWebhook {
  /** How often it was asked. */
  readonly asked: () => number;
  /** A configuration that asks it about each DELETE of a RoleBinding in this namespace; it is dead or alive: Fail. */
  configuration(name: string, namespace: string, timeoutSeconds: number): object;
  close(): void;
}

const review = z.object({ request: z.object({ uid: z.string() }) });

export async function startForeignWebhook(answers: "refuses" | "hangs"): Promise<ForeignWebhook> {
  const { key, certificate } = await selfSigned(["127.0.0.1"], instant(Date.now()));
  let count = 0;
  const server = createServer({ key, cert: certificate }, (request, response) => {
    count += 1;
    if (answers === "hangs") return;
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => (text += part));
    request.on("end", () => {
      const { uid } = review.parse(JSON.parse(text)).request;
      const status = { message: "role bindings are kept for the audit" };
      const body = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ ...body, response: { uid, allowed: false, status } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const { port } = server.address() as AddressInfo;
  return {
    asked: () => count,
    configuration: (name, namespace, timeoutSeconds) => ({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name },
      webhooks: [
        {
          name: `${name}.example.com`,
          clientConfig: {
            url: `https://127.0.0.1:${String(port)}/`,
            caBundle: Buffer.from(certificate).toString("base64"),
          },
          rules: [
            {
              apiGroups: ["rbac.authorization.k8s.io"],
              apiVersions: ["*"],
              operations: ["DELETE"],
              resources: ["rolebindings"],
            },
          ],
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          failurePolicy: "Fail",
          sideEffects: "None",
          admissionReviewVersions: ["v1"],
          timeoutSeconds,
        },
      ],
    }),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
