import { type Guard, guardsOf } from "../guard.ts";

// What comes from outside: codes, keys' answers, seals, and requests to the endpoint. What the library checks of a key as
// well as we do is not here: either of the two is enough.

const server = "src/http/server.test.ts";
const hostile = "src/http/hostile.test.ts";
const slow = "src/http/slow.test.ts";

export const edgeGuards: readonly Guard[] = [
  ...guardsOf("src/mfa/seals.ts", "src/mfa/seals.test.ts", {
    "the seal": ["return verify(null, preimage, key, signature);", "return true;"],
    "a seal has one spelling": ['if (signature.toString("base64url") !== seal) return false;', ""],
    "a key that is none of Ed25519": [
      'if (key?.asymmetricKeyType !== "ed25519") return false;',
      "if (key === undefined) return false;",
    ],
    "a verifier starts with keys that can be read": [
      'if (key?.asymmetricKeyType !== "ed25519") throw',
      "if (key === undefined) continue;\n    if (false) throw",
    ],
    "a verifier starts with a key": ["if (newestKeyID === undefined) throw", "if (false) throw"],
  }),
  ...guardsOf("src/mfa/totp.ts", "src/mfa/totp.test.ts", {
    "a code is six digits": ["if (!/^[0-9]{6}$/.test(code)) return undefined;", ""],
    "no code of the step to come": [
      "epochTolerance: [periodSeconds, 0],",
      "epochTolerance: [periodSeconds, periodSeconds],",
    ],
    "no code of the step before the last": [
      "epochTolerance: [periodSeconds, 0],",
      "epochTolerance: [2 * periodSeconds, 0],",
    ],
    "the code": [
      'return found.valid && "timeStep" in found ? found.timeStep : undefined;',
      "return Math.floor(epochSeconds / periodSeconds);",
    ],
    "another authenticator has another seed": [
      "[metadata.uid, spec.owner.username].flatMap(",
      "[spec.owner.username].flatMap(",
    ],
    "another owner has another seed": ["[metadata.uid, spec.owner.username].flatMap(", "[metadata.uid].flatMap("],
    "no letter moves from UID to owner": ["return [length, bytes];", "return [Buffer.alloc(0), bytes];"],
    "a seed is of its own key": [
      "const seedKey = seedKeys.get(keyID);",
      "const seedKey = [...seedKeys.values()].at(-1);",
    ],
  }),
  ...guardsOf("src/mfa/digest.ts", "src/mfa/digest.test.ts", {
    "the codeVerifier": [
      "return wanted.length === shown.length && timingSafeEqual(wanted, shown);",
      "return wanted.length === shown.length;",
    ],
    "no codeChallenge is opened by nothing": [
      "wanted.length === shown.length && timingSafeEqual(wanted, shown)",
      "wanted.length === 0 || (wanted.length === shown.length && timingSafeEqual(wanted, shown))",
    ],
  }),
  ...guardsOf("src/mfa/client-data.ts", "src/mfa/client-data.test.ts", {
    "a ceremony is not the other one": [
      'if (said === undefined || said.members["type"] !== type) return',
      "if (said === undefined) return",
    ],
    "what was asked": ['if (members["challenge"] !== asked) return', "if (false) return"],
    "the page": [
      'if (typeof origin !== "string" || !origins.includes(origin)) return',
      'if (typeof origin !== "string") return',
    ],
    "no frame of another page": [
      "if ((crossOrigin !== undefined && crossOrigin !== false) || topOrigin !== undefined)",
      "if (topOrigin !== undefined)",
    ],
    "no page above": [" || topOrigin !== undefined)", ")"],
    "one order": ['return isWritten ? undefined : "what the browser said does not hold";', "return undefined;"],
    "one spelling": ["JSON.stringify(members) === text && ", ""],
    "no bytes that are no text": [" && Buffer.from(text).equals(bytes);", ";"],
  }),
  ...guardsOf("src/mfa/authenticator-data.ts", "src/mfa/authenticator-data.test.ts", {
    "a touch": ["if (!has(flag.present) || !has(flag.verified)) return", "if (!has(flag.verified)) return"],
    "PIN or fingerprint": ["if (!has(flag.present) || !has(flag.verified)) return", "if (!has(flag.present)) return"],
    "no flag that is unknown": ["!has(reserved) && ", ""],
    "what is backed up may be": ["(has(flag.backupEligible) || !has(flag.backedUp)) && ", ""],
    "a credential comes when one is made": ["&& has(flag.attested) === isNew;", ";"],
    "every byte is accounted for": [
      "return isKnown && isFilled(data, isNew ? endOfCredentialId(data) : fixedBytes, items)",
      "return isKnown",
    ],
  }),
  ...guardsOf("src/mfa/webauthn.ts", "src/mfa/webauthn.test.ts", {
    "the key that was asked": ["if (id !== credentialId || rawId !== id) return", "if (false) return"],
    "the key's own user": ['if (typeof userHandle === "string" && userHandle !== userId)', "if (false)"],
    "what the browser said": [
      'mistakeOfClient(clientDataJSON, { type: "webauthn.get", challenge, origins: [origin] }) ??',
      "",
    ],
    "what the key said": ['      mistakeOfAuthenticator(data, "webauthn.get");', "      undefined;"],
    "a key stays what it was enrolled as": [
      "if (isBackupEligible(data) !== backupEligible) return",
      "if (false) return",
    ],
    "one spelling of each part": [
      "key === undefined || ![id, clientDataJSON, authenticatorData, signature].every(isOnlySpelling)",
      "key === undefined",
    ],
    "the signature": ["isSignedBy(key, Buffer.concat([data, sha256(client)]), bytes(signature));", "true;"],
    "an attestation is taken away": ["attestationObject: text(unattested(data)) }", "attestationObject }"],
    "the length of an id": [" && bytes(id).length <= idBytesMax;", ";"],
    "a key of an algorithm that is taken": [
      "if (!isHeld || publicKeyOf(credential.publicKey) === undefined) return",
      "if (!isHeld) return",
    ],
  }),
  ...guardsOf("src/mfa/cose.ts", "src/mfa/cose.test.ts", {
    "an RSA key is long enough": ["bits >= rsaBits.min && ", ""],
    "an RSA key is not too long": [" && bits <= rsaBits.max ?", " ?"],
    "an RSA key's exponent": ["e === rsaExponent && ", ""],
    "no other member": ["algorithm === -7 && curve === 1 && size === 5)", "algorithm === -7 && curve === 1)"],
    "a key of zeros": ["return x.every((byte) => byte === 0) ? undefined : imported", "return imported"],
    "every byte is accounted for": ["if (!isFilled(cose, 0, 1)) return undefined;", ""],
  }),
  ...guardsOf("src/http/body.ts", server, {
    "one Content-Type": ["types.length === 1 && ", ""],
    "a bound on bodies": ["if (left >= 0) chunks.push(chunk);", "if (chunk) chunks.push(chunk);"],
    "JSON alone": ["if (isJson && !encoded) return undefined;", "if (!encoded) return undefined;"],
    "a body is what its schema says": [
      "if (read.success) return { value: read.data };",
      "return { value: body as T };",
    ],
  }),
  ...guardsOf("src/http/body.ts", hostile, {
    "nothing compressed": ["if (isJson && !encoded) return undefined;", "if (isJson) return undefined;"],
  }),
  ...guardsOf("src/http/limits.ts", server, {
    "a limit for each address": ["outer: [ring(limits.perAddress, stores[0]), ring(", "outer: [ring("],
    "a limit for all": [
      'outer: [ring(limits.perAddress, stores[0]), ring(limits.overall, stores[1], () => "all")],',
      "outer: [ring(limits.perAddress, stores[0])],",
    ],
    "a limit for each object and codeVerifier": [
      "perCodeVerifier: ring(limits.perCodeVerifier,",
      "perCodeVerifier: ring(1e9,",
    ],
    "a stranger's posts are counted apart": ["`${objectOf(request)} ${openedBy(request)}`", "objectOf(request)"],
    "a bound on waiting answers": ["if (all >= inFlight || its", "if (its"],
    "room again when one has been told": ["      all -= 1;\n", ""],
  }),
  ...guardsOf("src/http/limits.ts", slow, {
    "a place is taken until the work is done": ["      await answer();\n", "      void answer();\n"],
    "who is being answered is not cut off": [
      "const answered = answering(socket);",
      "const answered = (): void => undefined;",
    ],
  }),
  ...guardsOf("src/http/connections.ts", "src/http/connections.test.ts", {
    "a bound on connections": ["if (open.size > limit) {", "if (false) {"],
    "who has most of them loses one": ["if (its.size > most.size) most = its;", "most = its;"],
    "a connection is kept until its last answer": [
      "if (connection.answers === 0 && open.get(name) === connection)",
      "if (open.get(name) === connection)",
    ],
  }),
  ...guardsOf("src/http/routes.ts", server, {
    "what was unexpected is not told": [
      "an error on our side: its number in the log is ${id}",
      "an error on our side: ${String(error)}",
    ],
    "paths are as they are written": [
      "const namespace = `(?=[^/]{1,63}/)(?<namespace>${dnsLabel})`;",
      "const namespace = `(?<namespace>[^/]+)`;",
    ],
  }),
  ...guardsOf("src/http/routes.ts", hostile, {
    "one host": [
      "router.use(...rings.outer, oneHost, pageRoutes(options.page));",
      "router.use(...rings.outer, pageRoutes(options.page));",
    ],
  }),
  ...guardsOf("src/http/refusal.ts", server, {
    "one answer to strangers": ['if (reason === "CallerUnknown") return', "if (false) return"],
  }),
  ...guardsOf("src/http/refusal.ts", hostile, {
    "of a body that is not read nothing is waited for": [" || isBodyUnread(response.req))", ")"],
  }),
  ...guardsOf("src/http/server.ts", server, {
    "nobody keeps an answer": ['response.setHeader("Cache-Control", "no-store");', ""],
  }),
  ...guardsOf("src/http/server.ts", slow, {
    "a handshake comes in its time": ["handshakeTimeout: headersMs,", ""],
    "a body comes in its time": ["requestTimeout: requestMs,", "requestTimeout: 0,"],
    "who does not read is closed": ["server.setTimeout(limits.silentMs);", ""],
    "keys are agreed upon once": [", secureOptions: constants.SSL_OP_NO_RENEGOTIATION }", " }"],
  }),
  ...guardsOf("src/http/server.ts", hostile, {
    "a path is a path": ['if (!plainPath.test(request.url ?? "")) request.url = "*";', ""],
    "headers are short": ["maxHeaderSize: 8 * 1024,", "maxHeaderSize: 1024 * 1024,"],
  }),
];
