import * as z from "zod";
import type { Immutable } from "./meta.ts";

// What a browser answers, as PublicKeyCredential.toJSON() writes it (WebAuthn Level 3, section 5.1), and what it is asked.
// Strict, as all bodies are: members of that form which nobody needs may come along, and are not looked at.

const base64url = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[A-Za-z0-9_-]+$/);
const credential = {
  /** Of the credential; what is recorded as credentialId. */
  id: base64url(1400),
  type: z.literal("public-key"),
  rawId: base64url(1400).optional(),
  authenticatorAttachment: z.string().max(32).nullish(),
  clientExtensionResults: z.object({}).optional(),
};

/** AuthenticationResponseJSON */
export const assertion = z.strictObject({
  ...credential,
  response: z.strictObject({
    clientDataJSON: base64url(4096),
    authenticatorData: base64url(4096),
    signature: base64url(1400),
    userHandle: base64url(128).nullish(),
  }),
});

/** RegistrationResponseJSON */
export const registration = z.strictObject({
  ...credential,
  response: z.strictObject({
    clientDataJSON: base64url(4096),
    attestationObject: base64url(10_000),
    transports: z.array(z.string().max(32)).max(8).optional(),
    authenticatorData: base64url(8192).optional(),
    publicKey: base64url(4096).nullish(),
    publicKeyAlgorithm: z.int().optional(),
  }),
});

const descriptor = z.object({
  id: z.string(),
  type: z.literal("public-key"),
  transports: z.array(z.string()).optional(),
});

/** PublicKeyCredentialRequestOptionsJSON; whoever passes it on computes the challenge anew, from what it is about. */
export const requestOptions = z.object({
  challenge: z.string(),
  rpId: z.string(),
  allowCredentials: z.array(descriptor),
  userVerification: z.literal("required"),
});

/** PublicKeyCredentialCreationOptionsJSON */
export const creationOptions = z.object({
  challenge: z.string(),
  rp: z.object({ id: z.string(), name: z.string() }),
  user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  pubKeyCredParams: z.array(z.object({ type: z.literal("public-key"), alg: z.int() })),
  excludeCredentials: z.array(descriptor),
  authenticatorSelection: z.object({
    residentKey: z.literal("discouraged"),
    userVerification: z.literal("required"),
  }),
  attestation: z.literal("none"),
});

export type Assertion = Immutable<z.infer<typeof assertion>>;
export type Registration = Immutable<z.infer<typeof registration>>;
export type RequestOptions = Immutable<z.infer<typeof requestOptions>>;
export type CreationOptions = Immutable<z.infer<typeof creationOptions>>;
