import { createPrivateKey } from "node:crypto";
import { z } from "zod";
import { accountName } from "../../contract/installed.ts";
import type { Cluster } from "../support/control-plane.ts";
import { codeAt } from "../support/endpoint.ts";
import type { Secret } from "./search.ts";

// What is secret of a run, in the forms in which somebody could use it.

/** A codeVerifier or a ticket: base64url of 32 bytes. */
export const words = (what: string, text: string): Secret => ({ what, forms: [text, Buffer.from(text, "base64url")] });

/** A seed, and the codes that it shows while the test runs: each of them is good for something. */
export function seedAndCodes(user: string, seed: string, step: number): readonly Secret[] {
  const steps = Array.from({ length: 8 }, (_step, index) => step - 2 + index);
  const codes = steps.map((each) => ({ what: `code of ${user}`, forms: [codeAt(seed, each)] }));
  return [{ what: `seed of ${user}`, forms: [seed, bytesOf(seed)] }, ...codes];
}

/** What the Secret holds and is not public, and the tokens of everybody. */
export async function keysAndTokens({ kubectl, plane }: Cluster, users: readonly string[]): Promise<readonly Secret[]> {
  const text = await kubectl("admin", "get", "secret", "kube-elevate-keys", "-n", "elevate-system", "-o", "json");
  const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(JSON.parse(text));
  const keys = Object.entries(data).flatMap(([name, value]) => {
    const held = Buffer.from(value, "base64").toString();
    if (name.startsWith("endpoint-certificate.")) return [];
    if (!held.startsWith("-----")) return [words(`key ${name}`, held)];
    const lines = held.split("\n").filter((line) => /^[\w+/=]{40,}$/.test(line));
    return [{ what: `key ${name}`, forms: [...lines, privatePartOf(held)] }];
  });
  const tokens = [...users, ...["controller", "verifier", "sweeper"].map(accountName)].map((user) => {
    const token = plane.tokenOf(user);
    return { what: `token of ${user}`, forms: [token, ...token.split(".").slice(2)] }; // of a JWT its signature alone, too
  });
  return [...keys, ...tokens];
}

const privatePartOf = (pem: string): Buffer =>
  Buffer.from(String(createPrivateKey(pem).export({ format: "jwk" }).d), "base64url");

function bytesOf(base32: string): Buffer {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits =
    base32
      .match(/[A-Z2-7]/g)
      ?.map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0"))
      .join("") ?? "";
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
