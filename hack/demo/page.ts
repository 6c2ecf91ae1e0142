import type { Outcome } from "../../src/api/v1alpha1/ceremony.ts";
import { readCeremony } from "../../src/web/ceremony.ts";
import type { SecurityKey } from "../../test/fakes/security-key.ts";

/**
 * A person, her browser and the page, without a window: reads what the plugin asks as the page does, which throws where
 * the challenge is not that of what is shown; touches the key; returns what the page would show to be pasted.
 */
export async function playPage(key: SecurityKey, address: string): Promise<string> {
  const ceremony = await readCeremony(new URL(address).hash);
  const { state } = ceremony;
  switch (ceremony.kind) {
    case "assert":
      return written({ state, webauthn: key.get(ceremony.options) });
    case "confirm":
      return written({ state, existing: key.get(ceremony.existing) });
    case "enroll": {
      const existing = ceremony.existing && { existing: key.get(ceremony.existing) };
      return written({ state, webauthn: key.create(ceremony.options), ...existing });
    }
  }
}

const written = (outcome: Outcome): string => Buffer.from(JSON.stringify(outcome)).toString("base64url");
