/**
 * Stands in the bundle for @peculiar/asn1-schema and asn1-ecc, which weigh megabytes: of all that they read, a key's answer
 * has Ecdsa-Sig-Value alone (RFC 3279, 2.2.3), in DER (X.690), and of P-256, so that each length is one byte.
 */
export const ECDSASigValue = Symbol("Ecdsa-Sig-Value");

type Signature = { readonly r: Uint8Array; readonly s: Uint8Array };

export const AsnParser = {
  /** r and s with their sign, as they stand there. Throws where it is anything else, of any other schema too. */
  parse(der: Uint8Array, schema: unknown): Signature {
    if (schema !== ECDSASigValue) throw new Error("the bundle reads no ASN.1 but Ecdsa-Sig-Value");
    const [tag, length, ...content] = der;
    if (tag !== 0x30 || length !== content.length || content.length > 0x7f) throw notOne();
    const [r, rest] = integerOf(content);
    const [s, more] = integerOf(rest);
    if (more.length > 0) throw notOne();
    return { r, s };
  },
};

function integerOf([tag, length = 0, ...bytes]: readonly number[]): readonly [Uint8Array, readonly number[]] {
  const [first = 0x80, second = 0] = bytes;
  const padded = first === 0 && length > 1 && second < 0x80;
  if (tag !== 0x02 || length === 0 || length > bytes.length || first >= 0x80 || padded) throw notOne();
  return [Uint8Array.from(bytes.slice(0, length)), bytes.slice(length)];
}

const notOne = (): Error => new Error("not an Ecdsa-Sig-Value");
