import { connect } from "../../src/kube/client.ts";
import { lines } from "../../src/kube/lines.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";

export type Bound = {
  /** Resolves when a RoleBinding for this user was heard of. */
  for(username: string): Promise<void>;
  stop(): Promise<void>;
};

/** Watches the bindings of a namespace: it tells when it is worth asking what a user may do. */
export async function boundIn(plane: ControlPlane, namespace: string): Promise<Bound> {
  const client = connect({ kubeconfig: plane.kubeconfigs["admin"] });
  const over = new AbortController();
  const heard = new Map<string, PromiseWithResolvers<void>>();
  const of = (username: string): PromiseWithResolvers<void> => {
    const known = heard.get(username) ?? Promise.withResolvers<void>();
    heard.set(username, known);
    return known;
  };
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`;
  const bytes = await client.stream(path, { watch: "true" }, over.signal);
  const listen = async (): Promise<void> => {
    for await (const line of lines(bytes)) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an event of a watch, by the API server
      const { object } = JSON.parse(line) as { object: { subjects?: { name: string }[] } };
      for (const { name } of object.subjects ?? []) of(name).resolve();
    }
  };
  const listening = listen().catch(() => undefined); // cut by us, or the bench waits in vain and says so
  return {
    for: async (username) => of(username).promise,
    async stop() {
      over.abort();
      await listening;
      await client.close();
    },
  };
}
