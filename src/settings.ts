import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import * as z from "zod";
import { parseDurationMs } from "./domain/time.ts";

// One table: each setting is a row, read here alone. Flags win over the environment, the environment over the default.
// None of them is a secret: keys and tokens are read from the API server and from files that are named here.

const port = z
  .string()
  .regex(/^\d{1,5}$/, "a port from 0 to 65535 (0: any free one)")
  .transform(Number)
  .refine((number) => number <= 65_535, "a port from 0 to 65535 (0: any free one)");
const address = z
  .string()
  .refine((text) => text === "" || text === "localhost" || isIP(text) !== 0, "an IP address or localhost");
const publicUrl = z.string().refine(isPublicUrl, "an https URL without user, query and fragment").transform(trimmed);
const pageAddress = z
  .string()
  .refine(
    (text) => text === "" || isPublicUrl(text) || isOnThisMachine(text),
    "an https URL without user, query and fragment, or http://localhost:<port> for development",
  )
  .transform(trimmed);
const relyingParty = z
  .string()
  .max(253)
  .regex(/^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, "a domain, as in example.com");
const line = z.string().regex(/^[^\p{Cc}]{0,253}$/u, "one line of at most 253 characters");
const name = line.min(1, "a name that is not empty");
const path = z.string().max(4096, "a path");
const retentionMinMs = 168 * 3_600_000; // shorter, and who misuses access outlives the record of it
const retention = z
  .string()
  .refine((text) => (parseDurationMs(text) ?? 0) >= retentionMinMs, "a duration of at least 168h, for example 720h")
  .transform((text) => parseDurationMs(text) ?? retentionMinMs);
const level = z.enum(["debug", "info", "warn", "error"], "one of debug, info, warn, error");

type Row = { readonly env: string; readonly fallback: string; readonly what: string; readonly reader: z.ZodType };

const table = {
  kubeconfig: { env: "KUBECONFIG", fallback: "", what: "kubeconfig file; none: that of the Pod", reader: path },
  healthPort: { env: "KUBE_ELEVATE_HEALTH_PORT", fallback: "8081", what: "port of /livez and /readyz", reader: port },
  endpointPort: { env: "KUBE_ELEVATE_ENDPOINT_PORT", fallback: "8443", what: "port of the endpoint", reader: port },
  bindAddress: {
    env: "KUBE_ELEVATE_BIND_ADDRESS",
    fallback: "",
    what: "address that both listen on; none: all",
    reader: address,
  },
  url: {
    env: "KUBE_ELEVATE_URL",
    fallback: "https://verifier.elevate-system.svc",
    what: "where people reach the endpoint; published in the trust ConfigMap",
    reader: publicUrl,
  },
  clusterName: {
    env: "KUBE_ELEVATE_CLUSTER_NAME",
    fallback: "kubernetes",
    what: "what people call this cluster; the same for controller and verifier",
    reader: name,
  },
  contact: {
    env: "KUBE_ELEVATE_CONTACT",
    fallback: "",
    what: "whom to ask for help, as errors print it",
    reader: line,
  },
  pageUrl: {
    env: "KUBE_ELEVATE_PAGE_URL",
    fallback: "",
    what: "page where keys are used (WebAuthn), of an origin that browsers trust; none: TOTP alone",
    reader: pageAddress,
  },
  rpId: {
    env: "KUBE_ELEVATE_RP_ID",
    fallback: "",
    what: "relying party that keys are bound to, for good: the domain of the page, or one above it",
    reader: relyingParty,
  },
  tlsCertFile: {
    env: "KUBE_ELEVATE_TLS_CERT_FILE",
    fallback: "",
    what: "certificate and its CA (PEM) instead of the self-signed certificate; published as ca.crt",
    reader: path,
  },
  tlsKeyFile: { env: "KUBE_ELEVATE_TLS_KEY_FILE", fallback: "", what: "key (PEM) of that certificate", reader: path },
  retention: {
    env: "KUBE_ELEVATE_RETENTION",
    fallback: "720h",
    what: "how long the controller keeps the record of a request that has ended; at least 168h",
    reader: retention,
  },
  logLevel: { env: "KUBE_ELEVATE_LOG_LEVEL", fallback: "info", what: "debug, info, warn or error", reader: level },
  identity: { env: "HOSTNAME", fallback: "local", what: "name of this replica in Events", reader: name },
} as const satisfies { readonly [key: string]: Row };

type Key = keyof typeof table;
export type Settings = { readonly [K in Key]: z.infer<(typeof table)[K]["reader"]> };
export type Environment = { readonly [name: string]: string | undefined };
export type Mistake = { readonly mistake: string };

/** The settings that these flags and this environment make, or what is wrong with the first bad one. */
export function readSettings(argv: readonly string[], env: Environment): Settings | Mistake {
  if (env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0")
    return {
      mistake: `NODE_TLS_REJECT_UNAUTHORIZED=0 is refused: the API server's certificate is always checked.
Unset it, and name the authority that signs that certificate in the kubeconfig (certificate-authority)`,
    };
  const flags = readFlags(argv);
  if ("mistake" in flags) return flags;
  const values: { [key: string]: unknown } = {};
  for (const [key, { env: variable, fallback, reader }] of rows) {
    const given = flags.values.get(key) ?? env[variable];
    const read = reader.safeParse(given ?? fallback);
    const source = flags.values.has(key) ? flagOf(key) : variable;
    if (!read.success) return { mistake: `${source} takes ${read.error.issues[0]?.message ?? "something else"}` };
    values[key] = read.data;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each key was read by its own reader, above
  const settings = values as Settings;
  if ((settings.tlsCertFile === "") !== (settings.tlsKeyFile === ""))
    return { mistake: `${flagOf("tlsCertFile")} and ${flagOf("tlsKeyFile")} go together` };
  const { pageUrl, rpId } = settings;
  if ((pageUrl === "") !== (rpId === "")) return { mistake: `${flagOf("pageUrl")} and ${flagOf("rpId")} go together` };
  if (rpId !== "" && rpId !== "localhost" && !/[.].*[a-z]/.test(rpId))
    return { mistake: `${flagOf("rpId")} takes a domain of more than one label, and no address` };
  if (pageUrl !== "" && !`.${new URL(pageUrl).hostname}`.endsWith(`.${rpId}`))
    return { mistake: `${flagOf("rpId")} takes the domain of ${flagOf("pageUrl")}, or one above it` };
  return settings;
}

/** What `--help` lists. */
export function helpText(): string {
  const width = Math.max(...rows.map(([key]) => flagOf(key).length));
  const lines = rows.map(([key, { env, fallback, what }]) => {
    const without = fallback === "" ? "" : `, default ${fallback}`;
    return `  ${flagOf(key).padEnd(width)}  ${what} ($${env}${without})`;
  });
  return `${usage}\n\nSettings (a flag wins over the environment, the environment over the default):\n${lines.join("\n")}\n`;
}

const usage = `Time-boxed elevation for Kubernetes.

Usage:
  kube-elevate controller [flags]   judges requests, makes and ends bindings
  kube-elevate verifier [flags]     serves the endpoint that takes proofs
  kube-elevate sweep [flags]        ends, once, what is overdue by its binding alone; 1: not all of it
  kube-elevate --help | --version`;

/** The files of the page where keys are used, as `make page` builds them; it is found from src/ and dist/ alike. */
export const pageDirectory = new URL("../dist/web/", import.meta.url);

/** The version of this package: it stands beside src/ and dist/ alike. */
export function versionText(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.entries forgets the keys of a closed table
const rows = Object.entries(table) as readonly (readonly [Key, Row])[];
const flagOf = (key: Key): string => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** `--flag value` and `--flag=value`, each once. A value is never repeated in a mistake: it may be a mistyped secret. */
function readFlags(argv: readonly string[]): { readonly values: ReadonlyMap<Key, string> } | Mistake {
  const values = new Map<Key, string>();
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [flag = "", ...rest] = word.split("=");
    const key = rows.find(([candidate]) => flagOf(candidate) === flag)?.[0];
    if (key === undefined)
      return { mistake: flag.startsWith("-") ? `unknown flag ${flag}` : "flags alone are taken here: see --help" };
    if (values.has(key)) return { mistake: `${flag} is given twice` };
    const value = rest.length > 0 ? rest.join("=") : words.shift();
    if (value === undefined) return { mistake: `${flag} takes a value` };
    values.set(key, value);
  }
  return { values };
}

function isOnThisMachine(text: string): boolean {
  return /^http:\/\/localhost:[1-9][0-9]{3,4}\/?$/.test(text) && URL.parse(text) !== null;
}

function isPublicUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    url.protocol === "https:" &&
    url.username === "" &&
    url.password === "" &&
    !/[?#]/.test(text) &&
    text.length <= 2048
  );
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, "");
}
