import { sweep } from "../flows/sweep.ts";
import { createSweptBindings } from "../kube/bindings.ts";
import { connect } from "../kube/client.ts";
import type { Log } from "../ops/log.ts";
import type { Settings } from "../settings.ts";

type Context = { readonly log: Log; readonly signal: AbortSignal };

/** One pass, then it resolves. Rejects where something that is overdue may be left: whoever runs it sees that by its end. */
export async function run(settings: Settings, { log, signal }: Context): Promise<void> {
  const client = connect({ kubeconfig: settings.kubeconfig, tell: (message, fields) => log.warn(fields, message) });
  const stopped = new Promise<never>((_resolve, reject) => {
    const stop = (): void => reject(new Error("told to stop before the pass was done"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    const pass = sweep({ bindings: createSweptBindings(client), clock: () => client.now(), log });
    if (!(await Promise.race([pass, stopped]))) throw new Error("bindings that are overdue are still there");
  } finally {
    await client.close();
  }
}
