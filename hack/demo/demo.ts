import { mkdir } from "node:fs/promises";
import { securityKey } from "../../test/fakes/security-key.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { eventually } from "../controlplane/eventually.ts";
import { install } from "../controlplane/install.ts";
import { startController, startVerifier } from "../controlplane/processes.ts";
import { startTemporaryControlPlane } from "../controlplane/temporary.ts";
import { playPage } from "./page.ts";
import { type Answer, person, type Typing } from "./person.ts";
import { codeOf, wrongCode } from "./totp.ts";

// The main job, played with real processes and real kubectl: Forbidden, invited, enrolled, asked, proven, allowed, expired on
// the minute, read afterwards; by a code, and by a key, whose record is checked without the cluster. Each step says what must
// be seen, and the demo ends with 0 only when all of it was.

const pageURL = "https://elevate.example.com"; // nobody opens it
const kept = "dist/demo"; // what is left to be looked at
const grant = "20s";
const pods = "kubectl get pods -n shop";
const ask = "kubectl elevate request shop-debug -n shop";
const why = `-j "INC-4312 checkout pods crash-looping"`;

async function play(plane: ControlPlane): Promise<void> {
  const [admin, alice, ivy, sre] = ["admin", "alice", "ivy", "sre"].map((user) => person(plane, user, print));
  if (!admin || !alice || !ivy || !sre) throw new Error("four people play");

  chapter("A cluster admin installs kube-elevate, and a policy to try");
  print("\nadmin$ kubectl apply -k config/default\n");
  await install(plane);
  const env = { KUBE_ELEVATE_PAGE_URL: pageURL, KUBE_ELEVATE_RP_ID: new URL(pageURL).hostname };
  await Promise.all([startController(plane), startVerifier(plane, { env })]);
  print(
    "(CRDs, admission policies and RBAC are in force; one controller and one verifier run here as their ServiceAccounts)\n",
  );
  seen("samples are applied", await admin("kubectl apply -k config/samples -o name"), 0, /elevationpolicy.*shop-debug/);
  const both = `'{"spec":{"authentication":{"methods":["WebAuthn","TOTP"]}}}'`;
  seen("the policy takes both", await admin(`kubectl patch elevpol shop-debug --type=merge -p ${both}`), 0, /patched/);
  await eventually(
    async () => (await plane.run("admin", ["get", "elevpol", "shop-debug", "-o", "wide"])).stdout.includes("True"),
    10,
    "the policy is Ready",
  );
  seen("the policy is Ready", await admin("kubectl get elevpol"), 0, /shop-debug.*True/);

  chapter("alice holds no rights");
  seen("alice is Forbidden", await alice(pods), 1, /Forbidden/);
  seen("without a factor she is told how to get one", await alice(`${ask} ${why}`), 3, /invite 'alice'/);

  chapter("ivy invites her, by a ticket that opens one enrollment; alice enrolls an authenticator app");
  const invited = await ivy("kubectl elevate invite alice --method totp");
  const ticket = invited.stdout.trim();
  seen("ivy gets a ticket", invited, 0, /^[A-Za-z0-9_-]{43}\s*$/m);
  let secret = "";
  const enrolled = await alice(
    "kubectl elevate enroll totp --ticket-stdin",
    (said) => {
      secret ||= /secret=([A-Z2-7]+)/.exec(said)?.[1] ?? "";
      if (said === "" || !/[Cc]ode.*: $/.test(said)) return undefined;
      return codeOf(secret, Date.now(), 1); // the code before the one now, so that this one is still unused a moment later
    },
    ticket,
  );
  seen("alice has a factor", enrolled, 0, /authenticator.*enrolled/);

  chapter("What is refused, and creates no access");
  seen("longer than the policy allows", await alice(`${ask} --duration 2h ${why}`), 3, /DurationTooLong/);
  const guess = await alice(`${ask} --code-stdin ${why}`, undefined, wrongCode(secret, Date.now()));
  seen("a wrong code", guess, 3, /ProofRejected/);
  seen("she is still Forbidden", await alice(pods), 1, /Forbidden/);

  chapter(`alice elevates herself for ${grant}`);
  const code = codeOf(secret, Date.now());
  const elevated = await alice(`${ask} --duration ${grant} --code-stdin ${why}`, undefined, code);
  seen("the code is taken", elevated, 0, /Active until/);
  const name = /elevationrequest\S*\/(\S+) active/.exec(elevated.stdout)?.[1] ?? "";
  seen("alice is allowed", await alice(pods), 0, /No resources found/);
  seen("she sees what she has", await alice("kubectl elevate"), 0, new RegExp(name));
  const again = await alice(`${ask} --new --code-stdin ${why}`, undefined, code);
  seen("the same code again is refused", again, 3, /ProofAlreadyUsed/);
  seen(
    "an SRE sees it",
    await sre("kubectl get elev -A --field-selector status.phase=Active"),
    0,
    /alice.*pod-debugger/,
  );

  const [firstForbidden] = await Promise.all([untilForbidden(plane), playKey(plane)]);
  chapter(`The end of alice's access, on time (${grant} after the proof)`);
  seen("alice is Forbidden again", await alice(pods), 1, /Forbidden/);
  await plane.run("sre", ["wait", "-n", "shop", `elev/${name}`, "--for=condition=Completed", "--timeout=10s"]);
  seen(
    "the history says who, what, why and how it ended",
    await sre(`kubectl get elev -n shop ${name} -o wide`),
    0,
    /Expired/,
  );
  await lateness(plane, name, firstForbidden);
}

/** The same with the factor that we recommend, meanwhile, by somebody who has no browser at this terminal. */
async function playKey(plane: ControlPlane): Promise<void> {
  const [bob, ivy, sre] = ["bob", "ivy", "sre"].map((user) => person(plane, user, print));
  if (!bob || !ivy || !sre) throw new Error("three people play");
  const key = securityKey({ origin: pageURL });

  chapter("Meanwhile the same with a key (WebAuthn): bob is invited, and enrolls one");
  print(
    "\n(there is no browser here and nobody opens the page: a security key in software reads the address that is\n",
  );
  print("printed, as the page would, and its answer is pasted. Everything else is as with a real key.)\n");
  const invited = await ivy("kubectl elevate invite bob");
  seen("ivy gets a ticket", invited, 0, /^[A-Za-z0-9_-]{43}\s*$/m);
  const enrolled = await bob(
    "kubectl elevate enroll webauthn --ticket-stdin --paste",
    pasting(async (address) => playPage(key, address)),
    invited.stdout.trim(),
  );
  seen("bob has a key", enrolled, 0, /authenticator.*enrolled/);

  chapter("bob elevates himself: one touch, for all that the policy gives");
  seen("bob is Forbidden", await bob(pods), 1, /Forbidden/);
  const touch = pasting(async (address) => playPage(key, address));
  const elevated = await bob(`${ask} --paste ${why}`, touch);
  seen("the key's answer is taken, for 30m where a code gives 15m", elevated, 0, /Active until.*30m/);
  const name = /elevationrequest\S*\/(\S+) active/.exec(elevated.stdout)?.[1] ?? "";
  seen("bob is allowed", await bob(pods), 0, /No resources found/);
  seen("he gives it back", await bob(`kubectl elevate release ${name} -n shop`), 0, /[Rr]eleased/);
  seen("bob is Forbidden again", await bob(pods), 1, /Forbidden/);

  chapter("What the record proves: with the cluster, and without it");
  seen("it holds", await sre(`kubectl elevate verify ${name} -n shop`), 0, /a key signed exactly this request/);
  const [record, trust, altered] = [`${kept}/record.json`, `${kept}/trust.json`, `${kept}/altered.json`];
  await mkdir(kept, { recursive: true });
  const written = await sre(`kubectl get elev ${name} -n shop -o json > ${record}`);
  seen("an SRE writes the record down", written, 0, /^/);
  const keys = "kubectl get configmap kube-elevate-trust -n elevate-system -o json";
  seen("and the public seal keys", await sre(`${keys} > ${trust}`), 0, /^/);
  const alone = `KUBECONFIG=/dev/null kubectl elevate verify`;
  seen(
    "it holds without a cluster",
    await sre(`${alone} -f ${record} --trust ${trust}`),
    0,
    /a key signed exactly[^]*the verifier sealed it/,
  );
  await sre(`sed 's/INC-4312/INC-4313/' ${record} > ${altered}`);
  seen("one letter of it altered", await sre(`${alone} -f ${altered}`), 3, /RecordTampered/);
}

/** Pastes the answer to the address that was printed, when it is asked for. */
const pasting =
  (answer: (address: string) => Promise<string>): Typing =>
  async (said) => {
    const address = /https:\/\/\S+#\S+/.exec(said)?.[0];
    return address !== undefined && said.includes("Paste here") ? answer(address) : undefined;
  };

/** By alice's own requests, over one connection: when the first of them is refused. */
async function untilForbidden(plane: ControlPlane): Promise<number> {
  print("\n(from now on alice's own requests go on all the time, until the first is refused)\n");
  await eventually(
    async () => (await plane.ask("alice", "GET", "/api/v1/namespaces/shop/pods/none")).code === 403,
    60,
    "alice is Forbidden again",
  );
  return Date.now();
}

async function lateness(plane: ControlPlane, name: string, firstForbidden: number): Promise<void> {
  const path = "jsonpath={.status.grant.expirationTime} {.status.endTime}";
  const { stdout } = await plane.run("sre", ["get", "elev", "-n", "shop", name, "-o", path]);
  const [expiration = Number.NaN, end = Number.NaN] = stdout.split(" ").map((time) => Date.parse(time));
  print(`\nlateness: recorded ${String(end - expiration)} ms after expirationTime; alice's first 403 `);
  print(`${String(firstForbidden - expiration)} ms after it (she asks every 50 ms). The promise is 5 s.\n`);
  expect(
    "never early, and at most 5 s late",
    firstForbidden >= expiration && end >= expiration && end - expiration <= 5_000,
  );
}

let steps = 0;
const print = (text: string): void => void process.stdout.write(text);
const chapter = (title: string): void => print(`\n== ${title}\n`);

function seen(what: string, { code, stdout, stderr }: Answer, wanted: number, words: RegExp): void {
  const is = code === wanted && words.test(`${stdout}${stderr}`);
  expect(`${what} (exit ${String(code)})`, is);
}

function expect(what: string, is: boolean): void {
  if (!is) throw new Error(`not seen: ${what}`);
  steps += 1;
  print(`  [seen: ${what}]\n`);
}

const began = Date.now();
const seconds = (): string => ((Date.now() - began) / 1000).toFixed(1);
print("Starting etcd, kube-apiserver and kube-controller-manager on this machine.\n");
const plane = await startTemporaryControlPlane({ log: (line) => print(`${line}\n`) });
print(`A real control plane answers, after ${seconds()} s.\n`);
try {
  await play(plane);
  print(
    `\nEvery one of ${String(steps)} steps was seen, in ${seconds()} s. ${kept}/record.json is left, for EVIDENCE.md.\n`,
  );
} catch (error) {
  print(`\n${error instanceof Error ? error.message : String(error)}\nThe demo failed after ${seconds()} s.\n`);
  process.exitCode = 1;
} finally {
  await plane.stop();
}
