// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 refuses to load without it
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { formatInstant, type Instant, later } from "../domain/time.ts";
import type { Endpoint } from "../flows/ports.ts";

const dayMs = 86_400_000;
const lifeMs = 3650 * dayMs; // it is pinned by the trust ConfigMap, and nobody is there to renew it
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/**
 * A self-signed certificate for these DNS names and addresses, and its key (PKCS #8), both PEM. It can sign no other: who
 * pins it trusts the endpoint and nothing else.
 */
export async function selfSigned(hosts: readonly string[], now: Instant): Promise<Endpoint> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const names = hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=kube-elevate",
    notBefore: new Date(formatInstant(later(now, -dayMs))), // for clients whose clock is behind
    notAfter: new Date(formatInstant(later(now, lifeMs))),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replaceAll(/.{64}(?=.)/g, "$&\n")}\n-----END PRIVATE KEY-----\n`;
  return { key, certificate: `${certificate.toString("pem")}\n` };
}
