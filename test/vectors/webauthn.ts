import { readFileSync } from "node:fs";
import { z } from "zod";

// The test vectors of WebAuthn Level 3 (webauthn.json says from where), and the credential in each registration, found by
// where its parts must lie.

const bytes = z.string().transform((hex) => Buffer.from(hex, "hex"));
const file = z.object({
  from: z.string(),
  rpId: z.string(),
  origin: z.string(),
  vectors: z.array(
    z.object({
      name: z.string(),
      registration: z.object({ challenge: bytes, clientDataJSON: bytes, attestationObject: bytes }),
      authentication: z.object({
        challenge: bytes,
        clientDataJSON: bytes,
        authenticatorData: bytes,
        signature: bytes,
      }),
    }),
  ),
});

const read = file.parse(JSON.parse(readFileSync("test/vectors/webauthn.json", "utf8")));

export const { rpId, origin } = read;
export const vectors = read.vectors.map((vector) => {
  const { attestationObject } = vector.registration;
  const head = attestationObject.indexOf("authData") + "authData".length; // the last member: up to the end
  const data = attestationObject.subarray(head + (attestationObject[head] === 0x58 ? 2 : 3));
  const end = 55 + data.readUInt16BE(53);
  const credential = { id: data.subarray(55, end), publicKey: data.subarray(end), flags: data[32] ?? 0 };
  return { ...vector, credential };
});
