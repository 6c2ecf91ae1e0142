import * as z from "zod";
import { kept, rule, rules, same } from "./cel.ts";
import { codeChallenge, type Immutable, type Meta, method, name, text, time, writtenTime } from "./meta.ts";

const spec = z
  .object({
    owner: z
      .object({ username: name(110).describe("User name, as kubectl auth whoami tells it; at most 110 bytes.") })
      .describe("Whose factor it is."),
    method: method.describe("WebAuthn (a security key or passkey) or TOTP (codes from an app)."),
    codeChallenge: codeChallenge.describe(
      "base64url(SHA-256(...)) of the ticket that the inviter hands over, or of the owner's own codeVerifier. Whoever holds that can enroll, once.",
    ),
    invitedBy: name(256).optional().describe("Who invited the owner; absent when the owner adds a further one."),
    expirationTime: time.describe("Until when it may be enrolled; at most 168h after it was made."),
    disabled: z.boolean().optional().describe("Set once, by an inviter: it is never accepted again."),
  })
  .meta(
    rules(
      rule("owner and method are immutable", "self.owner == oldSelf.owner && self.method == oldSelf.method"),
      rule(
        "codeChallenge and expirationTime are immutable",
        "self.codeChallenge == oldSelf.codeChallenge && self.expirationTime == oldSelf.expirationTime",
      ),
      rule("invitedBy is immutable", same("invitedBy")),
      rule(
        "disabled cannot be undone",
        "!has(oldSelf.disabled) || !oldSelf.disabled || (has(self.disabled) && self.disabled)",
      ),
    ),
  )
  .describe("Whose factor of which kind. Immutable, but that it is disabled, once.");

const counter = z.int().min(0);
const totp = z
  .object({
    lastTimeStep: counter.describe("The newest time step used (RFC 6238): a code of it, or of one before, is refused."),
    failures: z
      .object({
        consecutive: counter.describe("Wrong codes since the last right one; from the 10th each costs a wait."),
        total: counter.describe("Wrong codes in its life; at 100 it is locked for good."),
        lockedUntilTime: writtenTime.optional().describe("No code is taken before."),
      })
      .describe("Wrong codes."),
  })
  .meta(
    rules(
      rule(
        "lastTimeStep never goes back",
        "!has(oldSelf.lastTimeStep) || (has(self.lastTimeStep) && self.lastTimeStep >= oldSelf.lastTimeStep)",
      ),
      rule(
        "failures.total never goes back",
        "!has(oldSelf.failures) || !has(oldSelf.failures.total) || (has(self.failures) && has(self.failures.total) && self.failures.total >= oldSelf.failures.total)",
      ),
    ),
  )
  .describe("Of method TOTP: which codes are used up, and how many were wrong. The seed is in no object.");

const credential = ["credentialId", "publicKey", "rpId", "origin", "backupEligible", "aaguid"];
const webauthn = z
  .object({
    credentialId: text(1400).describe("The credential, base64url."),
    publicKey: text(1400).describe("Its public key (COSE), base64url."),
    signCount: counter.optional().describe("The key's own counter, where it has one."),
    aaguid: text(36).optional().describe("The model of the key."),
    transports: z
      .array(text(32))
      .max(8)
      .meta({ "x-kubernetes-list-type": "set" })
      .optional()
      .describe("How a browser reaches the key."),
    backupEligible: z.boolean().optional().describe("Whether it is a passkey that can be copied between devices."),
    rpId: text(253).describe("The relying party that it is bound to."),
    origin: text(300).describe("The origin that it was enrolled at, and is used at."),
  })
  .meta(rules(rule("a credential is set once", credential.map((field) => `(${same(field)})`).join(" && "))))
  .describe("Of method WebAuthn: the credential.");

const status = z
  .object({
    phase: z.enum(["Pending", "Active"]).describe("Pending until it is enrolled, then Active for good."),
    keyID: text(64).optional().describe("Which of the verifier's keys made the seal and the seed."),
    seal: text(128).optional().describe("Ed25519 by the verifier, over all that makes this authenticator, base64url."),
    lastUsedTime: writtenTime.optional().describe("When it last proved something."),
    totp: totp.optional(),
    webauthn: webauthn.optional(),
  })
  .meta(
    rules(
      ...kept("phase", "totp", "webauthn"),
      rule(
        "an Active authenticator stays so (disable it)",
        "!has(oldSelf.phase) || oldSelf.phase != 'Active' || (has(self.phase) && self.phase == 'Active')",
      ),
      rule(
        "Active comes with keyID and seal",
        "!has(self.phase) || self.phase != 'Active' || (has(self.keyID) && has(self.seal))",
      ),
      rule("seal and keyID are set once", `!has(oldSelf.seal) || ((${same("seal")}) && (${same("keyID")}))`),
    ),
  )
  .describe("Written by the verifier alone.");

export const authenticator = z
  .object({ spec, status: status.optional() })
  .meta(rules(...kept("status")))
  .describe(
    "One enrolled factor of one user. Named hex(username).slot, where the slot is totp, or key-1 to key-9: so one name is one lock, and nobody takes another's.",
  );

export type Authenticator = Immutable<z.infer<typeof authenticator>> & { readonly metadata: Meta };
export type TotpState = Immutable<z.infer<typeof totp>>;
