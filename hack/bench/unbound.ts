import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/kube/client.ts";
import { lines } from "../../src/kube/lines.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";

export type Unbound = {
  /** When each of these bindings, as namespace/name, was heard to be gone; resolves when all are. */
  times(names: readonly string[]): Promise<readonly number[]>;
  /** What was heard until now is about others of the same names. */
  forget(): void;
  stop(): Promise<void>;
};

/** Watches managed bindings in all namespaces, and keeps when each went. */
export async function unboundIn(plane: ControlPlane): Promise<Unbound> {
  const client = connect({ kubeconfig: plane.kubeconfigs["admin"] });
  const over = new AbortController();
  const gone = new Map<string, number>();
  const query = { watch: "true", labelSelector: "app.kubernetes.io/managed-by=kube-elevate" };
  const bytes = await client.stream("/apis/rbac.authorization.k8s.io/v1/rolebindings", query, over.signal);
  const listen = async (): Promise<void> => {
    for await (const line of lines(bytes)) {
      if (!line.startsWith('{"type":"DELETED"')) continue; // thousands at once: only what is looked for is parsed
      const [, name = ""] = /"name":"(elevate:[^"]+)"/.exec(line) ?? [];
      const [, namespace = ""] = /"namespace":"([^"]+)"/.exec(line) ?? [];
      gone.set(`${namespace}/${name}`, Date.now());
    }
  };
  const listening = listen().catch(() => undefined); // cut by us, or the bench waits in vain and says so
  return {
    async times(names) {
      const begun = Date.now();
      while (!names.every((name) => gone.has(name))) {
        if (Date.now() - begun > 120_000) throw new Error("some are still bound");
        await sleep(100); // the times are kept as they are heard
      }
      return names.map((name) => gone.get(name) ?? Number.NaN);
    },
    forget: () => gone.clear(),
    async stop() {
      over.abort();
      await listening;
      await client.close();
    },
  };
}
