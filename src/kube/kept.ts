import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { type TerminalPhase, terminalPhases } from "../api/v1alpha1/phases.ts";
import type { Kept } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { readAll, readAuthenticator, readRequest } from "./kinds.ts";
import { at, ours } from "./paths.ts";
import { removal } from "./removal.ts";

// Each page is parsed in one go, and nothing else is done meanwhile. A text of over 128 kB is old to V8 as soon as it is read.
const limit = "25";

/** Phase by phase: a field selector knows no "or". */
export function createEndedRequests(client: KubeClient): Kept<ElevationRequest> {
  const read = readRequest(client.tell);
  const pagesOf = (phase: TerminalPhase) =>
    client.pages<ElevationRequest>(ours("elevationrequests"), { fieldSelector: `status.phase=${phase}`, limit });
  return {
    async *pages() {
      for (const phase of terminalPhases) for await (const { items } of pagesOf(phase)) yield readAll(read, items);
    },
    async remove({ metadata: { namespace, name, uid, resourceVersion } }) {
      return removal(client, at(ours("elevationrequests", namespace), name), { uid, resourceVersion });
    },
  };
}

export function createAllAuthenticators(client: KubeClient): Kept<Authenticator> {
  const read = readAuthenticator(client.tell);
  return {
    async *pages() {
      for await (const { items } of client.pages<Authenticator>(ours("authenticators"), { limit }))
        yield readAll(read, items);
    },
    async remove({ metadata: { name, uid, resourceVersion } }) {
      return removal(client, at(ours("authenticators"), name), { uid, resourceVersion });
    },
  };
}
