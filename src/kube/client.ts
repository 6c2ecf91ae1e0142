import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher } from "undici";
import { type Instant, instant } from "../domain/time.ts";
import { ApiError, apiErrorOf, isNotFound, Unanswered } from "./api-error.ts";
import { at, isName } from "./paths.ts";
import { attemptsMax, retryBudget, retryDelayMs } from "./retry.ts";
import { serverClock } from "./server-clock.ts";
import { SharedAgentConfig, type Way } from "./shared-agent.ts";

// The room's one way to the API server: JSON over few connections, with a time limit, measured retries, and errors that
// can be logged. client-node gives kubeconfig, in-cluster configuration and credentials; its typed models are not used,
// since they drop the fields that they do not know. What an answer means is the business of the adapters beside it.

export type KubeClient = {
  /** Undefined: the API server says that there is none. */
  get<T>(collection: string, name: string): Promise<T | undefined>;
  /** All pages. */
  list<T>(collection: string, query?: Query, signal?: AbortSignal): Promise<Listed<T>>;
  /** Page by page, each asked for when the one before is done with. `query.limit` says how many a page holds. */
  pages<T>(collection: string, query?: Query, signal?: AbortSignal): AsyncIterable<Listed<T>>;
  /** All pages, of each its metadata alone: of what is large, and asked for often. */
  listMetadata(collection: string, query?: Query): Promise<readonly Metadata[]>;
  /** POST; `repeatable` where doing it twice is doing it once, as with a review or a dry run. */
  create<T>(
    collection: string,
    body: object,
    options?: { readonly query?: Query; readonly repeatable?: true },
  ): Promise<T>;
  /** JSON merge patch. */
  patch<T>(path: string, body: object): Promise<T>;
  /** DELETE. Options go into the body: where there is one the API server ignores the query. */
  remove(path: string, options: object, timeoutMs?: number): Promise<void>;
  /** A watch: its bytes, until the API server ends it or `signal` does. It has no time limit of its own. */
  stream(collection: string, query: Query, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** The API server's clock by its last answers; undefined before the first. */
  serverNow(): Instant | undefined;
  /** The later of our clock and the API server's: what ends are measured by. */
  now(): Instant;
  /** Ours minus the API server's, heard of within the last seconds. */
  clockOffMs(): Promise<number>;
  readonly kubeConfig: SharedAgentConfig;
  readonly tell: Tell;
  close(): Promise<void>;
};
export type Metadata = { readonly name: string; readonly uid: string; readonly generation?: number };
export type Query = { readonly [key: string]: string };
type Listed<T> = { readonly items: readonly T[]; readonly resourceVersion: string };
/** A line of log: a constant message, and its fields. */
export type Tell = (message: string, fields: { readonly [key: string]: unknown }) => void;

export type ConnectOptions = {
  /** A kubeconfig file; left out or empty: $KUBECONFIG, ~/.kube/config, then the Pod's own account. */
  readonly kubeconfig?: string | undefined;
  readonly requestTimeoutMs?: number;
  readonly tell?: Tell;
  readonly ownClock?: () => number;
  readonly elapsedMs?: () => number;
};

/** Reads the configuration, and asks nothing yet. Throws where it cannot be read. */
export function connect(options: ConnectOptions = {}): KubeClient {
  const { kubeconfig = "", requestTimeoutMs = 15_000, tell = () => undefined, ownClock = Date.now } = options;
  const kubeConfig = new SharedAgentConfig();
  const load = (): void => {
    if (kubeconfig === "") kubeConfig.loadFromDefault();
    else kubeConfig.loadFromFile(kubeconfig);
    kubeConfig.refuseUnchecked();
  };
  load();
  const clock = serverClock(options.elapsedMs ?? (() => performance.now()));
  const budget = retryBudget();

  const perform = async (call: Call): Promise<unknown> => {
    const cut = new AbortController();
    const timeoutMs = call.timeoutMs ?? requestTimeoutMs;
    const tooLate = (): void => cut.abort(new Error(`nothing within ${String(timeoutMs)} ms`));
    const timer = setTimeout(tooLate, timeoutMs);
    const givenUp = (): void => cut.abort(call.signal?.reason);
    call.signal?.addEventListener("abort", givenUp);
    if (call.signal?.aborted === true) givenUp();
    try {
      for (let attempt = 1; ; attempt++) {
        const result = await tryOnce(call, cut.signal);
        if ("done" in result) {
          budget.earn();
          return result.done;
        }
        const { error } = result;
        if (cut.signal.aborted || attempt === attemptsMax || !mayRepeat(call, error, attempt) || !budget.spend())
          throw error;
        const askedMs = error instanceof ApiError ? error.retryAfterMs : undefined;
        await sleep(retryDelayMs(attempt, askedMs, Math.random), undefined, { signal: cut.signal }).catch(
          () => undefined,
        );
        if (!isUnauthorized(error)) continue;
        load(); // the token may have been changed on disk
        kubeConfig.readAnew();
      }
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", givenUp);
    }
  };

  const tryOnce = async (call: Call, signal: AbortSignal): Promise<{ done: unknown } | { error: Error }> => {
    try {
      const way = await kubeConfig.way();
      const { statusCode, headers, body } = await ask(way, call, { dispatcher: way.answers, signal });
      clock.hear(textOf(headers["date"]));
      const text = await body.text();
      if (statusCode >= 200 && statusCode < 300) return { done: JSON.parse(text) };
      return { error: apiErrorOf(statusCode, text, textOf(headers["retry-after"])) };
    } catch (cause) {
      return { error: new Unanswered(`${call.method} ${call.path} was not answered`, { cause }) };
    }
  };

  const stream = async (path: string, query: Query, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
    const way = await kubeConfig.way();
    const call: Call = { method: "GET", path, query };
    const timeouts = { headersTimeout: requestTimeoutMs, bodyTimeout: 0 };
    const { statusCode, headers, body } = await ask(way, call, { dispatcher: way.streams, signal, ...timeouts });
    clock.hear(textOf(headers["date"]));
    if (statusCode === 200) return body;
    throw apiErrorOf(statusCode, await body.text(), textOf(headers["retry-after"]));
  };

  const serverNow = (): Instant | undefined => clock.now();
  const clockOffMs = async (): Promise<number> => {
    if (clock.heardAgoMs() > heardAgoMsMax) await perform({ method: "GET", path: "/version" });
    return ownClock() - (serverNow() ?? ownClock());
  };

  return {
    ...verbs(perform),
    stream,
    serverNow,
    now: () => instant(Math.max(ownClock(), serverNow() ?? 0)),
    clockOffMs,
    kubeConfig,
    tell,
    close: async () => kubeConfig.close(),
  };
}

const metadataAlone = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const heardAgoMsMax = 5_000;
const pageSize = "100"; // of objects that their makers can fill: what is parsed at once bounds the memory
type Call = {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: object;
  readonly repeatable?: true | undefined;
  readonly accept?: string | undefined;
  /** Instead of the client's own. */
  readonly timeoutMs?: number | undefined;
  /** Gives up before the time limit does. */
  readonly signal?: AbortSignal | undefined;
};

/** What is asked of the API server, in its own terms. It is believed about the shape of what it stores. */
function verbs(
  perform: (call: Call) => Promise<unknown>,
): Pick<KubeClient, "get" | "list" | "listMetadata" | "pages" | "create" | "patch" | "remove"> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- the one place where JSON becomes typed; our own kinds are parsed as well (kinds.ts)
  const typed = async <T>(call: Call): Promise<T> => (await perform(call)) as T;
  const get: KubeClient["get"] = async (collection, name) => {
    if (!isName(name)) return undefined;
    try {
      return await typed({ method: "GET", path: at(collection, name) });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  const pages = async function* <T>(
    path: string,
    query: Query = {},
    signal?: AbortSignal,
    accept?: string,
  ): AsyncGenerator<Listed<T>> {
    for (let token = ""; ; ) {
      const paging = { limit: pageSize, ...query, ...(token === "" ? {} : { continue: token }) };
      const page = await typed<Page<T & Managed>>({ method: "GET", path, query: paging, signal, accept });
      const items = page.items ?? [];
      for (const { metadata } of items) delete metadata?.managedFields; // nobody here reads them, and they are half of an object
      yield { items, resourceVersion: page.metadata.resourceVersion };
      token = page.metadata.continue ?? "";
      if (token === "") return;
    }
  };
  const list: KubeClient["list"] = async <T>(path: string, query?: Query, signal?: AbortSignal): Promise<Listed<T>> => {
    const items: T[] = [];
    let resourceVersion = "";
    for await (const page of pages<T>(path, query, signal)) {
      items.push(...page.items);
      ({ resourceVersion } = page);
    }
    return { items, resourceVersion };
  };
  const listMetadata: KubeClient["listMetadata"] = async (path, query) => {
    const found: Metadata[] = [];
    for await (const { items } of pages<{ metadata: Metadata }>(path, query, undefined, metadataAlone))
      found.push(...items.map(({ metadata }) => metadata));
    return found;
  };
  return {
    get,
    list,
    listMetadata,
    pages,
    create: async (path, body, { query, repeatable } = {}) => typed({ method: "POST", path, body, query, repeatable }),
    patch: async (path, body) => typed({ method: "PATCH", path, body }),
    remove: async (path, options, timeoutMs) => {
      const body = { kind: "DeleteOptions", apiVersion: "v1", ...options };
      await perform({ method: "DELETE", path, body, timeoutMs });
    },
  };
}

type Managed = { readonly metadata?: { managedFields?: unknown } };
type Page<T> = {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[] | null;
};

type Sending = {
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
};

async function ask(
  way: Way,
  { method, path, query, body, accept = "application/json" }: Call,
  sending: Sending,
): Promise<Dispatcher.ResponseData> {
  const contentType = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const { dispatcher, ...limits } = sending;
  const { origin, pathname } = new URL(`${way.server}${path}`);
  return dispatcher.request({
    ...limits,
    origin,
    path: pathname,
    method,
    reset: false, // else undici closes the connection after each DELETE, since it has a body
    ...(query === undefined ? {} : { query }),
    headers: {
      ...way.headers,
      Accept: accept,
      "User-Agent": "kube-elevate",
      ...(body === undefined ? {} : { "Content-Type": contentType }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** What was refused before it was judged may always be sent again; the rest where twice is the same as once. */
function mayRepeat({ method, repeatable }: Call, error: Error, attempt: number): boolean {
  if (error instanceof ApiError) {
    if ((error.retryAfterMs ?? 0) > retryAfterMsMax) return false;
    if (error.code === 429) return true;
    if (error.code === 401) return attempt === 1;
    if (error.code < 500) return false;
  }
  return method === "GET" || method === "DELETE" || repeatable === true;
}

const retryAfterMsMax = 5_000; // whoever is told to wait longer decides for himself
const isUnauthorized = (error: Error): boolean => error instanceof ApiError && error.code === 401;
const textOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === "string" ? header : header?.[0];
