import type { Outcome, Stored, TrustStore } from "../../src/flows/ports.ts";

/** The Secret and the ConfigMap as the install ships them, in memory: empty, and swapped by version. */
export function fakeTrust(keys: Stored["data"] = {}, trust: Stored["data"] = {}): TrustStore {
  const secret = cell(keys);
  const configMap = cell(trust);
  return { keys: secret.get, swapKeys: secret.swap, trust: configMap.get, swapTrust: configMap.swap };
}

function cell(data: Stored["data"]) {
  let stored: Stored = { data, resourceVersion: "1" };
  return {
    get: async (): Promise<Stored> => stored,
    swap: async (seen: Stored, next: Stored["data"]): Promise<Outcome> => {
      if (seen.resourceVersion !== stored.resourceVersion) return "lost";
      stored = { data: next, resourceVersion: String(Number(stored.resourceVersion) + 1) };
      return "won";
    },
  };
}
