import { writeFile } from "node:fs/promises";

/** Writes a kubeconfig for one bearer token, readable by its owner alone. */
export async function writeKubeconfig(path: string, server: string, caFile: string, token: string): Promise<void> {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "controlplane",
    contexts: [{ name: "controlplane", context: { cluster: "controlplane", user: "user" } }],
    clusters: [{ name: "controlplane", cluster: { server, "certificate-authority": caFile } }],
    users: [{ name: "user", user: { token } }],
  };
  await writeFile(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}
