import { writeFile } from "node:fs/promises";
import { startTemporaryControlPlane } from "../controlplane/temporary.ts";
import { underAttack } from "./attacks.ts";
import { expiry } from "./expiry.ts";
import { memory } from "./memory.ts";
import { persons } from "./persons.ts";
import { proof } from "./proof.ts";
import { type Bench, documentOf, printTable, type Row } from "./report.ts";

// Measures what the promises cost, each bench on a control plane of its own, beside the floor of the same run. Machines
// differ and are noisy: read the ratios. Progress goes to stderr, a table for each bench and one JSON document to stdout.
// Arguments: the name of one bench, or "" for all; a file for the document besides.

const benches: { readonly [name: string]: Bench } = { proof, expiry, memory, attacks: underAttack };

const [only = "", path = ""] = process.argv.slice(2);
if (only !== "" && benches[only] === undefined)
  throw new Error(`there is no bench ${only}, but ${Object.keys(benches).join(", ")}`);

const rows: Row[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (only !== "" && name !== only) continue;
  const found = await onControlPlane(name, bench);
  printTable(found);
  rows.push(...found);
}
const document = `${JSON.stringify(documentOf(rows, new Date()), undefined, 2)}\n`;
process.stdout.write(document);
if (path !== "") await writeFile(path, document);

async function onControlPlane(name: string, bench: Bench): Promise<readonly Row[]> {
  const tell = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  const users = persons.map((person) => ({ name: person, groups: ["devs"] }));
  const plane = await startTemporaryControlPlane({ users, log: tell });
  try {
    return await bench(plane, tell);
  } finally {
    await plane.stop();
  }
}
