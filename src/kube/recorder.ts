import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { apiVersion } from "../api/v1alpha1/meta.ts";
import { formatInstant, type Instant } from "../domain/time.ts";
import type { Recorder, RequestKey } from "../flows/ports.ts";
import { ApiError, isConflict } from "./api-error.ts";
import type { Tell } from "./client.ts";
import { type Told, told } from "./event-of.ts";
import { events } from "./paths.ts";

type Options = {
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
 * Writes Events, one after another, behind everybody's back: nobody waits for one, and nothing depends on one. What
 * does not fit into its queue is lost, and counted in the log. `settled`, for the end of a process, resolves when all
 * are written, or after a while without.
 */
export function createRecorder(
  client: Writer,
  { instance, homeNamespace = "elevate-system", clock }: Options,
): Recorder & { settled(): Promise<void> } {
  const queue: Event[] = [];
  let lost = 0;
  let working: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      try {
        await write(client, event, homeNamespace);
        if (lost > 0) client.tell("events were lost", { count: lost });
        lost = 0;
      } catch (error) {
        lost += 1;
        client.tell("an event could not be written", { reason: event.reason, ...event.regarding, err: error });
      }
    }
    working = undefined;
  };

  return {
    tell({ about, step }) {
      const said = told(step, about);
      if (said === undefined) return;
      if (queue.length >= queueMax) lost += 1;
      else queue.push(eventOf(said, about, instance, clock()));
      working ??= work();
    },
    async settled() {
      const enough = new AbortController();
      const patience = sleep(settledWithinMs, undefined, { signal: enough.signal }).catch(() => undefined);
      await Promise.race([working, patience]);
      enough.abort();
    },
  };
}

const queueMax = 1_000;
const settledWithinMs = 3_000;
type Event = ReturnType<typeof eventOf>;

const eventOf = (said: Told, about: RequestKey, instance: string, now: Instant) => ({
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  metadata: { name: `${about.name}.${randomBytes(8).toString("hex")}`, namespace: about.namespace },
  eventTime: formatInstant(now).replace("Z", "000Z"), // the API server wants six digits
  reportingController: "kube-elevate.dev/controller",
  reportingInstance: instance.slice(0, 128),
  regarding: { apiVersion, kind: "ElevationRequest", ...about },
  ...said,
});

async function write(client: Writer, event: Event, homeNamespace: string): Promise<void> {
  const { metadata } = event;
  try {
    await client.create(events(metadata.namespace), event, { repeatable: true });
  } catch (error) {
    if (isConflict(error)) return; // it is written: the reply was lost
    if (!isEnding(error)) throw error;
    const moved = { ...event, metadata: { ...metadata, namespace: homeNamespace } };
    await client.create(events(homeNamespace), moved, { repeatable: true });
  }
}

/** The namespace ends, or is gone already. */
const isEnding = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 404 || error.causes.includes("NamespaceTerminating"));
