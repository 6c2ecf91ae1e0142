export type Ceremony = "webauthn.create" | "webauthn.get";
type Expected = { readonly type: Ceremony; readonly challenge: Uint8Array; readonly origins: readonly string[] };

/**
 * Section 5.8.1, what the browser says. Section 5.8.1.1 tells byte by byte how it is written, and Safari leaves out
 * crossOrigin where it is false; what comes after those members is plain JSON. An answer that is spelled in any other way
 * is refused: so whoever compares bytes (section 5.8.1.2) and whoever parses see the same, and no member comes twice.
 */
export function mistakeOfClient(clientDataJSON: string, { type, challenge, origins }: Expected): string | undefined {
  const said = onlySpelling(Buffer.from(clientDataJSON, "base64url"));
  if (said === undefined || said.members["type"] !== type) return "what the browser said does not hold";
  const { members, text } = said;
  const asked = Buffer.from(challenge).toString("base64url");
  if (members["challenge"] !== asked) return "the key was asked about something else";
  const { origin, crossOrigin, topOrigin } = members;
  if (typeof origin !== "string" || !origins.includes(origin)) return "the key was used at another page than its own";
  if ((crossOrigin !== undefined && crossOrigin !== false) || topOrigin !== undefined)
    return "the key was used inside of another page";
  const begin = `{"type":"${type}","challenge":"${asked}","origin":${JSON.stringify(origin)}`;
  const isWritten = text.startsWith(crossOrigin === undefined ? begin : `${begin},"crossOrigin":false`);
  return isWritten ? undefined : "what the browser said does not hold";
}

type Said = { readonly text: string; readonly members: { readonly [member: string]: unknown } };

function onlySpelling(bytes: Buffer): Said | undefined {
  const text = bytes.toString("utf8");
  try {
    const members: unknown = JSON.parse(text);
    const isOnly = JSON.stringify(members) === text && Buffer.from(text).equals(bytes);
    return isOnly && typeof members === "object" && members !== null ? { text, members: { ...members } } : undefined;
  } catch {
    return undefined; // no JSON, or nested too deep
  }
}
