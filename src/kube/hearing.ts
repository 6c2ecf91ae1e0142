import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import type { KubeClient } from "./client.ts";
import { openRequests } from "./open-requests.ts";
import { type Named, watch } from "./watch.ts";

export type Hearing = {
  /**
   * The request as it is heard to be, newer than `seen` and as `enough` wants it. Undefined: it is time to look, since
   * `forMs` have passed, or it is open no more, or something was heard before.
   */
  news(
    seen: ElevationRequest,
    forMs: number,
    enough: (heard: ElevationRequest) => boolean,
  ): Promise<ElevationRequest | undefined>;
  stop(): Promise<void>;
};

/**
 * Listens to all open requests over one connection, for those who wait for one of them: a watch for each who waits would
 * cost a TLS handshake while the controller is at work. Of a request it keeps the version it was last heard of with.
 */
export function hearRequests(client: Pick<KubeClient, "list" | "stream" | "tell">): Hearing {
  const versions = new Map<string, string>();
  const waiting = new Map<string, Set<(heard: Named | undefined) => void>>();
  const watching = watch(client, {
    ...openRequests,
    onEvent({ type, object }) {
      const { uid, resourceVersion } = object.metadata;
      if (type === "DELETED") versions.delete(uid);
      else versions.set(uid, resourceVersion);
      for (const tell of waiting.get(uid) ?? []) tell(type === "DELETED" ? undefined : object);
    },
  });
  return {
    async news({ metadata: { uid, resourceVersion } }, forMs, enough) {
      const isNewer = (version: string | undefined): boolean => Number(version) > Number(resourceVersion);
      if (isNewer(versions.get(uid))) return undefined; // told before anybody waited
      const tellers = waiting.get(uid) ?? new Set();
      waiting.set(uid, tellers);
      return new Promise((resolve) => {
        const done = (news?: ElevationRequest): void => {
          clearTimeout(timer);
          tellers.delete(tell);
          if (tellers.size === 0) waiting.delete(uid);
          resolve(news);
        };
        const tell = (heard: Named | undefined): void => {
          if (heard === undefined) return done();
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API server's object; who goes on with it parses it
          const request = heard as ElevationRequest;
          if (isNewer(request.metadata.resourceVersion) && enough(request)) done(request);
        };
        const timer = setTimeout(done, forMs);
        tellers.add(tell);
      });
    },
    stop: async () => watching.stop(),
  };
}
