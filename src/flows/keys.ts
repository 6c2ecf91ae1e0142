import { formatInstant, type Instant } from "../domain/time.ts";
import type { Endpoint, KeyMaker, Keys, Stored, TrustStore } from "./ports.ts";

// Secret kube-elevate-keys holds `seal-key.<id>`, `seed-key.<id>`, `endpoint-key.<id>` and `endpoint-certificate.<id>`;
// ConfigMap kube-elevate-trust holds what the settings say, `ca.crt`, and `seal-key.<id>` with the public halves.
// The rules: nothing in the Secret is ever changed or taken away, keys are only added. A seal key and a seed key come in
// pairs under one id, which an authenticator's `status.keyID` names for its life: so a pair that is added later changes
// nobody's seed. An id is the time of its making; the newest, last in the order of text, serves for all that is new.

export type TrustSettings = {
  readonly url: string;
  readonly clusterName: string;
  readonly clusterUID: string;
  readonly contact: string;
  /** Both empty: keys (WebAuthn) cannot be enrolled or used. */
  readonly pageURL: string;
  readonly rpId: string;
  /** Published as ca.crt instead of our own certificates, where a given certificate is served. */
  readonly caCertificates?: string | undefined;
};

/** The Secret or the ConfigMap is not as we left it: a person has to look, we change nothing. */
export class KeysUnusable extends Error {
  override readonly name = "KeysUnusable";
}

const triesMax = 20; // a try is lost to another verifier that starts: there are few, and each wins once
const ownHosts = [
  "verifier",
  "verifier.elevate-system",
  "verifier.elevate-system.svc",
  "localhost",
  "127.0.0.1",
  "::1",
];

/** The keys, made by the first verifier that starts on an empty Secret; and what others are told of them. */
export async function ensureKeys(
  store: TrustStore,
  make: KeyMaker,
  settings: TrustSettings,
  clock: () => Instant,
): Promise<Keys> {
  const found = await ensureSecret(store, make, new URL(settings.url).hostname.replaceAll(/[[\]]/g, ""), clock);
  await publish(store, make, found, settings);
  const { sealKeys, seedKeys, endpoint } = found;
  return { sealKeys, seedKeys, endpoint };
}

/** The public halves of the seal keys, by id, that the trust ConfigMap holds: what controller and plugin check by. */
export const sealKeysOf = (trust: Stored["data"]): ReadonlyMap<string, string> => byId(trust, "seal-key.");

type Readable = Pick<Keys, "sealKeys" | "seedKeys"> & { readonly endpoints: readonly Endpoint[] };
type Found = Readable & { readonly endpoint: Endpoint };

/** An endpoint that people come to reach under another host gets a further certificate; clients trust the old one too. */
async function ensureSecret(store: TrustStore, make: KeyMaker, host: string, clock: () => Instant): Promise<Found> {
  for (let tries = 0; tries < triesMax; tries++) {
    const trusted = sealKeysOf((await store.trust()).data); // before the Secret: who fills both fills that one first
    const seen = await store.keys();
    const empty = Object.keys(seen.data).length === 0;
    if (empty && trusted.size > 0)
      throw new KeysUnusable(
        "secret kube-elevate-keys is empty, and configmap kube-elevate-trust names keys that it held: bring them back, new ones would make every authenticator worthless",
      );
    const kept = empty ? undefined : read(seen.data, make);
    const endpoint = kept?.endpoints.find((pair) => make.serves(pair, host));
    if (kept !== undefined && endpoint !== undefined) return { ...kept, endpoint };
    const now = clock();
    const id = formatInstant(now).replaceAll(/[-:.]/g, "");
    const keys = empty ? { [`seal-key.${id}`]: make.sealKey(), [`seed-key.${id}`]: make.seedKey() } : {};
    const { key, certificate } = await make.endpoint([...new Set([host, ...ownHosts])], now);
    const added = { ...keys, [`endpoint-key.${id}`]: key, [`endpoint-certificate.${id}`]: certificate };
    await store.swapKeys(seen, { ...added, ...seen.data }); // won or lost: what counts is what is there now
  }
  throw new KeysUnusable("secret kube-elevate-keys does not settle: something else is writing it");
}

/** All that the Secret holds, or one error that names everything that is wrong with it. */
function read(data: Stored["data"], make: KeyMaker): Readable {
  const wrong: string[] = [];
  const missing = (key: string): void => void wrong.push(`${key} is missing`);
  const check = (key: string, reads: () => unknown): void => {
    if (!canDo(reads)) wrong.push(`${key} cannot be read`);
  };
  const [sealKeys, seedKeys] = [byId(data, "seal-key."), byId(data, "seed-key.")];
  const [endpointKeys, certificates] = [byId(data, "endpoint-key."), byId(data, "endpoint-certificate.")];
  if (sealKeys.size + seedKeys.size === 0) missing("seal-key.<id>");
  if (endpointKeys.size + certificates.size === 0) missing("endpoint-key.<id>");
  for (const id of new Set([...sealKeys.keys(), ...seedKeys.keys()])) {
    const [sealKey, seedKey] = [sealKeys.get(id), seedKeys.get(id)];
    if (sealKey === undefined) missing(`seal-key.${id}`);
    else check(`seal-key.${id}`, () => make.publicSealKey(sealKey));
    if (seedKey === undefined) missing(`seed-key.${id}`);
    else check(`seed-key.${id}`, () => make.checkSeedKey(seedKey));
  }
  const endpoints: Endpoint[] = [];
  for (const id of [...new Set([...endpointKeys.keys(), ...certificates.keys()])].toSorted().toReversed()) {
    const [key, certificate] = [endpointKeys.get(id), certificates.get(id)];
    if (key === undefined) missing(`endpoint-key.${id}`);
    if (certificate === undefined) missing(`endpoint-certificate.${id}`);
    if (key === undefined || certificate === undefined) continue;
    check(`endpoint-certificate.${id} with its key`, () => make.serves({ key, certificate }, "localhost"));
    endpoints.push({ key, certificate });
  }
  if (wrong.length === 0) return { sealKeys, seedKeys, endpoints };
  throw new KeysUnusable(
    `secret kube-elevate-keys is incomplete (${wrong.join("; ")}): bring back what it held, it is never overwritten`,
  );
}

/** What the settings say now, and every public half that is not there yet. */
async function publish(store: TrustStore, make: KeyMaker, found: Found, settings: TrustSettings): Promise<void> {
  const sealKeys = [...found.sealKeys].map(([id, sealKey]) => [`seal-key.${id}`, make.publicSealKey(sealKey)] as const);
  const { url, clusterName, clusterUID, contact, pageURL, rpId, caCertificates } = settings;
  const ca = caCertificates ?? found.endpoints.map(({ certificate }) => certificate).join("");
  const wanted = {
    url,
    clusterName,
    clusterUID,
    contact,
    pageURL,
    rpId,
    "ca.crt": ca,
    ...Object.fromEntries(sealKeys),
  };
  for (let tries = 0; tries < triesMax; tries++) {
    const seen = await store.trust();
    const other = sealKeys.find(([key, publicKey]) => (seen.data[key] ?? publicKey).trim() !== publicKey.trim());
    if (other !== undefined)
      throw new KeysUnusable(
        `configmap kube-elevate-trust and secret kube-elevate-keys hold two keys as ${other[0]}: bring back the right one`,
      );
    if (Object.entries(wanted).every(([key, text]) => seen.data[key] === text)) return;
    await store.swapTrust(seen, { ...seen.data, ...wanted });
  }
  throw new KeysUnusable("configmap kube-elevate-trust does not settle: something else is writing it");
}

function byId(data: Stored["data"], prefix: string): ReadonlyMap<string, string> {
  const ours = Object.entries(data).filter(([key]) => key.startsWith(prefix));
  return new Map(ours.map(([key, text]) => [key.slice(prefix.length), text]));
}

function canDo(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
