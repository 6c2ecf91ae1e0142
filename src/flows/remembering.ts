import type { Authenticator } from "../api/v1alpha1/authenticator.ts";
import type { Authenticators, RememberedAuthenticators } from "./ports.ts";

/** Remembers what was read a moment ago, by a challenge mostly: as it was, and of the last few alone. */
export function remembering(authenticators: Authenticators): RememberedAuthenticators {
  const seen = new Map<string, Authenticator>();
  return {
    async get(name) {
      const found = await authenticators.get(name);
      seen.delete(name);
      if (found !== undefined) seen.set(name, found);
      const [oldest] = seen.keys();
      if (seen.size > seenMax && oldest !== undefined) seen.delete(oldest);
      return found;
    },
    async swapStatus(object, patch) {
      seen.delete(object.metadata.name); // won or lost, it is another one now
      return authenticators.swapStatus(object, patch);
    },
    lastSeen: (name) => seen.get(name),
  };
}

const seenMax = 128;
