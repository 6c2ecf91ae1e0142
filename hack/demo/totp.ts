import { createHmac } from "node:crypto";

const stepMs = 30_000;
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/**
 * An authenticator app, in a few lines and on no library of ours: the code of RFC 6238 (SHA-1, 6 digits, 30 s) for a seed in
 * base32, `stepsAgo` steps before now.
 */
export function codeOf(secret: string, nowMs: number, stepsAgo = 0): string {
  const bits = (secret.match(/[A-Z2-7]/g) ?? []).map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0"));
  const key = Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(nowMs / stepMs) - stepsAgo));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0xf; // RFC 4226 section 5.3
  const number = mac.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** A code that the app does not show, and has not shown a step ago. */
export function wrongCode(secret: string, nowMs: number): string {
  const right = [0, 1].map((stepsAgo) => codeOf(secret, nowMs, stepsAgo));
  return ["000000", "111111", "222222"].find((code) => !right.includes(code)) ?? "";
}
