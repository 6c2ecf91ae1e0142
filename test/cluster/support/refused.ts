import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import type { Said } from "./endpoint.ts";
import type { Ended } from "./plugin.ts";

// What a refusal says, and what it leaves in the cluster: the word, the exit code, and nothing that gives access.

export type Word = { readonly word: string; readonly exit: number | string };

/** Of a command: the plugin's own form, or that of admission as kubectl prints it. */
export function saidBy({ code, stderr }: Ended): Word {
  const [, plugin, admission] = /^error \((\w+)\): |denied request: (\w+): /m.exec(stderr) ?? [];
  return { word: plugin ?? admission ?? `none: ${stderr}`, exit: code };
}

/** Of the endpoint, to which no command stands between. */
export function answeredBy({ status, body }: Said): Word {
  return { word: String(body["reason"]), exit: `HTTP ${String(status)}` };
}

/** Keeps what was seen, to be read in the log of the tests. */
export function tableOfRefusals(): {
  seen<T extends Word>(refusal: string, command: string, said: T): T;
  text(): string;
} {
  const rows = [["REFUSAL", "COMMAND", "WORD", "EXIT"]];
  return {
    seen: (refusal, command, said) => {
      rows.push([refusal, command, said.word, String(said.exit)]);
      return said;
    },
    text: () => aligned(rows),
  };
}

/** Rows under one another, for people to read. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd();
  return `${rows.map(line).join("\n")}\n`;
}

export type Standing = { readonly bindings: readonly string[]; readonly requests: ReadonlyMap<string, string> };

/** Every RoleBinding anywhere, and every request with its phase and reason. */
export async function standing({ ask }: ControlPlane): Promise<Standing> {
  const list = async (path: string) => lists.parse((await ask("admin", "GET", path)).body).items;
  const [bindings, requests] = await Promise.all([
    list("/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    list("/apis/kube-elevate.dev/v1alpha1/elevationrequests"),
  ]);
  return {
    bindings: bindings.map(nameOf),
    requests: new Map(requests.map((one) => [nameOf(one), `${one.status?.phase ?? ""}/${one.status?.reason ?? ""}`])),
  };
}

/** What there is now and was not before. */
export async function since(
  before: Standing,
  plane: ControlPlane,
): Promise<{ readonly bindings: readonly string[]; readonly requests: readonly string[] }> {
  const { bindings, requests } = await standing(plane);
  return {
    bindings: bindings.filter((name) => !before.bindings.includes(name)),
    requests: [...requests].filter(([name]) => !before.requests.has(name)).map(([, phase]) => phase),
  };
}

/** The bindings that somebody ever had the API server store under a name of ours, gone ones too. */
export async function everBound({ auditLog }: ControlPlane): Promise<readonly string[]> {
  const lines = (await readFile(auditLog, "utf8")).split("\n").filter((line) => line.includes('"rolebindings"'));
  return lines
    .map((line) => writes.parse(JSON.parse(line)))
    .filter(({ verb, requestURI }) => verb === "create" && !requestURI.includes("dryRun"))
    .filter(({ responseStatus }) => responseStatus.code === 201)
    .map(({ responseObject }) => responseObject?.metadata.name ?? "")
    .filter((name) => name.startsWith("elevate:"));
}

const metadata = z.object({ namespace: z.string(), name: z.string() });
const lists = z.object({
  items: z.array(
    z.object({ metadata, status: z.object({ phase: z.string(), reason: z.string() }).partial().optional() }),
  ),
});
const nameOf = ({ metadata: { namespace, name } }: { readonly metadata: z.infer<typeof metadata> }): string =>
  `${namespace}/${name}`;
const writes = z.object({
  verb: z.string(),
  requestURI: z.string(),
  responseStatus: z.object({ code: z.int() }),
  responseObject: z.object({ metadata: z.object({ name: z.string().optional() }) }).optional(),
});
