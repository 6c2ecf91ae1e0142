import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { apiVersion } from "../api/v1alpha1/meta.ts";
import { formatInstant, type Instant } from "../domain/time.ts";
import type { Alarm, Announcer, Recorder, RequestKey } from "../flows/ports.ts";
import { ApiError, isConflict } from "./api-error.ts";
import type { Tell } from "./client.ts";
import { expiring, own, rejected, type Told, told } from "./event-of.ts";
import { events } from "./paths.ts";

type Options = {
  readonly component: "controller" | "verifier";
  /** This replica, as its Pod is named. */
  readonly instance: string;
  /** Takes the last Events of a namespace that ends. */
  readonly homeNamespace?: string;
  readonly clock: () => Instant;
};

/** The part of a KubeClient that it needs. */
export type Writer = {
  create(collection: string, body: object, options: { readonly repeatable: true }): Promise<unknown>;
  readonly tell: Tell;
};

/**
 * Writes Events, one after another, behind everybody's back: nobody waits for one, and nothing depends on one. It begins
 * a moment after the first is told, so that the writes which they are about go first. What does not fit into its queue is
 * lost, and counted in the log. `settled`, for the end of a process, resolves when all are written, or after a while
 * without.
 */
export function createRecorder(
  client: Writer,
  { component, instance, homeNamespace = "elevate-system", clock }: Options,
): Recorder & Alarm & Announcer & { settled(): Promise<void> } {
  const queue: Telling[] = [];
  const ending = new AbortController();
  let lost = 0;
  let working: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    await sleep(beginAfterMs, undefined, { signal: ending.signal }).catch(() => undefined);
    for (let telling = queue.shift(); telling !== undefined; telling = queue.shift()) {
      try {
        await write(client, eventOf(telling, component, instance), homeNamespace);
        if (lost > 0) client.tell("events were lost", { count: lost });
        lost = 0;
      } catch (error) {
        lost += 1;
        const { about, said } = telling;
        client.tell("an event could not be written", { reason: said.reason, ...about, err: error });
      }
    }
    working = undefined;
  };
  const add = (telling: Telling): void => {
    if (queue.length >= queueMax) lost += 1;
    else queue.push(telling);
    working ??= work();
  };

  return {
    tell({ about, step }) {
      const said = told(step, about);
      if (said !== undefined) add({ about, said, at: clock(), id: randomBytes(8).toString("hex") });
    },
    warn({ about, expiration }) {
      const at = clock();
      add({ about, said: expiring(expiration, at), at, id: `expiring.${about.uid}` }); // whoever comes second finds it told
    },
    reject({ about, denial }) {
      add({ about, said: rejected(denial), at: clock(), id: randomBytes(8).toString("hex") });
    },
    announce({ reason, message }) {
      const about = { namespace: homeNamespace, name: "kube-elevate-seen" };
      add({ about, said: own(reason, message), at: clock(), id: randomBytes(8).toString("hex") });
    },
    async settled() {
      ending.abort();
      const enough = new AbortController();
      const patience = sleep(settledWithinMs, undefined, { signal: enough.signal }).catch(() => undefined);
      await Promise.race([working, patience]);
      enough.abort();
    },
  };
}

const beginAfterMs = 100; // a grant is made in less
const queueMax = 12_000; // two for each of 5,000 grants that end at once, in a few MB; what is told of in the log as well
const settledWithinMs = 3_000;
/** A request by its UID, and else what is kept of kube-elevate itself. */
type About = RequestKey | Omit<RequestKey, "uid">;
type Telling = { readonly about: About; readonly said: Told; readonly at: Instant; readonly id: string };

const eventOf = ({ about, said, at, id }: Telling, component: Options["component"], instance: string) => ({
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  metadata: { name: `${about.name}.${id}`, namespace: about.namespace },
  eventTime: formatInstant(at).replace("Z", "000Z"), // the API server wants six digits
  reportingController: `kube-elevate.dev/${component}`,
  reportingInstance: instance.slice(0, 128),
  regarding: {
    ...("uid" in about ? { apiVersion, kind: "ElevationRequest" } : { apiVersion: "v1", kind: "ConfigMap" }),
    ...about,
  },
  ...said,
});

async function write(client: Writer, event: ReturnType<typeof eventOf>, homeNamespace: string): Promise<void> {
  const { metadata } = event;
  try {
    await client.create(events(metadata.namespace), event, { repeatable: true });
  } catch (error) {
    if (isConflict(error)) return; // it is written: the reply was lost, or another replica was quicker
    if (!isEnding(error)) throw error;
    const moved = { ...event, metadata: { ...metadata, namespace: homeNamespace } };
    await client.create(events(homeNamespace), moved, { repeatable: true });
  }
}

/** The namespace ends, or is gone already. */
const isEnding = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 404 || error.causes.includes("NamespaceTerminating"));
