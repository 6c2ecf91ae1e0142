import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, apiErrorOf } from "./api-error.ts";
import type { KubeClient, Query } from "./client.ts";
import { lines } from "./lines.ts";

// List, then watch, for ever: client-node's own informer ends with a failed list and turns a broken handler into a
// crash. This one goes on after any fault, tells of an object that vanished while it did not look, and keeps of each
// object only what names it. It promises to tell, late at times and perhaps twice; what is true a live read must say.

/** What names an object; `metadata.resourceVersion` is how it was when last heard of. */
export type Named = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
  readonly spec?: unknown; // not kept
};
export type WatchEvent = { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Named };

export type WatchOptions = {
  readonly collection: string;
  /** A field or label selector. An object that leaves the selection is told of as DELETED. */
  readonly query?: Query;
  readonly onEvent: (event: WatchEvent) => void | Promise<void>;
  readonly times?: Partial<typeof defaultTimes>;
};

/** `synced` resolves when the first list has been told, or when it is stopped before. */
export type Watching = { readonly synced: Promise<void>; stop(): Promise<void> };

const defaultTimes = {
  /** The API server ends a watch after this; it sends a bookmark each minute. */
  watchMs: 290_000,
  /** Nothing for so long, not even a bookmark: the connection is taken for dead. */
  idleMs: 150_000,
  /** Between the beginnings of two watches, should the API server end them at once. */
  pauseMs: 1_000,
  backoffMs: 200,
  backoffMsMax: 10_000,
};
const failuresUntilList = 3;

export function watch(client: Pick<KubeClient, "list" | "stream" | "tell">, options: WatchOptions): Watching {
  const { collection, query = {}, onEvent } = options;
  const times = { ...defaultTimes, ...options.times };
  const stopping = new AbortController();
  const synced = Promise.withResolvers<void>();
  const known = new Map<string, Named>();
  let since: string | undefined; // undefined: list first
  let failures = 0; // since something was last heard

  const emit = async (type: WatchEvent["type"], object: Named): Promise<void> => {
    if (type === "DELETED") known.delete(object.metadata.uid);
    else known.set(object.metadata.uid, nameOf(object));
    try {
      await onEvent({ type, object });
    } catch (error) {
      client.tell("an event could not be handled", { collection, err: error });
    }
  };

  const list = async (): Promise<void> => {
    const { items, resourceVersion } = await client.list<Named>(collection, query, stopping.signal);
    const there = new Set(items.map(({ metadata }) => metadata.uid));
    const gone = [...known.values()].filter(({ metadata }) => !there.has(metadata.uid));
    for (const object of items) await emit(known.has(object.metadata.uid) ? "MODIFIED" : "ADDED", object);
    for (const object of gone) await emit("DELETED", object);
    since = resourceVersion;
    synced.resolve();
  };

  const follow = async (from: string): Promise<void> => {
    const idle = new AbortController();
    const timer = setTimeout(() => idle.abort(new Error("nothing was heard for too long")), times.idleMs);
    const seconds = String(Math.round((times.watchMs / 1000) * (0.9 + Math.random() / 5)));
    const asked = {
      ...query,
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: from,
      timeoutSeconds: seconds,
    };
    try {
      const bytes = await client.stream(collection, asked, AbortSignal.any([stopping.signal, idle.signal]));
      for await (const line of lines(bytes)) {
        timer.refresh();
        const { type, object } = eventOf(line);
        if (type === "ERROR") {
          since = undefined; // mostly 410; whatever it is, a list is always right
          throw apiErrorOf(object.code ?? 500, JSON.stringify(object), undefined);
        }
        if (type !== "BOOKMARK") await emit(type, object);
        since = object.metadata.resourceVersion;
        failures = 0;
      }
    } finally {
      clearTimeout(timer);
      idle.abort(); // also where the stream was left before its end: the connection must not stay
    }
  };

  const turn = async (): Promise<number> => {
    const begun = performance.now();
    try {
      if (since === undefined) await list();
      if (since !== undefined && !stopping.signal.aborted) await follow(since);
      return Math.max(0, times.pauseMs - (performance.now() - begun)) * (0.5 + Math.random());
    } catch (error) {
      if (stopping.signal.aborted) return 0;
      failures += 1;
      if ((error instanceof ApiError && error.code === 410) || failures >= failuresUntilList) since = undefined;
      client.tell("a watch was interrupted and goes on", { collection, failures, err: error });
      return Math.min(times.backoffMs * 2 ** (failures - 1), times.backoffMsMax) * (0.5 + Math.random());
    }
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const pauseMs = await turn();
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
    synced.resolve();
  };
  const ended = run();
  return {
    synced: synced.promise,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

type Line =
  | { readonly type: WatchEvent["type"]; readonly object: Named }
  | { readonly type: "BOOKMARK"; readonly object: Pick<Named, "metadata"> }
  | { readonly type: "ERROR"; readonly object: { readonly code?: number } };

function eventOf(line: string): Line {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its parts are looked at next
  const { type, object } = JSON.parse(line) as { type?: unknown; object?: Partial<Named> & { code?: number } };
  if (type === "ERROR") return { type, object: object ?? {} };
  const metadata: Partial<Named["metadata"]> = object?.metadata ?? {};
  const { name, uid, resourceVersion } = metadata;
  if (typeof resourceVersion !== "string") throw new Error("a line of a watch is no event");
  if (type === "BOOKMARK") return { type, object: { metadata: { name: "", uid: "", resourceVersion } } };
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") throw new Error("a line of a watch is no event");
  if (typeof name !== "string" || typeof uid !== "string") throw new Error("an event names no object");
  return { type, object: { ...object, metadata: { ...metadata, name, uid, resourceVersion } } };
}

const nameOf = ({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }: Named): Named => ({
  ...(apiVersion === undefined ? {} : { apiVersion }),
  ...(kind === undefined ? {} : { kind }),
  metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion },
});
