import { setTimeout as sleep } from "node:timers/promises";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { Requests } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { readAll, readRequest } from "./kinds.ts";
import { lines } from "./lines.ts";
import { openRequests } from "./open-requests.ts";
import { at, ours } from "./paths.ts";
import { swapped } from "./swap.ts";

export function createRequests(client: KubeClient): Requests {
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
    async next(seen, forMs) {
      const { namespace, name, uid, resourceVersion } = seen.metadata;
      const end = performance.now() + forMs;
      const leftMs = (): number => Math.max(0, end - performance.now());
      for (;;) {
        if (leftMs() > 0) await untilHint(client, seen, leftMs());
        const live = await get(namespace, name); // a watch hints; what is true a live read says
        if (live?.metadata.uid !== uid) return undefined;
        if (live.metadata.resourceVersion !== resourceVersion || leftMs() === 0) return live;
        await sleep(Math.min(pauseMs, leftMs()));
      }
    },
  };
}

const pauseMs = 250; // where the watch ended early or was refused

/** Watches this one object. Resolves at the first line, at the end of the watch or of `forMs`, and at any failure. */
async function untilHint(client: KubeClient, { metadata }: ElevationRequest, forMs: number): Promise<void> {
  const { namespace, name, resourceVersion } = metadata;
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), forMs);
  const query = {
    watch: "true",
    fieldSelector: `metadata.name=${name}`,
    resourceVersion,
    timeoutSeconds: String(Math.ceil(forMs / 1000) + 1),
  };
  try {
    const heard = lines(await client.stream(ours("elevationrequests", namespace), query, over.signal));
    await heard.next();
  } catch (error) {
    if (!over.signal.aborted) client.tell("a request is polled, its watch failed", { namespace, name, err: error });
  } finally {
    clearTimeout(timer);
    over.abort(); // closes the connection, which nobody else would
  }
}
