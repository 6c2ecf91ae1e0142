import type { Instant } from "../domain/time.ts";
import type { Cluster, Here, Me, Trust } from "./cluster.ts";
import type { Endpoint, Place } from "./endpoint.ts";
import { Failure } from "./errors.ts";
import type { Listener } from "./key/listener.ts";
import type { Mine } from "./mine.ts";
import type { Talk } from "./talk.ts";
import { inQuotes, quoted } from "./words.ts";

/** All that a command may touch, put together in main.ts. */
export type World = {
  readonly cluster: Cluster;
  readonly endpointAt: (place: Place) => Endpoint;
  /** --endpoint, or $KUBE_ELEVATE_ENDPOINT. */
  readonly endpointGiven: string | undefined;
  readonly talk: Talk;
  readonly mine: Mine;
  readonly clock: () => Instant;
  readonly pause: (ms: number) => Promise<void>;
  /** Runs a command that inherits the terminal; its exit code, as a shell tells it. It gets the signals that we get. */
  readonly execute: (argv: readonly string[]) => Promise<number>;
  /** The same world, where no signal stops anything: for what must be done to its end. */
  readonly shielded: () => World;
  /** The terminal's time zone. */
  readonly zone: string;
  /** Undefined: there is none here, as over SSH or without a display. */
  readonly browser: Browser | undefined;
  /** For one answer of the page, at a free port of this machine. */
  readonly listen: (state: string, forMs: number) => Promise<Listener>;
  readonly randomBytes: (count: number) => Uint8Array;
  /** As the user gave them: they are repeated in each command that is offered. */
  readonly given: { readonly namespace: readonly string[]; readonly others: readonly string[] };
};

/** `open`: whether a window could be asked for. */
export type Browser = { open(address: string): Promise<boolean> };

/** Who asks, of which cluster, in which namespace. */
export type Scene = {
  readonly here: Here;
  readonly me: Me;
  readonly trust: Trust;
  /** What people call the cluster. */
  readonly clusterName: string;
  /** Whom to ask for help. */
  readonly contact: string;
};

export function endpointOf({ endpointAt, endpointGiven }: World, trust: Trust): Endpoint {
  const { url = "", "ca.crt": ca = "" } = trust;
  const place = endpointGiven ?? url;
  if (place === "")
    throw new Failure(
      "no verifier has told where it is (ConfigMap kube-elevate-trust in elevate-system has no url).\n  Does a verifier run? kubectl get pods -n elevate-system",
    );
  return endpointAt({ url: place, ca: ca === "" ? undefined : ca });
}

/** A command to copy, with the flags that the user gave. */
export function command({ given }: World, words: string, rest = ""): string {
  const flags = [...given.namespace, ...given.others];
  return ["kubectl elevate", words, ...flags.map(quoted), rest].filter((part) => part !== "").join(" ");
}

/** The same for what lies in no namespace. */
export function clusterCommand(world: World, words: string): string {
  return command({ ...world, given: { ...world.given, namespace: [] } }, words);
}

/** For somebody else to run, with a kubeconfig of their own. */
export function inviteCommand(username: string): string {
  return `kubectl elevate invite ${inQuotes(username)}`;
}
