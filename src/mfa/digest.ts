import { createHash, timingSafeEqual } from "node:crypto";
import type { Digest } from "../domain/challenge.ts";
import type { Secrets } from "../flows/ports.ts";

export const sha256: Digest = (preimage) => createHash("sha256").update(preimage).digest();

/** RFC 7636 section 4.6, S256: over the text of the codeVerifier, not over the bytes that it spells. */
export const secrets: Secrets = {
  opens(codeChallenge = "", codeVerifier) {
    const shown = Buffer.from(createHash("sha256").update(codeVerifier, "utf8").digest("base64url"));
    const wanted = Buffer.from(codeChallenge);
    return wanted.length === shown.length && timingSafeEqual(wanted, shown); // the length of a SHA-256 is no secret
  },
};
