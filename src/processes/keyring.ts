import { readFile } from "node:fs/promises";
import { ensureKeys, KeysUnusable } from "../flows/keys.ts";
import type { Keys, TrustStore, VerifierPorts } from "../flows/ports.ts";
import type { ServerCertificate } from "../http/server.ts";
import type { KubeClient } from "../kube/client.ts";
import { readCluster } from "../kube/cluster.ts";
import { createTrustStore } from "../kube/trust.ts";
import { keyMaker } from "../mfa/keys.ts";
import type { Settings } from "../settings.ts";

/** What a verifier needs before it can serve. */
export type Material = {
  readonly keys: Keys;
  readonly cluster: VerifierPorts["cluster"];
  readonly tls: ServerCertificate;
};

/** Reads it, and makes keys where there are none. Throws where the API server is away or what is found cannot be used. */
export function materialReader(client: KubeClient, settings: Settings): () => Promise<Material> {
  const store = neverRefilled(createTrustStore(client));
  return async () => {
    const given = await givenCertificate(settings);
    const { url, clusterName, contact, pageUrl: pageURL, rpId } = settings;
    const cluster = await readCluster(client, clusterName);
    const trust = { url, clusterName, clusterUID: cluster.uid, contact, pageURL, rpId, caCertificates: given?.cert };
    const keys = await ensureKeys(store, keyMaker, trust, () => client.now());
    const tls = given ?? { cert: keys.endpoint.certificate, key: keys.endpoint.key };
    return { keys, cluster, tls };
  };
}

/** Whether two readings come to the same; the trust ConfigMap has its own way of being put right. */
export function isSame(a: Material, b: Material): boolean {
  const text = ({ keys, tls }: Material): string => JSON.stringify([[...keys.sealKeys], [...keys.seedKeys], tls]);
  return text(a) === text(b);
}

/** New keys would make every factor worthless: who has seen the Secret filled does not fill it again when it is empty. */
function neverRefilled(store: TrustStore): TrustStore {
  let filled = false;
  return {
    ...store,
    async keys() {
      const seen = await store.keys();
      const empty = Object.keys(seen.data).length === 0;
      if (empty && filled) throw new KeysUnusable("secret kube-elevate-keys was emptied: bring back what it held");
      filled ||= !empty;
      return seen;
    },
  };
}

/** Read again each time, so a certificate that is renewed in place is served without a restart. */
async function givenCertificate({ tlsCertFile, tlsKeyFile }: Settings): Promise<ServerCertificate | undefined> {
  if (tlsCertFile === "") return undefined;
  const [cert, key] = await Promise.all([readFile(tlsCertFile, "utf8"), readFile(tlsKeyFile, "utf8")]);
  try {
    keyMaker.serves({ certificate: cert, key }, "localhost"); // throws where the two do not belong together
  } catch (cause) {
    throw new Error(`${tlsCertFile} and ${tlsKeyFile} are no certificate and its key`, { cause });
  }
  return { cert, key };
}
