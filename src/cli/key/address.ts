import { deflateSync } from "node:zlib";
import type { Ceremony, Outcome } from "../../api/v1alpha1/ceremony.ts";
import { assertion, registration } from "../../api/v1alpha1/webauthn.ts";

/** The page's address with what is asked in its fragment, which no server sees; deflated, since it may be copied by hand. */
export function addressOf(pageURL: string, ceremony: Ceremony): string {
  const fragment = deflateSync(JSON.stringify(ceremony), { level: 9 }).toString("base64url");
  return `${pageURL.replace(/\/+$/, "")}/#${fragment}`;
}

/** What the page answers; undefined: that is none, or none to what was asked. */
export function outcomeOf(answer: string, state: string): Outcome | undefined {
  const value = parsed(Buffer.from(answer.replaceAll(/\s/g, ""), "base64url").toString("utf8"));
  if (typeof value !== "object" || value === null || !("state" in value) || value.state !== state) return undefined;
  const webauthn = "webauthn" in value ? assertion.or(registration).safeParse(value.webauthn) : undefined;
  const existing = "existing" in value ? assertion.safeParse(value.existing) : undefined;
  if (webauthn?.success === false || existing?.success === false) return undefined;
  return {
    state,
    ...(webauthn?.data !== undefined && { webauthn: webauthn.data }),
    ...(existing?.data !== undefined && { existing: existing.data }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
