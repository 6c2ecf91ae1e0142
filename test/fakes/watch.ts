import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import type { Heard, RequestKey, RequestWatch } from "../../src/flows/ports.ts";

type Store = {
  list(): Promise<readonly ElevationRequest[]>;
  get(name: string): Promise<ElevationRequest | undefined>;
  watch(watcher: (name: string) => void): () => void;
};

/** Tells of every change at once, or, frozen, of none, without an error. */
export function fakeWatch(requests: Store): RequestWatch & { frozen: boolean } {
  const known = new Map<string, RequestKey>();
  let off: (() => void) | undefined;
  const watch = {
    frozen: false,
    async start(onHint: (key: RequestKey, heard?: Heard) => void) {
      const tell = async (name: string): Promise<void> => {
        const found = await requests.get(name);
        const key = found === undefined ? known.get(name) : keyOf(found);
        if (key !== undefined) known.set(name, key);
        const left = found?.status?.endTime !== undefined;
        const requester = found?.spec.requester.username;
        const heard = found && { resourceVersion: found.metadata.resourceVersion, left, requester };
        if (key !== undefined && !watch.frozen) onHint(key, heard);
      };
      off = requests.watch((name) => void tell(name));
      for (const request of await requests.list()) await tell(request.metadata.name);
    },
    async stop() {
      off?.();
    },
  };
  return watch;
}

const keyOf = ({ metadata: { namespace, name, uid } }: ElevationRequest): RequestKey => ({ namespace, name, uid });
