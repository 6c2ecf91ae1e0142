import { isoCBOR } from "@simplewebauthn/server/helpers";

type CBOR = Parameters<typeof isoCBOR.encode>[0];

/** Whether the bytes from there on are so many items of CBOR, each in its shortest form (as CTAP2 has it), and no more. */
export function isFilled(bytes: Uint8Array, from: number, items: number): boolean {
  let rest = Uint8Array.from(bytes.subarray(from));
  try {
    for (let item = 0; item < items; item++) {
      const read = Buffer.from(isoCBOR.encode(isoCBOR.decodeFirst<CBOR>(rest)));
      if (!read.equals(rest.subarray(0, read.length))) return false;
      rest = rest.subarray(read.length);
    }
  } catch {
    return false; // no CBOR, or nested too deep
  }
  return from <= bytes.length && rest.length === 0;
}
