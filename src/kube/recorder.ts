import { apiVersion } from "../api/v1alpha1/meta.ts";
import { formatInstant, type Instant } from "../domain/time.ts";
import type { Recorder } from "../flows/ports.ts";
import { ApiError } from "./api-error.ts";
import type { KubeClient } from "./client.ts";
import { told } from "./event-of.ts";
import { events } from "./paths.ts";

type Options = {
  /** This replica, as its Pod is named. */
  readonly instance: string;
  /** Takes the last Events of a namespace that ends. */
  readonly homeNamespace?: string;
  readonly clock: () => Instant;
};

/**
 * Writes Events, one after another, behind everybody's back: nobody waits for one, and nothing depends on one. What
 * does not fit into its queue is lost, and counted in the log. `settled` is for the end of a process.
 */
export function createRecorder(
  client: Pick<KubeClient, "create" | "tell">,
  { instance, homeNamespace = "elevate-system", clock }: Options,
): Recorder & { settled(): Promise<void> } {
  const queue: Event[] = [];
  let lost = 0;
  let working: Promise<void> | undefined;

  const post = async (event: Event): Promise<void> => {
    try {
      await client.create(events(event.metadata.namespace), event);
    } catch (error) {
      if (!isEnding(error)) throw error;
      await client.create(events(homeNamespace), {
        ...event,
        metadata: { ...event.metadata, namespace: homeNamespace },
      });
    }
  };
  const work = async (): Promise<void> => {
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      try {
        await post(event);
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
      if (queue.length >= queueMax) {
        lost += 1;
        return;
      }
      queue.push({
        apiVersion: "events.k8s.io/v1",
        kind: "Event",
        metadata: { generateName: `${about.name}.`, namespace: about.namespace },
        eventTime: formatInstant(clock()).replace("Z", "000Z"), // the API server wants six digits
        reportingController: "kube-elevate.dev/controller",
        reportingInstance: instance.slice(0, 128),
        regarding: { apiVersion, kind: "ElevationRequest", ...about },
        ...said,
      });
      working ??= work();
    },
    async settled() {
      await working;
    },
  };
}

const queueMax = 1_000;
type Event = ReturnType<typeof told> & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly generateName: string; readonly namespace: string };
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
};

/** The namespace ends, or is gone already. */
const isEnding = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 404 || error.causes.includes("NamespaceTerminating"));
