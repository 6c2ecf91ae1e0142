import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { instant, parseInstant } from "../domain/time.ts";
import { keyMaker } from "./keys.ts";

const now = parseInstant("2026-11-24T10:00:00Z");
const hosts = ["verifier.elevate-system.svc", "localhost", "127.0.0.1", "::1", "elevate.example.com"];

test("a certificate serves the names it was made for, and no other; it signs no other certificate", async () => {
  const pair = await keyMaker.endpoint(hosts, now);
  for (const host of hosts) expect(keyMaker.serves(pair, host)).toBe(true);
  for (const host of ["example.com", "x.localhost", "127.0.0.2", "kube-elevate"])
    expect(keyMaker.serves(pair, host)).toBe(false);
  const leaf = new X509Certificate(pair.certificate);
  expect(leaf.ca).toBe(false);
  expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  expect(leaf.verify(leaf.publicKey)).toBe(true);
  expect(instant(leaf.validFromDate.getTime())).toBe(now - 86_400_000);
  expect(leaf.validToDate.getTime() - now).toBeGreaterThan(9 * 365 * 86_400_000);
  const another = await keyMaker.endpoint(hosts, now);
  expect(another.certificate).not.toBe(pair.certificate);
  expect(() => keyMaker.serves({ ...pair, key: another.key }, "localhost")).toThrow("not of this key");
});

test("a client that trusts the certificate, as the trust ConfigMap tells it, connects by name and by address; others do not", async () => {
  const pair = await keyMaker.endpoint(hosts, instant(Date.now()));
  const another = await keyMaker.endpoint(hosts, instant(Date.now()));
  await using server = createServer({ key: pair.key, cert: pair.certificate }, (socket) => socket.end("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const greet = async (ca: string, servername?: string): Promise<string> => {
    const socket: TLSSocket = connect({ host: "127.0.0.1", port, ca, ...(servername !== undefined && { servername }) });
    let heard = "";
    for await (const chunk of socket) heard += String(chunk);
    return heard;
  };
  const both = pair.certificate + another.certificate;
  expect(await greet(pair.certificate)).toBe("hello");
  expect(await greet(both, "verifier.elevate-system.svc")).toBe("hello");
  await expect(greet(another.certificate)).rejects.toThrow("certificate");
  await expect(greet(pair.certificate, "example.com")).rejects.toThrow("altnames");
});

test("keys are new each time, and read again as what they are", () => {
  expect(keyMaker.sealKey()).not.toBe(keyMaker.sealKey());
  expect(keyMaker.seedKey()).not.toBe(keyMaker.seedKey());
  expect(keyMaker.publicSealKey(keyMaker.sealKey())).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
  expect(() => keyMaker.publicSealKey(keyMaker.seedKey())).toThrow("Ed25519");
  keyMaker.checkSeedKey(keyMaker.seedKey());
  for (const bad of ["", "AAAA", `${keyMaker.seedKey()}=`, keyMaker.seedKey().slice(1)])
    expect(() => keyMaker.checkSeedKey(bad)).toThrow("32 bytes");
});

test("a key of another kind is no seal key", async () => {
  const { key } = await keyMaker.endpoint(["localhost"], now);
  expect(() => keyMaker.publicSealKey(key)).toThrow("Ed25519");
});
