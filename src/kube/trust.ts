import type { Stored, TrustStore } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { at, core } from "./paths.ts";
import { swap } from "./swap.ts";

type Data = Stored["data"];

/** Secret kube-elevate-keys and ConfigMap kube-elevate-trust of `namespace`. What is swapped in replaces all of it. */
export function createTrustStore(client: KubeClient, namespace = "elevate-system"): TrustStore {
  const secrets = { collection: core("secrets", namespace), name: "kube-elevate-keys" };
  const configMaps = { collection: core("configmaps", namespace), name: "kube-elevate-trust" };
  const read = async ({ collection, name }: typeof secrets): Promise<Stored> => {
    const found = await client.get<Holder>(collection, name);
    if (found === undefined) throw new Error(`${name} is not in namespace ${namespace}: the install makes it`);
    return { data: found.data ?? {}, resourceVersion: found.metadata.resourceVersion };
  };
  const write = async ({ collection, name }: typeof secrets, seen: Stored, data: Data) =>
    swap(client, at(collection, name), { metadata: seen }, { data: replacing(seen, data) });
  return {
    async keys() {
      const { data, resourceVersion } = await read(secrets);
      return { data: each(data, (value) => Buffer.from(value, "base64").toString("utf8")), resourceVersion };
    },
    swapKeys: async (seen, data) =>
      write(
        secrets,
        seen,
        each(data, (value) => Buffer.from(value, "utf8").toString("base64")),
      ),
    trust: async () => read(configMaps),
    swapTrust: async (seen, data) => write(configMaps, seen, data),
  };
}

/** For a merge patch: what is not in `data` goes. */
export function replacing(seen: Stored, data: Data): { readonly [key: string]: string | null } {
  const dropped = Object.keys(seen.data).filter((key) => !(key in data));
  return { ...Object.fromEntries(dropped.map((key) => [key, null])), ...data };
}

export type Holder = { readonly metadata: { readonly resourceVersion: string }; readonly data?: Data | null };
const each = (data: Data, change: (value: string) => string): Data =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, change(value)]));
