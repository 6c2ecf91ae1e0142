import type { Ceremony, EnrollCeremony, Outcome } from "../api/v1alpha1/ceremony.ts";
import type { Assertion, CreationOptions, Registration, RequestOptions } from "../api/v1alpha1/webauthn.ts";
import { base64urlOf, bytesOf, readCeremony, Unreadable } from "./ceremony.ts";
import { framed, late, nothingAsked, noWebAuthn, troubleOf, wordsOf } from "./words.ts";

// The page where a key is used: it shows what the key will sign, asks the key, and hands the answer back to the plugin,
// by navigation to a port of this machine or by paste. It talks to no server.

const element = <T extends HTMLElement>(id: string, type: new () => T): T => {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${id}`);
};
const status = element("status", HTMLElement);
const use = element("use", HTMLButtonElement);

function say(text: string, kind: "trouble" | "quiet" = "quiet"): void {
  status.textContent = text;
  status.dataset["kind"] = kind;
  if (kind === "trouble") status.focus();
}

async function begin(): Promise<void> {
  const fragment = location.hash;
  history.replaceState(null, "", location.pathname + location.search); // not kept in the browser's history
  if (window.top !== window.self) return say(framed, "trouble");
  if (fragment.length < 2) return say(nothingAsked);
  if (!("credentials" in navigator) || typeof PublicKeyCredential === "undefined") return say(noWebAuthn, "trouble");
  try {
    show(await readCeremony(fragment));
  } catch (error) {
    say(error instanceof Unreadable ? error.message : troubleOf("", "assert"), "trouble");
  }
}

function show(ceremony: Ceremony): void {
  const { title, facts, agreement, button } = wordsOf(ceremony);
  element("title", HTMLElement).textContent = title;
  document.title = `${title} - kube-elevate`;
  const list = element("facts", HTMLDListElement);
  for (const [name, value] of facts) {
    const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, detail.textContent] = [name, value];
    list.append(term, detail);
  }
  list.hidden = false;
  const { rpId } = ceremony.kind === "enroll" ? { rpId: ceremony.options.rp.id } : optionsOf(ceremony);
  element("development", HTMLElement).hidden = rpId !== "localhost";
  if (ceremony.kind === "assert" && Date.now() > Date.parse(ceremony.offer.deadlineTime)) return say(late, "trouble");
  say(agreement);
  use.textContent = button;
  use.hidden = false;
  use.focus();
  const steps = stepsOf(ceremony);
  use.addEventListener("click", () => void next(ceremony, steps));
}

type Step = { readonly button: string; readonly run: () => Promise<Partial<Outcome>> };
type Steps = { done: Partial<Outcome>; left: Step[] };

/** Each touch has a click of its own: browsers want one, and a person should know what a touch is for. */
function stepsOf(ceremony: Ceremony): Steps {
  switch (ceremony.kind) {
    case "assert":
      return { done: {}, left: [{ button: "", run: async () => ({ webauthn: await asserted(ceremony.options) }) }] };
    case "confirm":
      return { done: {}, left: [{ button: "", run: async () => ({ existing: await asserted(ceremony.existing) }) }] };
    case "enroll":
      return { done: {}, left: enrollSteps(ceremony) };
  }
}

function enrollSteps({ options, existing }: EnrollCeremony): Step[] {
  const create = { button: "Now enroll the new key", run: async () => ({ webauthn: await created(options) }) };
  if (existing === undefined) return [create];
  return [{ button: "", run: async () => ({ existing: await asserted(existing) }) }, create];
}

async function next(ceremony: Ceremony, steps: Steps): Promise<void> {
  const [step] = steps.left;
  if (step === undefined) return;
  use.disabled = true;
  say("Follow your browser: it asks for your key.");
  try {
    steps.done = { ...steps.done, ...(await step.run()) };
    steps.left.shift();
  } catch (error) {
    use.disabled = false;
    say(troubleOf(error instanceof Error || error instanceof DOMException ? error.name : "", ceremony.kind), "trouble");
    return;
  }
  const [following] = steps.left;
  if (following === undefined) return deliver(ceremony, { ...steps.done, state: ceremony.state });
  use.disabled = false;
  use.textContent = following.button;
  use.focus();
  say("Confirmed by a key that you have.");
}

/** The address is made here, of a number: a link cannot say where an answer goes. */
function deliver({ port, state }: Ceremony, outcome: Outcome): void {
  const answer = base64urlOf(Uint8Array.from(new TextEncoder().encode(JSON.stringify(outcome))).buffer);
  use.hidden = true;
  if (port !== undefined) {
    say("Done. Go back to your terminal: you may close this window.");
    location.replace(`http://127.0.0.1:${port}/?state=${state}&answer=${answer}`);
    return;
  }
  const text = element("answer", HTMLTextAreaElement);
  text.value = answer;
  element("paste", HTMLElement).hidden = false;
  say("Done. Your terminal waits for the text below.");
  text.focus();
  text.select();
  element("copy", HTMLButtonElement).addEventListener("click", () => void copy(text));
}

async function copy(text: HTMLTextAreaElement): Promise<void> {
  text.select();
  try {
    await navigator.clipboard.writeText(text.value);
    say("Copied.");
  } catch {
    say("This browser does not copy for this page: the text is selected, copy it yourself.");
  }
}

const optionsOf = (ceremony: Exclude<Ceremony, EnrollCeremony>): RequestOptions =>
  ceremony.kind === "assert" ? ceremony.options : ceremony.existing;

const credentialsOf = (descriptors: RequestOptions["allowCredentials"]): PublicKeyCredentialDescriptor[] =>
  descriptors.map(({ id, type, transports }) => ({
    id: bytesOf(id),
    type,
    ...(transports !== undefined && { transports: transports.filter(isTransport) }),
  }));
const isTransport = (word: string): word is AuthenticatorTransport =>
  ["ble", "hybrid", "internal", "nfc", "usb", "smart-card"].includes(word);

async function asserted({ challenge, rpId, allowCredentials, userVerification }: RequestOptions): Promise<Assertion> {
  const publicKey = {
    challenge: bytesOf(challenge),
    rpId,
    allowCredentials: credentialsOf(allowCredentials),
    userVerification,
  };
  const made = await navigator.credentials.get({ publicKey });
  if (!(made instanceof PublicKeyCredential) || !(made.response instanceof AuthenticatorAssertionResponse))
    throw new DOMException("", "UnknownError");
  const { clientDataJSON, authenticatorData, signature, userHandle } = made.response;
  return {
    id: made.id,
    type: "public-key",
    response: {
      clientDataJSON: base64urlOf(clientDataJSON),
      authenticatorData: base64urlOf(authenticatorData),
      signature: base64urlOf(signature),
      ...(userHandle !== null && userHandle.byteLength > 0 && { userHandle: base64urlOf(userHandle) }),
    },
  };
}

async function created(options: CreationOptions): Promise<Registration> {
  const publicKey = {
    ...options,
    pubKeyCredParams: [...options.pubKeyCredParams],
    challenge: bytesOf(options.challenge),
    user: { ...options.user, id: bytesOf(options.user.id) },
    excludeCredentials: credentialsOf(options.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  if (!(made instanceof PublicKeyCredential) || !(made.response instanceof AuthenticatorAttestationResponse))
    throw new DOMException("", "UnknownError");
  const { clientDataJSON, attestationObject } = made.response;
  return {
    id: made.id,
    type: "public-key",
    response: {
      clientDataJSON: base64urlOf(clientDataJSON),
      attestationObject: base64urlOf(attestationObject),
      transports: made.response.getTransports(),
    },
  };
}

addEventListener("hashchange", () => location.reload()); // another address, opened in this window
void begin();
