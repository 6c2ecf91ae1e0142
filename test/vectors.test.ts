import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { authenticator } from "../src/api/v1alpha1/authenticator.ts";
import { elevationRequest } from "../src/api/v1alpha1/elevation-request.ts";
import { authenticatorPreimage, challengePreimage, enrollmentPreimage, sealPreimage } from "../src/domain/challenge.ts";
import { sha256 } from "../src/mfa/digest.ts";
import { sealChecker } from "../src/mfa/seals.ts";
import { deriveSeed, totp } from "../src/mfa/totp.ts";
import { totpOfAlice } from "./fakes/objects.ts";

// Golden vectors: bytes that everybody who signs or checks must agree on, for good. They were made by test/vectors/make.py,
// which shares no code with src.

const meta = z.object({
  name: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  creationTimestamp: z.string(),
});
const request = elevationRequest.extend({ metadata: meta.extend({ namespace: z.string() }) });
const { offer, verification } = elevationRequest.shape.status.unwrap().shape;
const read = <T>(name: string, schema: z.ZodType<T>): T =>
  schema.parse(JSON.parse(readFileSync(`test/vectors/${name}.json`, "utf8")));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const challenges = read(
  "challenge",
  z.array(z.object({ says: z.string(), request, offer: offer.unwrap(), preimage: z.string(), challenge: z.string() })),
);
const sealed = { says: z.string(), preimage: z.string(), seal: z.string() };
const seals = read(
  "seal",
  z.object({
    publicKey: z.string(),
    verifications: z.array(
      z.object({ ...sealed, request, offer: offer.unwrap(), verification: verification.unwrap().omit({ seal: true }) }),
    ),
    authenticators: z.array(
      z.object({
        ...sealed,
        clusterUID: z.string(),
        keyID: z.string(),
        enrollment: z.string(),
        authenticator: authenticator.extend({ metadata: meta }),
      }),
    ),
  }),
);
const seeds = read(
  "seed",
  z.array(z.object({ seedKey: z.string(), uid: z.string(), owner: z.string(), seed: z.string(), secret: z.string() })),
);

test("there are vectors", () => {
  const counts = [challenges.length, seals.verifications.length, seals.authenticators.length, seeds.length];
  expect(counts).toEqual([3, 2, 2, 4]);
});

test.each(challenges)("WA17: challenge: $says", (vector) => {
  const preimage = challengePreimage(vector.request, vector.offer);
  expect(hex(preimage)).toBe(vector.preimage);
  expect(Buffer.from(sha256(preimage)).toString("base64url")).toBe(vector.challenge);
});

const checker = sealChecker(new Map([[seals.verifications[0]?.verification.keyID ?? "", seals.publicKey]]));

test.each(seals.verifications)("WA17: seal of a proof by $says", (vector) => {
  const preimage = sealPreimage(sha256, vector.request, vector.offer, vector.verification);
  expect(hex(preimage)).toBe(vector.preimage);
  expect(checker.holds(vector.verification.keyID, vector.seal, preimage)).toBe(true);
});

test.each(seals.authenticators)("WA17: seal of an authenticator, and what enrolls it: $says", (vector) => {
  const preimage = authenticatorPreimage(vector.clusterUID, vector.keyID, vector.authenticator);
  expect(hex(preimage)).toBe(vector.preimage);
  expect(checker.holds(vector.keyID, vector.seal, preimage)).toBe(true);
  expect(hex(enrollmentPreimage(vector.clusterUID, vector.authenticator))).toBe(vector.enrollment);
});

test.each(seeds)("TO13: seed of $owner, $uid", ({ seedKey, uid, owner, seed, secret }) => {
  const subject = {
    ...totpOfAlice,
    metadata: { ...totpOfAlice.metadata, uid },
    spec: { ...totpOfAlice.spec, owner: { username: owner } },
    status: { phase: "Pending" as const, keyID: "k1" },
  };
  expect(hex(deriveSeed(Buffer.from(seedKey, "base64url"), subject))).toBe(seed);
  expect(totp({ seedKeys: new Map([["k1", seedKey]]), issuer: "c" }).enrollment(subject).secret).toBe(secret);
});
