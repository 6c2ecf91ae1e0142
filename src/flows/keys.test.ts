import { expect, test } from "vitest";
import { fakeTrust } from "../../test/fakes/trust.ts";
import { instant, later, parseInstant } from "../domain/time.ts";
import { keyMaker } from "../mfa/keys.ts";
import { sealChecker, sealer } from "../mfa/seals.ts";
import { ensureKeys, KeysUnusable, sealKeysOf } from "./keys.ts";
import type { Stored, TrustStore } from "./ports.ts";

// With the real keys: that what is made can be read again is half of what must hold here.

const now = parseInstant("2026-11-24T10:00:00Z");
const settings = {
  url: "https://elevate.example.com:8443/x",
  clusterName: "prod-eu",
  clusterUID: "c-1",
  contact: "#platform-oncall",
  pageURL: "https://elevate.example.com",
  rpId: "elevate.example.com",
};
const ensure = async (store: TrustStore, changed: Partial<Parameters<typeof ensureKeys>[2]> = {}, at = now) =>
  ensureKeys(store, keyMaker, { ...settings, ...changed }, () => at);
const certificates = (trust: Stored["data"]): readonly string[] =>
  trust["ca.crt"]?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];

test("KY01: the first verifier fills the empty Secret and ConfigMap; after a restart the same keys serve", async () => {
  const store = fakeTrust();
  const keys = await ensure(store);
  const [secret, trust] = [await store.keys(), await store.trust()];
  const id = "20261124T100000000Z";
  expect(Object.keys(secret.data).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    `endpoint-certificate.${id}`,
    `endpoint-key.${id}`,
    `seal-key.${id}`,
    `seed-key.${id}`,
  ]);
  expect([...keys.sealKeys.keys(), ...keys.seedKeys.keys()]).toEqual([id, id]);
  expect(trust.data).toEqual({
    ...settings,
    "ca.crt": keys.endpoint.certificate,
    [`seal-key.${id}`]: keyMaker.publicSealKey(secret.data[`seal-key.${id}`] ?? ""),
  });
  expect(JSON.stringify(trust.data)).not.toContain("PRIVATE");

  expect(await ensure(store, {}, later(now, 86_400_000))).toEqual(keys);
  expect([await store.keys(), await store.trust()]).toEqual([secret, trust]);
});

test("KY01: two verifiers that start at once end with one set of keys, and both serve with it", async () => {
  const store = fakeTrust();
  const starts = [0, 1, 2].map(async (ms) => ensure(store, {}, later(now, ms)));
  const [first, ...others] = await Promise.all(starts);
  for (const other of others) expect(other).toEqual(first);
  expect(Object.keys((await store.keys()).data)).toHaveLength(4);
  expect(sealKeysOf((await store.trust()).data).size).toBe(1);
});

test("KY01: a Secret that is incomplete or cannot be read is told by what it lacks, and is never overwritten", async () => {
  const whole = fakeTrust();
  await ensure(whole);
  const { data } = await whole.keys();
  for (const key of Object.keys(data)) {
    const { [key]: taken, ...rest } = data;
    for (const [broken, says] of [
      [rest, `${key} is missing`],
      [{ ...data, [key]: "" }, "cannot be read"],
      [{ ...data, [key]: taken?.slice(0, -40) ?? "" }, "cannot be read"],
    ] as const) {
      const store = fakeTrust(broken);
      await expect(ensure(store)).rejects.toThrow(KeysUnusable);
      await expect(ensure(store)).rejects.toThrow(says);
      expect((await store.keys()).data).toEqual(broken);
      expect((await store.trust()).data).toEqual({});
    }
  }
  const strange = fakeTrust({ note: "hello" });
  await expect(ensure(strange)).rejects.toThrow("seal-key.<id> is missing; endpoint-key.<id> is missing");
  const another = fakeTrust();
  await ensure(another);
  const [key = ""] = Object.keys(data).filter((name) => name.startsWith("endpoint-key."));
  const mixed = fakeTrust({ ...data, [key]: (await another.keys()).data[key] ?? "" });
  await expect(ensure(mixed)).rejects.toThrow("with its key cannot be read");
});

test("KY01: an emptied Secret is not filled anew while the trust names keys that it held", async () => {
  const before = fakeTrust();
  await ensure(before);
  const { data } = await before.trust();
  const emptied = fakeTrust({}, data);
  await expect(ensure(emptied)).rejects.toThrow(KeysUnusable);
  expect((await emptied.keys()).data).toEqual({});
});

test("no error tells a key", async () => {
  const store = fakeTrust();
  await ensure(store);
  const { data } = await store.keys();
  const [seed = ""] = Object.keys(data).filter((name) => name.startsWith("seed-key."));
  const { [seed]: _, ...rest } = data;
  const error: unknown = await ensure(fakeTrust(rest)).catch((caught: unknown) => caught);
  for (const secret of Object.values(data)) expect(String(error)).not.toContain(secret.slice(0, 40));
});

test("KY02: keys that are added: the newest signs and all verify; none is ever removed from the trust", async () => {
  const store = fakeTrust();
  const first = await ensure(store);
  const old = sealer(first.sealKeys);
  const seal = old.seal(old.newestKeyID, Buffer.from("said before"));
  const added = {
    "seal-key.20270101T000000000Z": keyMaker.sealKey(),
    "seed-key.20270101T000000000Z": keyMaker.seedKey(),
  };
  const seen = await store.keys();
  await store.swapKeys(seen, { ...seen.data, ...added });

  const both = await ensure(store);
  expect(sealer(both.sealKeys).newestKeyID).toBe("20270101T000000000Z");
  expect(sealer(both.sealKeys).holds(old.newestKeyID, seal, Buffer.from("said before"))).toBe(true);
  const checker = sealChecker(sealKeysOf((await store.trust()).data));
  expect(checker.holds(old.newestKeyID, seal, Buffer.from("said before"))).toBe(true);

  const dropped = Object.entries(seen.data).filter(([key]) => !/^se(al|ed)-key/.test(key));
  await store.swapKeys(await store.keys(), { ...Object.fromEntries(dropped), ...added });
  await ensure(store);
  expect([...sealKeysOf((await store.trust()).data).keys()]).toEqual([old.newestKeyID, "20270101T000000000Z"]);
});

test("a trust ConfigMap that lacks keys is filled; one that holds another key under the same id is left for a person", async () => {
  const store = fakeTrust();
  await ensure(store);
  const trust = (await store.trust()).data;
  const [sealKey = ""] = Object.keys(trust).filter((key) => key.startsWith("seal-key."));
  await store.swapTrust(await store.trust(), { note: "kept" });
  await ensure(store);
  expect((await store.trust()).data).toEqual({ ...trust, note: "kept" });

  const other = { ...trust, [sealKey]: keyMaker.publicSealKey(keyMaker.sealKey()) };
  await store.swapTrust(await store.trust(), other);
  await expect(ensure(store)).rejects.toThrow(`hold two keys as ${sealKey}`);
  expect((await store.trust()).data).toEqual(other);
});

test("the settings are followed at each start: url, name, contact, and a given certificate's own authorities", async () => {
  const store = fakeTrust();
  await ensure(store);
  await ensure(store, { contact: "", clusterName: "prod-eu-2", pageURL: "", rpId: "", caCertificates: "given" });
  const followed = { contact: "", clusterName: "prod-eu-2", pageURL: "", rpId: "", "ca.crt": "given" };
  expect((await store.trust()).data).toMatchObject(followed);
});

test("another host in the url gets a further certificate, once; the old one stays trusted", async () => {
  const store = fakeTrust();
  const before = await ensure(store);
  const at = later(now, 1);
  const after = await ensure(store, { url: "https://[2001:db8::1]:8443" }, at);
  expect(after.endpoint).not.toEqual(before.endpoint);
  expect(keyMaker.serves(after.endpoint, "2001:db8::1")).toBe(true);
  expect(await ensure(store, { url: "https://[2001:db8::1]" }, later(at, 1))).toEqual(after);
  expect(certificates((await store.trust()).data)).toEqual([after.endpoint.certificate, before.endpoint.certificate]);
  expect((await ensure(store)).endpoint).toEqual(before.endpoint);
});

test("what others keep writing ends in an error, not in a loop", async () => {
  const store = fakeTrust();
  const busy: TrustStore = { ...store, swapKeys: async () => "lost" };
  await expect(ensureKeys(busy, keyMaker, settings, () => instant(0))).rejects.toThrow("does not settle");
});
