import { createHash, randomBytes } from "node:crypto";
import { clusterThrough } from "../../src/cli/cluster.ts";
import type { Answer, Endpoint } from "../../src/cli/endpoint.ts";
import { Interrupted, KubectlFailure } from "../../src/cli/errors.ts";
import type { Given } from "../../src/cli/flags.ts";
import { listenOnce } from "../../src/cli/key/listener.ts";
import type { Kept } from "../../src/cli/mine.ts";
import { run } from "../../src/cli/program.ts";
import type { World } from "../../src/cli/world.ts";
import { formatInstant, type Instant, later, parseDurationMs, parseInstant } from "../../src/domain/time.ts";
import { type FakeKubectl, fakeKubectl, type Stored } from "./kubectl.ts";

// A terminal in front of the scene of the transcripts: context prod-eu, namespace payments, oidc:alice@example.com, and
// a controller and a verifier that are played by the test. The clock stands still unless a test moves it.

export const alice = "oidc:alice@example.com";
const totpOfAlice = `${Buffer.from(alice).toString("hex")}.totp`;

type Seen = { readonly exitCode: number; readonly screen: string; readonly stdout: string };

/** What the verifier says to the next post of this kind; the last one stays. */
const actions = ["challenge", "verify", "register"] as const;
type Script = Record<(typeof actions)[number], readonly (Said | (() => Said))[]>;
export type Said = { readonly [key: string]: unknown } | Refusal;
export type Refusal = {
  readonly refuse: string;
  readonly code: number;
  readonly message?: string;
  readonly retryAfterSeconds?: number;
};

export type Terminal = FakeKubectl & {
  readonly posts: { readonly path: string; readonly body: Readonly<Record<string, unknown>> }[];
  readonly script: Script;
  now: Instant;
  mayList: boolean;
  usable: readonly string[];
  /** What a list of policies fails with. */
  failing: Error | undefined;
  /** Admission's word against the next create. */
  refusal: string | undefined;
  /** What the controller makes of a new request, by its status. */
  judged: (object: Stored) => object;
  names: Kept[];
  /** What stands in for the browser of this machine; undefined: there is none. */
  browser: World["browser"];
  /** The address that was shown last. */
  address: string;
  /** What becomes of a request whose spec is patched. */
  patching: (object: Stored) => Stored;
  /** What happens while the plugin waits this long; nothing by default. */
  paused: (ms: number) => void;
  /** What a command that is run does; its exit code. */
  command: (argv: readonly string[]) => Promise<number>;
  /** Types this command line, and these lines when asked; null is Ctrl-C. */
  type(line: string, typed?: readonly (string | null)[]): Promise<Seen>;
  request(name: string): Stored | undefined;
};

export function terminal(): Terminal {
  const suffixes = ["7k2mx", "q9d4z", "m2p8w"];
  const scene: Terminal = {
    ...fakeKubectl({
      username: alice,
      context: "prod-eu",
      namespace: "payments",
      created: (object) => create(scene, object, suffixes),
      get mayList() {
        return scene.mayList;
      },
      get failing() {
        return scene.failing;
      },
      patched: (object) => scene.patching(object),
      mayUse: (policy) => scene.usable.includes(policy),
      now: () => formatInstant(scene.now),
    }),
    posts: [],
    script: { challenge: [], verify: [], register: [] },
    now: parseInstant("2026-11-24T03:27:07Z"),
    mayList: false,
    usable: ["payments-debug"],
    refusal: undefined,
    failing: undefined,
    judged: () => pending(scene),
    names: [],
    browser: undefined,
    address: "",
    patching: (object) => (object.spec?.["termination"] === undefined ? object : over(scene, object, "Released")),
    paused: () => undefined,
    command: async () => Promise.resolve(0),
    type: async (line, typed = []) => type(scene, line, typed),
    request: (name) => scene.of("ElevationRequest").find(({ metadata }) => metadata.name === name),
  };
  scene.put(trust);
  scene.put(policy("payments-debug", "pod-debugger"));
  scene.put(policy("payments-admin", "secret-admin"));
  scene.put(authenticator("Active"));
  return scene;
}

export const policy = (name: string, role: string, changed: object = {}): Stored => ({
  kind: "ElevationPolicy",
  metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "2026-11-01T00:00:00Z" },
  spec: {
    roleRef: { kind: "ClusterRole", name: role },
    namespaceSelector: {},
    duration: { default: "30m", max: "1h" },
    authentication: { methods: ["WebAuthn", "TOTP"], totp: { maxDuration: "15m" } },
    justification: { pattern: "^INC-[0-9]+", hint: "INC-4312 what happens" },
    ...changed,
  },
});

export const authenticator = (phase: "Pending" | "Active", locked: { lockedUntilTime?: string } = {}): Stored => ({
  kind: "Authenticator",
  metadata: { name: totpOfAlice, uid: "a", resourceVersion: "1", creationTimestamp: "2026-11-01T00:00:00Z" },
  spec: {
    owner: { username: alice },
    method: "TOTP",
    codeChallenge: createHash("sha256").update("x").digest("base64url"),
    invitedBy: "ivy",
    expirationTime: "2026-11-25T00:00:00Z",
  },
  status: {
    phase,
    totp: { lastTimeStep: 0, failures: { consecutive: 0, total: 0, ...locked } },
  },
});

const trust: Stored = {
  kind: "ConfigMap",
  metadata: { name: "kube-elevate-trust", namespace: "elevate-system" },
  data: { url: "https://elevate.example.com", clusterName: "prod-eu", contact: "#platform-oncall", "ca.crt": "CA" },
};

const methods = [
  { method: "WebAuthn", duration: "30m" },
  { method: "TOTP", duration: "15m" },
];

export const offer = (deadlineTime: string, offered = methods): object => ({
  cluster: { name: "prod-eu", uid: "cluster" },
  roleRef: { kind: "ClusterRole", name: "pod-debugger" },
  rulesHash: "h",
  methods: offered,
  deadlineTime,
  authorizedBy: "RBAC",
});

function pending(scene: Terminal): object {
  return { phase: "Pending", reason: "AwaitingProof", offer: offer(formatInstant(later(scene.now, 300_000))) };
}

/** As API server and controller leave it. */
function create(scene: Terminal, object: Stored, suffixes: string[]): Stored {
  const { refusal } = scene;
  const { generateName = "", name = "" } = object.metadata as { generateName?: string; name?: string };
  if (refusal !== undefined)
    throw new KubectlFailure(
      `Error from server (Forbidden): error when creating "STDIN": elevationrequests.kube-elevate.dev "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: ${refusal}`,
    );
  const metadata = {
    ...object.metadata,
    name: generateName === "" ? name : `${generateName}${suffixes.shift() ?? "zzzzz"}`,
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: formatInstant(scene.now),
  };
  if (object.kind !== "ElevationRequest") return { ...object, metadata };
  const made = { ...object, metadata, spec: { ...object.spec, requester: { username: alice } } };
  return { ...made, status: { ...scene.judged(made) } };
}

/** A request whose end has come. */
export function over(scene: Terminal, object: Stored, phase: string): Stored {
  const ended = { ...object, status: { ...object.status, phase, reason: phase, endTime: formatInstant(scene.now) } };
  scene.put(ended);
  return ended;
}

/** The request as it is when it is granted. */
export function granted(scene: Terminal, name: string, lasts = "15m", method = "TOTP"): Said {
  const found = scene.request(name);
  if (found === undefined) throw new Error(`no request ${name}`);
  const verificationTime = formatInstant(scene.now);
  const expirationTime = formatInstant(later(scene.now, parseDurationMs(lasts) ?? 0));
  const verification = {
    method,
    authenticator: totpOfAlice,
    authenticatorUID: "a",
    verificationTime,
    keyID: "k",
    seal: "s",
  };
  scene.put({
    ...found,
    status: { ...found.status, phase: "Active", reason: "BindingCreated", verification, grant: { expirationTime } },
  });
  return { method, verificationTime, phase: "Active", expirationTime };
}

async function type(scene: Terminal, line: string, typed: readonly (string | null)[]): Promise<Seen> {
  let screen = "";
  let stdout = "";
  const lines = [...typed];
  const next = (): string | undefined => {
    const read = lines.shift();
    if (read === null) throw new Interrupted();
    return read;
  };
  const err = (text: string): void => void (screen += text);
  const out = (text: string): void => {
    screen += text;
    stdout += text;
  };
  const worldOf = (given: Given): World => {
    const { namespace, context, endpoint, repeated } = given;
    return {
      cluster: clusterThrough(scene.kubectl, namespace, context),
      endpointAt: ({ url }) => played(scene, url),
      endpointGiven: endpoint,
      given: repeated,
      zone: "UTC",
      clock: () => scene.now,
      pause: async (ms) => {
        await new Promise(setImmediate);
        scene.paused(ms);
      },
      execute: async (argv) => scene.command(argv),
      shielded: () => worldOf(given),
      browser: scene.browser,
      listen: async (state, forMs) => listenOnce(state, forMs, new AbortController().signal),
      randomBytes,
      mine: {
        names: async () => Promise.resolve(scene.names),
        add: async (_, kept) => {
          scene.names = [...scene.names.filter(({ name }) => name !== kept.name), kept];
          return Promise.resolve();
        },
      },
      talk: {
        coloured: false,
        say: (text) => {
          err(`${text}\n`);
        },
        picture: (text) => {
          err(`${text}\n`);
        },
        address: (address) => {
          scene.address = address;
          err(`${address}\n`);
        },
        result: (text) => {
          out(`${text}\n`);
        },
        line: async () => next(),
        pasted: async (message) => {
          const read = next();
          err(`${message} ****\n`);
          return Promise.resolve(read);
        },
        secret: async (message) => {
          const read = next();
          err(`${message} ${"*".repeat(read?.length ?? 0)}\n`);
          return read;
        },
      },
    };
  };
  const exitCode = await run(words(line), { out, err, worldOf });
  return { exitCode, screen, stdout };
}

function played(scene: Terminal, url: string): Endpoint {
  return {
    url,
    file: async () => Promise.reject(new Error("nobody plays the page")),
    reach: async () => Promise.resolve(new Date(scene.now).toUTCString()),
    post: async (path, body) => {
      scene.posts.push({ path, body: { ...body } });
      return answer(scene, path);
    },
  };
}

function answer(scene: Terminal, path: string): Answer {
  const action = actions.find((known) => path.endsWith(`/${known}`)) ?? "challenge";
  const [first, ...rest] = scene.script[action];
  if (rest.length > 0) scene.script[action] = rest;
  const said = typeof first === "function" ? first() : (first ?? usual(scene, path));
  const date = undefined;
  if (!isRefusal(said)) return { ok: true, body: said, date };
  const { refuse: reason, code, message = "no", retryAfterSeconds } = said;
  const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code } as const;
  return {
    ok: false,
    date,
    status: retryAfterSeconds === undefined ? status : { ...status, details: { retryAfterSeconds } },
  };
}

const isRefusal = (said: Said): said is Refusal => "refuse" in said;

/** A verifier that takes every code. */
function usual(scene: Terminal, path: string): Said {
  const [, name = "", action = ""] = /elevationrequests\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  if (action === "challenge") return { offer: scene.request(name)?.status?.["offer"], methods: ["TOTP"] };
  if (action === "verify") return granted(scene, name);
  throw new Error(`nobody plays ${path}`);
}

/** Words of a command line, with double and single quotes. */
function words(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
}
