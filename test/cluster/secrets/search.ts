// Searches for secrets in what a run has left, however they are spelled there.

export type Secret = {
  readonly what: string;
  /** Texts and bytes that are this secret, or enough of it to be of use. A code of six digits is looked for on its own. */
  readonly forms: readonly (string | Uint8Array)[];
};

export type Place = {
  readonly name: string;
  readonly bytes: Buffer;
  /** Stands before the name of each part, where it has parts. */
  readonly mark?: string;
};

/** What was found where. A form of a few letters would be found in everything, and so is no form. */
export function search(secrets: readonly Secret[], places: readonly Place[]): readonly Found[] {
  const needles = secrets.flatMap(({ what, forms }) =>
    forms.flatMap((form) => {
      if (isCode(form))
        return spellings(form)
          .slice(1)
          .map((bytes) => ({ what, bytes }));
      if (form.length < 16) throw new Error(`a form of ${what} is too short to look for`);
      return spellings(form).map((bytes) => ({ what, bytes }));
    }),
  );
  const codes = new Map(
    secrets.flatMap(({ what, forms }) => forms.filter(isCode).map((form) => [form, what] as const)),
  );
  const found = places.flatMap((place) => [
    ...needles.flatMap(({ what, bytes }) =>
      offsetsOf(place.bytes, bytes).map((at) => ({ what, where: partAt(place, at) })),
    ),
    ...codesIn(place, codes),
  ]);
  return [...new Map(found.map((one) => [`${one.what} ${one.where}`, one])).values()];
}
export type Found = { readonly what: string; readonly where: string };

/** In clear, in hex, and as base64 and base64url have it, by itself or somewhere inside of something larger. */
export function spellings(form: string | Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(form);
  const hex = bytes.toString("hex");
  const inside = [0, 1, 2].flatMap((lead) => {
    const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString("base64");
    const own = text.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + bytes.length) * 8) / 6)); // letters of no other byte
    return [own, own.replaceAll("+", "-").replaceAll("/", "_")];
  });
  return [bytes, ...new Set([hex, hex.toUpperCase(), ...inside])].map((each) => Buffer.from(each));
}

const isCode = (form: string | Uint8Array): form is string => typeof form === "string" && /^\d{6}$/.test(form);

function offsetsOf(bytes: Buffer, needle: Buffer): readonly number[] {
  const offsets: number[] = [];
  for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + 1)) offsets.push(at);
  return offsets;
}

/** Six digits that stand alone, and are no fraction of a second. */
function codesIn(place: Place, codes: ReadonlyMap<string, string>): readonly Found[] {
  const text = place.bytes.toString("latin1").replaceAll(/\d\d:\d\d:\d\d[.,]\d+/g, (time) => " ".repeat(time.length));
  return [...text.matchAll(/(?<![\w.+/-])\d{6}(?![\w.+/=-])/g)].flatMap(({ 0: digits, index }) => {
    const what = codes.get(digits);
    return what === undefined ? [] : [{ what, where: partAt(place, index) }];
  });
}

function partAt({ name, bytes, mark }: Place, offset: number): string {
  const start = mark === undefined ? -1 : bytes.lastIndexOf(mark, offset);
  if (start === -1) return name;
  const part = /^[\w./:-]*/.exec(bytes.toString("latin1", start, start + 300))?.[0] ?? "";
  return `${name} ${part}`;
}
