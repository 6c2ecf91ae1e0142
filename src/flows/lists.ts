import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { RoleBinding } from "../domain/binding.ts";
import { joinLists, type Listed } from "./listed.ts";
import type { ControllerPorts } from "./ports.ts";
import type { After } from "./queue.ts";
import type { Log } from "./schedule.ts";

type Options = { readonly ports: ControllerPorts; readonly log: Log; readonly after: After };

/** A list that failed is undefined. `listed` holds what is ours to look at. */
export type Lists = {
  readonly bindings: readonly RoleBinding[] | undefined;
  readonly open: readonly ElevationRequest[] | undefined;
  readonly listed: ReadonlyMap<string, Listed>;
};

const timeoutMs = 10_000;

/** Asks for managed bindings and open requests at once; neither waits for the other, and none for ever. */
export function createLists({ ports, log, after }: Options): () => Promise<Lists> {
  let toldOf: ReadonlySet<string> = new Set();

  const answered = async <T>(what: string, answer: Promise<T>): Promise<T | undefined> => {
    let cancel: (() => void) | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      cancel = after(timeoutMs, () => reject(new Error(`no answer in ${String(timeoutMs)} ms`)));
    });
    try {
      return await Promise.race([answer, late]);
    } catch (error) {
      log.warn({ err: error, what }, "a list failed and is tried again");
      return undefined;
    } finally {
      cancel?.();
    }
  };
  /** Once each: with our label and another name it is nobody's of ours, and whoever put the label there should know. */
  const tellOf = (others: readonly string[]): void => {
    for (const binding of others)
      if (!toldOf.has(binding)) log.warn({ binding }, "a binding bears our label and not our name: it is left alone");
    toldOf = new Set(others);
  };

  return async () => {
    const [bindings, open] = await Promise.all([
      answered("managed bindings", ports.bindings.listManaged()),
      answered("open requests", ports.requests.listOpen()),
    ]);
    const joined = [...joinLists(bindings, open)];
    const isOurs = ([, { what }]: (typeof joined)[number]): boolean => !("unaccounted" in what) || what.removable;
    if (bindings !== undefined) tellOf(joined.filter((found) => !isOurs(found)).map(([id]) => id));
    return { bindings, open, listed: new Map(joined.filter(isOurs)) };
  };
}
