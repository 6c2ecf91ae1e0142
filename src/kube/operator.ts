import dotI, { type OperatorLogger, type ResourceEvent, ResourceEventType } from "@dot-i/k8s-operator";
import { group, version } from "../api/v1alpha1/meta.ts";
import type { RequestWatch } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { openRequests } from "./open-requests.ts";
import { type WatchEvent, type Watching, watch } from "./watch.ts";

// The one file that knows @dot-i/k8s-operator. Of its class are used: start and stop, init as the place to begin
// watching, the logger's interface and the words of an event. All that would reach the network is overridden: its own
// watch ends the process after 30 s of silence, and its writes swallow every error. The list of what is kept is a test.

type OnHint = Parameters<RequestWatch["start"]>[0];

/** Tells of open requests. What it tells is a hint: a request that ended, and one that is gone, look the same here. */
export function createRequestWatch(client: KubeClient): RequestWatch {
  let operator: ElevationOperator | undefined;
  return {
    async start(onHint) {
      if (operator !== undefined) throw new Error("the watch of requests was started before");
      operator = new ElevationOperator(client, onHint);
      await operator.start();
    },
    async stop() {
      await operator?.shutdown();
    },
  };
}

export class ElevationOperator extends dotI.default {
  readonly #client: KubeClient;
  readonly #onHint: OnHint;
  readonly #watches: Watching[] = [];

  constructor(client: KubeClient, onHint: OnHint) {
    super(loggerOf(client));
    this.kubeConfig = client.kubeConfig; // the base has read the default one, and asked nothing of it
    this.#client = client;
    this.#onHint = onHint;
  }

  protected override async init(): Promise<void> {
    await this.watchResource(group, version, "elevationrequests", async ({ type, object }) => {
      const { namespace, name, uid, resourceVersion } = object.metadata ?? {};
      if (namespace === undefined || name === undefined || uid === undefined || resourceVersion === undefined) return;
      const left = type === ResourceEventType.Deleted;
      this.#onHint({ namespace, name, uid }, { resourceVersion, left, requester: requesterOf(object) });
    });
  }

  /** Resolves when nothing is told any more. */
  async shutdown(): Promise<void> {
    super.stop();
    await Promise.all(this.#watches.map(async (watching) => watching.stop()));
  }

  protected override async watchResource(
    _group: string,
    _version: string,
    plural: string,
    onEvent: (event: ResourceEvent) => Promise<void>,
  ): Promise<void> {
    const told = async (event: WatchEvent): Promise<void> => onEvent(resourceEventOf(plural, event));
    const watching = watch(this.#client, { ...openRequests, onEvent: told });
    this.#watches.push(watching);
    await watching.synced;
  }

  protected override getCustomResourceApiUri(): never {
    throw notUsed();
  }
  protected override async registerCustomResourceDefinition(): Promise<never> {
    throw notUsed(); // CRDs are installed by manifest
  }
  protected override async setResourceStatus(): Promise<never> {
    throw notUsed();
  }
  protected override async patchResourceStatus(): Promise<never> {
    throw notUsed();
  }
  protected override async setResourceFinalizers(): Promise<never> {
    throw notUsed();
  }
}

/** Of any object at all: what a watch tells is as it is stored, whatever the kind says. */
function requesterOf(object: object): string | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its parts are looked at next
  const { spec } = object as { spec?: { requester?: { username?: unknown } | null } | null };
  const username = spec?.requester?.username;
  return typeof username === "string" ? username : undefined;
}

const notUsed = (): Error => new Error("not used: ARCHITECTURE.md says what is used of @dot-i/k8s-operator");

const types = {
  ADDED: ResourceEventType.Added,
  MODIFIED: ResourceEventType.Modified,
  DELETED: ResourceEventType.Deleted,
};

function resourceEventOf(plural: string, { type, object }: WatchEvent): ResourceEvent {
  const { apiVersion = `${group}/${version}`, kind = "", metadata, spec } = object;
  const { name, namespace, resourceVersion } = metadata;
  const id = `${plural}.${apiVersion}`;
  return {
    type: types[type],
    object: Object.assign({ apiVersion, kind, metadata: { ...metadata } }, { spec }), // its type has no spec
    meta: { id, apiVersion, kind, name, resourceVersion, ...(namespace === undefined ? {} : { namespace }) },
  };
}

function loggerOf({ tell }: KubeClient): OperatorLogger {
  const line = (message: string): void => tell(message, { from: "@dot-i/k8s-operator" });
  return { debug: () => undefined, info: () => undefined, warn: line, error: line };
}
