import { setTimeout as sleep } from "node:timers/promises";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { Requests } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import type { Hearing } from "./hearing.ts";
import { readAll, readRequest } from "./kinds.ts";
import { openRequests } from "./open-requests.ts";
import { at, ours } from "./paths.ts";
import { swapped } from "./swap.ts";

/** Without a `hearing`, `next` is polled for. */
export function createRequests(client: KubeClient, hearing: Pick<Hearing, "news"> = pausing): Requests {
  const read = readRequest(client.tell);
  const get: Requests["get"] = async (namespace, name) =>
    read(await client.get<ElevationRequest>(ours("elevationrequests", namespace), name));
  return {
    get,
    listOpen: async () =>
      readAll(read, (await client.list<ElevationRequest>(openRequests.collection, openRequests.query)).items),
    async swapStatus(seen, status) {
      const { namespace, name } = seen.metadata;
      return read(await swapped(client, `${at(ours("elevationrequests", namespace), name)}/status`, seen, { status }));
    },
    async next(seen, forMs, enough = () => true) {
      const { namespace, name, uid } = seen.metadata;
      const end = performance.now() + forMs;
      const leftMs = (): number => Math.max(0, end - performance.now());
      for (let last = seen; ; ) {
        // what is heard is for telling people; whoever decides reads
        const heard = leftMs() > 0 ? await hearing.news(last, Math.min(pollMs, leftMs()), enough) : undefined;
        const live = heard === undefined ? await get(namespace, name) : read(heard);
        if (live?.metadata.uid !== uid) return undefined;
        const isNews = live.metadata.resourceVersion !== seen.metadata.resourceVersion && enough(live);
        if (isNews || leftMs() === 0) return live;
        last = live;
      }
    },
  };
}

/** So much a watch that is frozen, or something that was not heard, costs. */
const pollMs = 500;
const pausing: Pick<Hearing, "news"> = { news: async (_seen, forMs) => sleep(forMs, undefined) };
