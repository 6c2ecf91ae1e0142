import type { ElevationRequest, Offer, Verification } from "../api/v1alpha1/elevation-request.ts";
import { challengePreimage, sealPreimage } from "../domain/challenge.ts";
import { later, parseDurationMs, parseInstant } from "../domain/time.ts";
import { isBackupEligible } from "../mfa/authenticator-data.ts";
import { sha256 } from "../mfa/digest.ts";
import { sealChecker } from "../mfa/seals.ts";
import { webauthn } from "../mfa/webauthn.ts";

// What the object alone proves, years later, with no cluster and no verifier. Loaded by `verify` alone.

/** good: it holds. bad: it does not. open: it could not be checked, or nothing can check it. */
export type Finding = { readonly is: "good" | "bad" | "open"; readonly says: string };

/** `sealKeys`: the public seal keys by id, from the trust ConfigMap; undefined: it is not at hand. */
export async function checkEvidence(
  request: ElevationRequest,
  sealKeys: ReadonlyMap<string, string> | undefined,
): Promise<readonly Finding[]> {
  const { offer, verification } = request.status ?? {};
  if (offer === undefined || verification === undefined) return [unproven(request)];
  const seal = sealFinding(request, offer, verification, sealKeys);
  return [
    await keyFinding(request, offer, verification),
    seal,
    timeFinding(request, offer, verification, seal.is === "good"),
    { is: "open", says: "when it was granted and when it ended is the controller's word: nothing here signs that" },
  ];
}

async function keyFinding(request: ElevationRequest, offer: Offer, verification: Verification): Promise<Finding> {
  const { method, webauthn: evidence } = verification;
  if (method === "TOTP")
    return evidence === undefined
      ? { is: "open", says: "it was proven by a code, which signs nothing: the verifier's seal is all there is" }
      : { is: "bad", says: "it says TOTP, and holds the answer of a key" };
  if (evidence === undefined) return { is: "bad", says: "it says WebAuthn, and holds no answer of a key" };
  const { credentialId, publicKey, rpId, origin, authenticatorData, clientDataJSON, signature } = evidence;
  const backupEligible = isBackupEligible(Buffer.from(authenticatorData, "base64url"));
  const response = { authenticatorData, clientDataJSON, signature };
  const held = await webauthn.assert(
    {
      challenge: sha256(challengePreimage(request, offer)),
      credential: { credentialId, publicKey, rpId, origin, backupEligible },
      userId: "",
    },
    { id: credentialId, type: "public-key", response },
  );
  if ("reason" in held) return { is: "bad", says: `the key did not sign this request: ${held.message}` };
  const where = rpId === "localhost" ? `${origin} (development)` : `${origin} (relying party ${rpId})`;
  return { is: "good", says: `a key signed exactly this request, with its user verified, at ${where}` };
}

function sealFinding(
  request: ElevationRequest,
  offer: Offer,
  verification: Verification,
  sealKeys: ReadonlyMap<string, string> | undefined,
): Finding {
  const { keyID, seal, authenticator, verificationTime } = verification;
  if (sealKeys === undefined)
    return {
      is: "open",
      says: "the verifier's seal was not checked: which authenticator, of whom, and when is under it. Its public keys are in ConfigMap kube-elevate-trust: --trust FILE",
    };
  if (!sealKeys.has(keyID)) return { is: "bad", says: `the trust ConfigMap holds no key ${keyID}, which sealed it` };
  return sealChecker(sealKeys).holds(keyID, seal, sealPreimage(sha256, request, offer, verification))
    ? { is: "good", says: `the verifier sealed it: proven with authenticator ${authenticator} at ${verificationTime}` }
    : { is: "bad", says: "the verifier's seal does not hold" };
}

const granted = ["Granting", "Active", "Expired"];

/** No access is ever given without a proof. */
function unproven({ status }: ElevationRequest): Finding {
  return granted.includes(status?.phase ?? "")
    ? { is: "bad", says: `it was ${status?.phase ?? ""}, and holds no proof` }
    : { is: "open", says: "nobody proved this request, and nothing was granted: there is no evidence in it" };
}

/** No grant is longer than what was proven; from when on is under the seal. */
function timeFinding(
  { status }: ElevationRequest,
  offer: Offer,
  { method, verificationTime }: Verification,
  isSealed: boolean,
): Finding {
  const expires = status?.grant?.expirationTime;
  if (expires === undefined)
    return granted.includes(status?.phase ?? "")
      ? { is: "bad", says: `it was ${status?.phase ?? ""}, and does not say until when` }
      : { is: "open", says: "it says that nothing was granted under it" };
  const lasts = offer.methods.find((offered) => offered.method === method)?.duration ?? "";
  const [from, until] = [parseInstant(verificationTime), parseInstant(expires)];
  const isWithin = from > 0 && until > 0 && until <= later(from, parseDurationMs(lasts) ?? 0);
  if (!isWithin)
    return { is: "bad", says: `it says that it was granted until ${expires}: that is not within the offered ${lasts}` };
  return isSealed
    ? { is: "good", says: `it was granted until ${expires}, no longer than the ${lasts} that were offered` }
    : {
        is: "open",
        says: `it says that it was granted until ${expires}; from when the ${lasts} count is under the seal`,
      };
}
