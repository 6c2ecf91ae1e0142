import type { Offer } from "./elevation-request.ts";
import type { Immutable } from "./meta.ts";
import type { Assertion, CreationOptions, Registration, RequestOptions } from "./webauthn.ts";

// What the plugin and the page tell each other. The plugin opens the page with a Ceremony in the fragment of its address
// (which no server sees): JSON, deflated (RFC 1950), base64url. The page answers with an Outcome: JSON, base64url, by
// navigating to http://127.0.0.1:<port>/?state=<state>&answer=<outcome>, or to be pasted where `port` is left out.
// Neither holds a codeVerifier, a code or a ticket. Types alone: the page has no use for a schema library.

/** 1024 to 65535; the page itself makes the address of it. `state`: base64url of 16 random bytes. */
type Return = { readonly port?: number; readonly state: string };

/** One touch for one request: what is shown is what is signed. `options.challenge` must be what the page computes. */
export type AssertCeremony = Return & {
  readonly kind: "assert";
  readonly request: {
    readonly metadata: { readonly uid: string; readonly namespace: string; readonly name: string };
    readonly spec: Immutable<{
      policyName: string;
      duration?: string | undefined;
      justification?: string | undefined;
      requester: { username: string; uid?: string | undefined; groups?: string[] | undefined };
    }>;
  };
  readonly offer: Offer;
  readonly options: RequestOptions;
};

/** A new key, and before it, where `existing` asks, a touch of one that its owner has. */
export type EnrollCeremony = Return & {
  readonly kind: "enroll";
  readonly cluster: { readonly name: string; readonly uid: string };
  readonly authenticator: {
    readonly metadata: { readonly uid: string; readonly name: string };
    readonly spec: { readonly owner: { readonly username: string }; readonly method: "WebAuthn" };
  };
  readonly options: CreationOptions;
  readonly existing?: RequestOptions | undefined;
};

/** TOTP that an existing key confirms: one touch, nothing is made. */
export type ConfirmCeremony = Return & {
  readonly kind: "confirm";
  readonly cluster: EnrollCeremony["cluster"];
  readonly authenticator: {
    readonly metadata: EnrollCeremony["authenticator"]["metadata"];
    readonly spec: { readonly owner: { readonly username: string }; readonly method: "TOTP" };
  };
  readonly existing: RequestOptions;
};

export type Ceremony = AssertCeremony | EnrollCeremony | ConfirmCeremony;

/** `webauthn`: an Assertion or a Registration, as the kind asks; `existing`: the assertion that confirms an enrollment. */
export type Outcome = {
  readonly state: string;
  readonly webauthn?: Assertion | Registration;
  readonly existing?: Assertion;
};
