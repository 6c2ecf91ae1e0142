import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Authenticators } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { readAuthenticator } from "./kinds.ts";
import { at, ours } from "./paths.ts";
import { swap } from "./swap.ts";

export function createAuthenticators(client: KubeClient): Authenticators {
  const collection = ours("authenticators");
  const read = readAuthenticator(client.tell);
  return {
    get: async (name) => read(await client.get<Authenticator>(collection, name)),
    swapStatus: async (seen, status) => swap(client, `${at(collection, seen.metadata.name)}/status`, seen, { status }),
  };
}
