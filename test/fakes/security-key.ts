import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type { Assertion, CreationOptions, Registration, RequestOptions } from "../../src/api/v1alpha1/webauthn.ts";

// A security key in software, and the browser before it: node:crypto, and a CBOR writer of its own. Each answer can be
// made wrong in each of its parts, and is signed as it is said.

export type Algorithm = "ES256" | "Ed25519" | "RS256";
type Settings = { readonly origin: string; readonly algorithm?: Algorithm; readonly rsaBits?: number };

/** What the next answer says in place of what is right. */
export type Said = {
  readonly origin?: string;
  readonly type?: string;
  readonly challenge?: string;
  readonly crossOrigin?: boolean;
  readonly topOrigin?: string;
  /** Members of clientDataJSON that come after those that are known. */
  readonly others?: { readonly [member: string]: unknown };
  /** The last word on clientDataJSON. */
  readonly clientData?: (text: string) => string | Uint8Array;
  readonly rpId?: string;
  readonly flags?: number;
  readonly signCount?: number;
  readonly aaguid?: Uint8Array;
  readonly credentialId?: Uint8Array;
  readonly publicKey?: Uint8Array;
  readonly extensions?: Cbor;
  /** The last word on authenticatorData. */
  readonly authenticatorData?: (data: Buffer) => Uint8Array;
  readonly userHandle?: string;
};

export type SecurityKey = {
  readonly credentialId: Uint8Array;
  /** COSE_Key */
  readonly publicKey: Uint8Array;
  create(options: CreationOptions, said?: Said): Registration;
  get(options: RequestOptions, said?: Said): Assertion;
};

export const flag = { up: 0x01, uv: 0x04, be: 0x08, bs: 0x10, at: 0x40, ed: 0x80 } as const;

export function securityKey({ origin, algorithm = "ES256", rsaBits = 2048 }: Settings): SecurityKey {
  const { privateKey, publicKey } = pairOf(algorithm, rsaBits);
  const [credentialId, cose] = [randomBytes(32), coseOf(publicKey)];
  let used = 0;
  const clientDataOf = (type: string, challenge: string, said: Said): Buffer => {
    const { crossOrigin = false, topOrigin, clientData = (text: string) => text } = said;
    const members = { type: said.type ?? type, challenge: said.challenge ?? challenge, origin: said.origin ?? origin };
    const text = JSON.stringify({ ...members, crossOrigin, topOrigin, ...said.others });
    return Buffer.from(clientData(text));
  };
  const authenticatorDataOf = (rpId: string, flags: number, said: Said, attested = Buffer.alloc(0)): Buffer => {
    const { extensions, authenticatorData = (data: Buffer) => data } = said;
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(said.signCount ?? ++used);
    const bits = said.flags ?? flags | (extensions === undefined ? 0 : flag.ed);
    const known = [sha256(said.rpId ?? rpId), Buffer.from([bits]), counter, attested];
    return Buffer.from(
      authenticatorData(Buffer.concat(extensions === undefined ? known : [...known, cbor(extensions)])),
    );
  };
  return {
    credentialId,
    publicKey: cose,
    create({ challenge, rp }, said = {}) {
      const id = said.credentialId ?? credentialId;
      const length = Buffer.from([id.length >> 8, id.length & 0xff]);
      const attested = Buffer.concat([said.aaguid ?? Buffer.alloc(16), length, id, said.publicKey ?? cose]);
      const authData = authenticatorDataOf(rp.id, flag.up | flag.uv | flag.at, said, attested);
      const attestation: Cbor = new Map<string, Cbor>([
        ["fmt", "none"],
        ["attStmt", new Map()],
        ["authData", authData],
      ]);
      const clientDataJSON = text(clientDataOf("webauthn.create", challenge, said));
      const response = { clientDataJSON, attestationObject: text(cbor(attestation)), transports: ["usb"] };
      return { id: text(id), rawId: text(id), type: "public-key", clientExtensionResults: {}, response };
    },
    get({ challenge, rpId }, said = {}) {
      const id = text(said.credentialId ?? credentialId);
      const clientData = clientDataOf("webauthn.get", challenge, said);
      const data = authenticatorDataOf(rpId, flag.up | flag.uv, said);
      const signature = signed(privateKey, Buffer.concat([data, sha256(clientData)]));
      const response = { clientDataJSON: text(clientData), authenticatorData: text(data), signature: text(signature) };
      const { userHandle } = said;
      return {
        id,
        rawId: id,
        type: "public-key",
        clientExtensionResults: {},
        response: { ...response, ...(userHandle !== undefined && { userHandle }) },
      };
    },
  };
}

export type Cbor = number | boolean | string | Uint8Array | ReadonlyMap<string, Cbor> | ReadonlyMap<number, Cbor>;

/** RFC 8949, what a key has need of. */
export function cbor(value: Cbor): Buffer {
  if (typeof value === "boolean") return Buffer.from([value ? 0xf5 : 0xf4]);
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  const items = [...value].flatMap(([key, item]) => [cbor(key), cbor(item)]);
  return Buffer.concat([head(5, value.size), ...items]);
}

function head(major: number, size: number): Buffer {
  if (size < 24) return Buffer.from([(major << 5) | size]);
  return Buffer.from(size < 256 ? [(major << 5) | 24, size] : [(major << 5) | 25, size >> 8, size & 0xff]);
}

/** COSE_Key of a public key that Node holds. */
export function coseOf(publicKey: KeyObject): Buffer {
  const { kty, x = "", y = "", n = "", e = "" } = publicKey.export({ format: "jwk" });
  if (kty === "EC") return coseKey([1, 2], [3, -7], [-1, 1], [-2, part(x)], [-3, part(y)]);
  if (kty === "OKP") return coseKey([1, 1], [3, -8], [-1, 6], [-2, part(x)]);
  return coseKey([1, 3], [3, -257], [-1, part(n)], [-2, part(e)]);
}

export const coseKey = (...members: readonly (readonly [number, Cbor])[]): Buffer => cbor(new Map(members));

function pairOf(algorithm: Algorithm, modulusLength: number) {
  switch (algorithm) {
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "Ed25519":
      return generateKeyPairSync("ed25519");
    case "RS256":
      return generateKeyPairSync("rsa", { modulusLength });
  }
}

const signed = (key: KeyObject, data: Uint8Array): Buffer =>
  sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", data, key);
const sha256 = (given: string | Uint8Array): Buffer => createHash("sha256").update(given).digest();
const part = (base64url: string): Buffer => Buffer.from(base64url, "base64url");
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
