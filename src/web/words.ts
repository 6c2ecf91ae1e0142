import type { Ceremony } from "../api/v1alpha1/ceremony.ts";

/** What the page says of a ceremony: a title, what is agreed to line by line, what agreeing means, and the button. */
export type Words = {
  readonly title: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly agreement: string;
  readonly button: string;
};

export function wordsOf(ceremony: Ceremony): Words {
  if (ceremony.kind !== "assert") {
    const { authenticator, cluster } = ceremony;
    const facts = [
      ["Cluster", cluster.name],
      ["For", authenticator.spec.owner.username],
      ["Authenticator", authenticator.metadata.name],
    ] as const;
    if (ceremony.kind === "confirm")
      return {
        title: "Confirm an authenticator app with your key",
        facts,
        agreement: "Your key confirms exactly this.",
        button: "Use a key that you have",
      };
    return ceremony.existing === undefined
      ? {
          title: "Enroll a security key or passkey",
          facts,
          agreement: "Your new key will be bound to this.",
          button: "Enroll this key",
        }
      : {
          title: "Enroll a further security key or passkey",
          facts,
          agreement: "First a key that you have confirms this, then the new one is bound to it.",
          button: "First, use a key that you have",
        };
  }
  const { request, offer } = ceremony;
  const lasts = offer.methods.find(({ method }) => method === "WebAuthn")?.duration ?? "";
  return {
    title: "Do you ask for this access?",
    facts: [
      ["Cluster", offer.cluster.name],
      ["Namespace", request.metadata.namespace],
      ["Role", `${offer.roleRef.kind}/${offer.roleRef.name}`],
      ["For", lasts],
      ["Because", request.spec.justification ?? "(no justification)"],
      ["As", request.spec.requester.username],
      ["Request", request.metadata.name],
    ],
    agreement: "Your key signs exactly this, for this once.",
    button: "Use my security key or passkey",
  };
}

/** Why a key gave no answer; the browser tells little more than a name (WebAuthn Level 3, sections 5.1.3 and 5.1.4). */
export function troubleOf(errorName: string, kind: Ceremony["kind"]): string {
  switch (errorName) {
    case "NotAllowedError":
      return kind === "enroll"
        ? "Nothing was enrolled: it was cancelled, or no key answered in time. Try again."
        : "Nothing was proven: it was cancelled, or no key of yours answered in time. A key that you have not enrolled on this cluster does not answer here. Try again.";
    case "InvalidStateError":
      return "This key is enrolled already. Try again with another one.";
    case "SecurityError":
      return "Keys of this cluster are not for this page. Open the address that your terminal shows, whole.";
    case "NotSupportedError":
      return "This key cannot do what is needed: it must know ES256, EdDSA or RS256. Try again with another one.";
    default:
      return "Your key gave no answer. Try again.";
  }
}

export const noWebAuthn =
  "This browser knows no security keys and passkeys here (WebAuthn). Open this address in another browser.";
export const framed = "This page is shown inside of another one. Open the address that your terminal shows by itself.";
export const nothingAsked =
  "Nothing is asked here. This page is opened by kubectl elevate, when you ask for access: start there.";
export const late = "This request waited for you long enough, and is over. Ask again in your terminal.";
