import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

// Requesters may not list requests. So the names of one's own are kept here, with the end of what was granted: a hint, when
// to look whether a warning is due. Nothing else, no secret.

export type Named = { readonly namespace: string; readonly name: string };

/** `until`: when the grant ends at the latest. */
export type Kept = Named & { readonly until?: string };

export type Mine = {
  /** The newest last. */
  names(of: Owner): Promise<readonly Kept[]>;
  /** Never fails: without a folder to write to, only `kubectl elevate status` knows less. */
  add(of: Owner, kept: Kept): Promise<void>;
};

/** A user of a server. */
export type Owner = { readonly server: string; readonly username: string };

const keptMax = 50;

export function mineIn(folder: string): Mine {
  const fileOf = ({ server, username }: Owner): string =>
    join(
      folder,
      `${createHash("sha256")
        .update(JSON.stringify([server, username]))
        .digest("hex")
        .slice(0, 32)}.json`,
    );
  const names = async (of: Owner): Promise<readonly Kept[]> => {
    const text = await readFile(fileOf(of), "utf8").catch(() => "[]");
    return named(text);
  };
  const add = async (of: Owner, kept: Kept): Promise<void> => {
    const { namespace, name } = kept;
    const file = fileOf(of);
    const others = (await names(of)).filter((other) => other.name !== name || other.namespace !== namespace);
    const list = [...others, kept].slice(-keptMax);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const draft = `${file}.${String(process.pid)}`;
    await writeFile(draft, `${JSON.stringify(list)}\n`, { mode: 0o600 });
    await rename(draft, file); // a reader never sees half a file
  };
  let last: Promise<void> = Promise.resolve(); // one after the other: each reads what the one before it wrote
  return {
    names,
    add: async (of, kept) => {
      last = last.then(async () => add(of, kept)).catch(() => undefined);
      await last;
    },
  };
}

function named(text: string): readonly Kept[] {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.filter(isKept) : [];
  } catch {
    return [];
  }
}

const isName = (text: unknown): boolean => typeof text === "string" && /^[a-z0-9][a-z0-9.-]{0,252}$/.test(text);
const isKept = (item: unknown): item is Kept =>
  typeof item === "object" &&
  item !== null &&
  "namespace" in item &&
  "name" in item &&
  isName(item.namespace) &&
  isName(item.name) &&
  (!("until" in item) || typeof item.until === "string");
