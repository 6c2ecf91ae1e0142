import type { RoleBinding } from "../domain/binding.ts";
import { isOverdue } from "../domain/overdue.ts";
import type { Instant } from "../domain/time.ts";
import type { SweptBindings } from "./ports.ts";
import type { Log } from "./schedule.ts";

type Options = { readonly bindings: SweptBindings; readonly clock: () => Instant; readonly log: Log };

const atOnce = 16;

/**
 * One pass over all RoleBindings of the cluster: what is overdue by itself alone is deleted. It reads no request, so no
 * record is closed: that is the controller's, when it is back. True when a second list no longer holds any of them. The
 * answer to DELETE does not say that (a finalizer keeps a binding, and RBAC honours it), and a sweeper may read no single one.
 */
export async function sweep({ bindings, clock, log }: Options): Promise<boolean> {
  const all = await bindings.listAll();
  const overdue = all.filter((binding) => isOverdue(binding, clock())); // the list has told what time the API server has
  if (overdue.length === 0) {
    log.info({ looked: all.length }, "no binding is overdue");
    return true;
  }
  const waiting = [...overdue];
  const work = async (): Promise<void> => {
    for (let binding = waiting.shift(); binding !== undefined; binding = waiting.shift())
      await end(bindings, binding, log);
  };
  await Promise.all(Array.from({ length: atOnce }, work));

  const left = new Set((await bindings.listAll()).map(({ metadata }) => metadata.uid));
  for (const binding of overdue)
    if (left.has(binding.metadata.uid)) log.warn(told(binding), "an overdue binding is still there");
    else log.info(told(binding), "an overdue binding is gone");
  return overdue.every(({ metadata }) => !left.has(metadata.uid));
}

/** One that cannot be deleted holds up no other. */
async function end(bindings: SweptBindings, binding: RoleBinding, log: Log): Promise<void> {
  try {
    await bindings.remove(binding);
  } catch (error) {
    log.warn({ err: error, ...told(binding) }, "an overdue binding could not be deleted");
  }
}

const told = ({ metadata }: RoleBinding): object => ({
  namespace: metadata.namespace,
  binding: metadata.name,
  uid: metadata.uid,
  expirationTime: metadata.annotations?.["kube-elevate.dev/expiration-time"],
});
