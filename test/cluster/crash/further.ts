import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import { type Process, runSweep, startSweep } from "../../../hack/controlplane/processes.ts";
import type { Authenticator } from "../../../src/api/v1alpha1/authenticator.ts";
import type { ElevationRequest } from "../../../src/api/v1alpha1/elevation-request.ts";
import { authenticatorPath, enrollmentAnswer, requestPath } from "../../../src/api/v1alpha1/wire.ts";
import { parseInstant } from "../../../src/domain/time.ts";
import {
  at,
  authenticatorBody,
  authenticatorsPath,
  bindingsPath,
  challengeOf,
  nameOfBinding,
  requestBody,
  requestsPath,
} from "../../contract/bodies.ts";
import { codeAt, newSecret, type Person, post, type Said, stepNow, totpOf, wrongCodes } from "../support/endpoint.ts";
import { must } from "../support/lives.ts";
import { startProxy } from "../support/proxy.ts";
import type { Fault, Lane } from "./lane.ts";
import { isAllowed, live, type World } from "./life.ts";

// What is lived besides a grant that expires, is released or revoked. Each life is a person's, so nobody's is another's.

export type Life = {
  readonly life: string;
  /** Whether it begins with an authenticator of this person. */
  readonly enrolled: boolean;
  /** Which of the writes that were made are this life's own, and not those of any grant. */
  readonly own: (calls: readonly string[]) => readonly string[];
  /** The last write of it, which may come after it is over for people. */
  readonly last?: string;
  /** The fault is given to who does not act in a lane. */
  readonly live: (world: World, lane: Lane, as: { readonly person: Person; readonly fault?: Fault }) => Promise<void>;
};

const sweeperDelete = "sweeper DELETE rolebindings";
const close = "controller POST events Close";
const ofTheEnd = (calls: readonly string[]): readonly string[] =>
  calls.filter((call) => /DELETE|Revoked|Unbind|Close/.test(call));
export const nameOf = ({ username }: Person): string => `by-${username}`;

export const lives: readonly Life[] = [
  { life: "enrolled by a ticket", enrolled: false, own: (calls) => calls, live: enroll },
  {
    life: "mistyped, then proven",
    enrolled: true,
    own: (calls) => calls.filter((call) => call.includes("authenticators")).slice(0, 1),
    live: mistype,
  },
  { life: "binding deleted by hand", enrolled: true, own: ofTheEnd, last: close, live: removed },
  { life: "record past its retention", enrolled: false, own: (calls) => calls, live: kept },
  { life: "invitation that ran out", enrolled: false, own: (calls) => calls, live: lapsed },
  { life: "swept, the controller dead", enrolled: true, own: () => [sweeperDelete], live: swept },
];
/** To be lived while the policy about bindings is off. */
export const drift: Life = {
  life: "binding changed by hand",
  enrolled: true,
  own: ofTheEnd,
  last: close,
  live: drifted,
};
export const isSwept = (call: string): boolean => call === sweeperDelete;

async function enroll({ plane, ca }: World, lane: Lane, { person: { username } }: { readonly person: Person }) {
  const ticket = newSecret();
  const body = authenticatorBody(username, "totp", { invitedBy: "ivy", codeChallenge: challengeOf(ticket) });
  await must(plane, "ivy", "POST", authenticatorsPath(), body);
  const shown = await answered(lane, ca, authenticatorPath(totpOf(username), "challenge"), { codeVerifier: ticket });
  const seed = enrollmentAnswer.parse(shown.body).totp?.secret ?? "";
  const step = await stepNow();
  const get = async (): Promise<Authenticator["status"]> => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
    return ((await must(plane, "admin", "GET", authenticatorsPath(`/${totpOf(username)}`))) as Authenticator).status;
  };
  const code = codeAt(seed, step);
  const register = async (): Promise<boolean> => {
    const path = authenticatorPath(totpOf(username), "register");
    const said = await post(await lane.verifier(), ca, path, { codeVerifier: ticket, totp: { code } }).catch(
      () => undefined,
    );
    if (said?.status === 401) expect((await get())?.phase).toBe("Active"); // the ticket is spent only for that
    return (await get())?.phase === "Active";
  };
  await eventually(register, 30, `${username} is enrolled`);
  expect(await get()).toMatchObject({ totp: { lastTimeStep: step, failures: { consecutive: 0, total: 0 } } });
  expect((await get())?.seal).toMatch(/./);
}

/** Whoever hears nothing of a wrong code types it again; each that was answered is counted. */
async function mistype(world: World, lane: Lane, { person }: { readonly person: Person }) {
  const { plane, ca } = world;
  const name = nameOf(person);
  const totals: number[] = [];
  const beforeProof = async (codeVerifier: string): Promise<void> => {
    const [code = ""] = wrongCodes(person.seed, await stepNow(), 1);
    const path = requestPath(lane.namespace, name, "verify");
    const said = await answered(lane, ca, path, { codeVerifier, totp: { code } }, 403);
    expect(said.body["reason"]).toBe("ProofRejected");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
    const { status } = (await must(
      plane,
      "admin",
      "GET",
      authenticatorsPath(`/${totpOf(person.username)}`),
    )) as Authenticator;
    totals.push(status?.totp?.failures.total ?? 0);
  };
  const { status } = await live(world, lane, { person, name, ending: "Released", deeds: { beforeProof } });
  expect(status?.phase).toBe("Released");
  expect([1, 2]).toContain(totals[0]); // two, where the answer to the first was lost
}

async function removed(world: World, lane: Lane, { person }: { readonly person: Person }) {
  const whenActive = async ({ metadata }: ElevationRequest): Promise<void> => {
    await must(world.plane, "admin", "DELETE", bindingsPath(lane.namespace, `/${nameOfBinding(metadata)}`));
  };
  const { status } = await live(world, lane, {
    person,
    name: nameOf(person),
    ending: "Revoked",
    deeds: { whenActive },
  });
  expect([status?.phase, status?.reason]).toEqual(["Revoked", "BindingRemoved"]);
}

async function drifted(
  world: World,
  lane: Lane,
  { person, fault }: { readonly person: Person; readonly fault?: Fault },
) {
  const whenActive = async ({ metadata }: ElevationRequest): Promise<void> => {
    const path = bindingsPath(lane.namespace, `/${nameOfBinding(metadata)}`);
    const change = { metadata: { annotations: { "kube-elevate.dev/policy": "another" } } };
    await must(world.plane, "admin", "PATCH", path, change);
  };
  const { status } = await live(world, lane, {
    person,
    name: nameOf(person),
    ending: "Revoked",
    deeds: { whenActive },
  });
  // who dies between unbind and close takes the word with him
  const words = fault === undefined ? ["BindingDrifted"] : ["BindingDrifted", "BindingRemoved"];
  expect(status?.phase).toBe("Revoked");
  expect(words).toContain(status?.reason);
}

async function kept({ plane }: World, lane: Lane, { person }: { readonly person: Person }) {
  const name = nameOf(person);
  await lane.withoutController(async () => {
    await must(plane, person.username, "POST", requestsPath(lane.namespace), requestBody(name));
    const status = { phase: "Denied", reason: "RoleNotFound", endTime: at(-721 * 3_600) };
    await must(plane, controller, "PATCH", requestsPath(lane.namespace, `/${name}/status`), { status });
  });
  const path = requestsPath(lane.namespace, `/${name}`);
  await eventually(async () => (await plane.ask("admin", "GET", path)).code === 404, 60, `${name} is gone`);
}

async function lapsed({ plane }: World, lane: Lane, { person: { username } }: { readonly person: Person }) {
  const path = authenticatorsPath(`/${totpOf(username)}`);
  await lane.withoutController(async () => {
    const labels = { lane: lane.namespace };
    const body = authenticatorBody(username, "totp", { invitedBy: "ivy", expirationTime: at(2) }, { labels });
    await must(plane, "ivy", "POST", authenticatorsPath(), body);
    await sleep(2_000);
  });
  await eventually(async () => (await plane.ask("admin", "GET", path)).code === 404, 60, `${username} is gone`);
}

async function swept(world: World, lane: Lane, { person, fault }: { readonly person: Person; readonly fault?: Fault }) {
  const { namespace } = lane;
  const whenActive = async ({ status }: ElevationRequest): Promise<void> =>
    lane.withoutController(async () => {
      await sleep(Math.max(0, parseInstant(status?.grant?.expirationTime) - Date.now()));
      expect(await isAllowed(world, namespace, person.username)).toBe(true); // nobody is there to end it
      await sweepTwice(world, namespace, fault);
      expect(await isAllowed(world, namespace, person.username)).toBe(false);
    });
  const plan = { person, name: nameOf(person), ending: "Expired", duration: "8s", deeds: { whenActive } } as const;
  const { status } = await live(world, lane, plan);
  expect(status?.phase).toBe("Expired");
}

/** A pass that goes wrong, and the next one, as its CronJob has it. */
async function sweepTwice({ plane }: World, namespace: string, fault: Fault | undefined): Promise<void> {
  let sweeping: Process | undefined;
  let hit = false;
  const strike = (when: "before" | "after") => async (): Promise<"cut" | undefined> => {
    if (hit || fault === undefined || (fault === "killed before") !== (when === "before")) return undefined;
    hit = true;
    if (fault === "reply cut") return "cut";
    sweeping?.kill("SIGKILL");
    await sweeping?.exited;
    return "cut";
  };
  const around = { namespace, counts: isDelete, before: strike("before"), after: strike("after") };
  const proxy = await startProxy(plane, sweeper, around);
  sweeping = await startSweep(plane, { kubeconfig: proxy.kubeconfig });
  await sweeping.exited;
  expect(hit).toBe(fault !== undefined);
  expect((await runSweep(plane, { kubeconfig: proxy.kubeconfig })).code).toBe(0);
  await proxy.close();
}

const isDelete = (method: string): boolean => method === "DELETE";

/** Posts until it is answered so, at whichever verifier there is. */
async function answered(lane: Lane, ca: string, path: string, body: object, status = 200): Promise<Said> {
  const ask = async (): Promise<Said | false> => {
    const said = await post(await lane.verifier(), ca, path, body).catch(() => undefined);
    return said?.status === status && said;
  };
  return eventually(ask, 30, `${path} answers ${String(status)}`);
}

const controller = "system:serviceaccount:elevate-system:controller";
const sweeper = "system:serviceaccount:elevate-system:sweeper";
