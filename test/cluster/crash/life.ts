import { setTimeout as sleep } from "node:timers/promises";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import type { ElevationRequest } from "../../../src/api/v1alpha1/elevation-request.ts";
import { authenticatorPath, requestPath } from "../../../src/api/v1alpha1/wire.ts";
import {
  authenticatorBody,
  authenticatorsPath,
  challengeOf,
  requestBody,
  requestsPath,
} from "../../contract/bodies.ts";
import { codeAt, type Endpoint, newSecret, type Person, post, seedOf, stepNow, totpOf } from "../support/endpoint.ts";
import { must } from "../support/lives.ts";

/** Where lives are lived: a namespace, and whichever verifier answers there now. */
export type Place = { readonly namespace: string; verifier(): Promise<Endpoint> };

export const endings = ["Expired", "Released", "Revoked"] as const;
export type Ending = (typeof endings)[number];

export type World = { readonly plane: ControlPlane; readonly ca: string };

/** Whether the user's own request gets through: 404 is an answer, 403 none. */
export const isAllowed = async ({ plane }: World, namespace: string, user: string): Promise<boolean> =>
  (await plane.ask(user, "GET", `/api/v1/namespaces/${namespace}/pods/none`)).code === 404;

/** Enrolled at this verifier, with the code of the step before this one. */
export async function enrolledAt({ plane, ca }: World, at: Endpoint, username: string): Promise<Person> {
  const ticket = newSecret();
  const body = authenticatorBody(username, "totp", { invitedBy: "ivy", codeChallenge: challengeOf(ticket) });
  await must(plane, "ivy", "POST", authenticatorsPath(), body);
  const seed = await seedOf(at, ca, username, ticket);
  const code = codeAt(seed, (await stepNow(2_000)) - 1);
  const path = authenticatorPath(totpOf(username), "register");
  const { status, text } = await post(at, ca, path, { codeVerifier: ticket, totp: { code } });
  if (status !== 201) throw new Error(`not enrolled: ${text}`);
  return { username, ticket, seed };
}

/** As a person ends it: the requester releases, anybody else revokes. */
export async function terminate(
  plane: ControlPlane,
  by: string,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<void> {
  await must(plane, by, "PATCH", requestsPath(namespace, `/${name}`), { spec: { termination: { by } } });
}

export type Plan = {
  readonly person: Person;
  readonly name: string;
  readonly ending: Ending;
  readonly duration?: string;
  /** What else happens on the way; what is done while it is active is done instead of a release or revoke. */
  readonly deeds?: {
    readonly beforeProof?: (codeVerifier: string) => Promise<void>;
    readonly whenActive?: (request: ElevationRequest) => Promise<void>;
  };
};

/**
 * One life of a request, from the asking to its end, as people live it whatever dies on the other side: who gets no answer
 * asks again, and whose code was spent without a grant takes the next one.
 */
export async function live(
  { plane, ca }: World,
  place: Place,
  { person, name, ending, deeds = {}, duration = ending === "Expired" ? "3s" : "10m" }: Plan,
): Promise<ElevationRequest> {
  const { namespace } = place;
  const codeVerifier = newSecret();
  const spec = { duration, codeChallenge: challengeOf(codeVerifier) };
  await must(plane, person.username, "POST", requestsPath(namespace), requestBody(name, spec));
  const get = async (): Promise<ElevationRequest> => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored by an API server that checked its shape
    return (await must(plane, "admin", "GET", requestsPath(namespace, `/${name}`))) as ElevationRequest;
  };
  const until = async (holds: (request: ElevationRequest) => boolean, what: string): Promise<ElevationRequest> =>
    eventually(
      async () => {
        const request = await get();
        return holds(request) && request;
      },
      90,
      `${namespace}/${name} ${what}`,
    );
  await until(({ status }) => status?.phase !== undefined, "is offered");
  await deeds.beforeProof?.(codeVerifier);
  await proveUntilDone();
  if (ending !== "Expired" || deeds.whenActive !== undefined) {
    const active = await until((request) => request.status?.phase === "Active" || ended(request), "is active");
    const by = ending === "Released" ? person.username : "sre";
    if (deeds.whenActive !== undefined) await deeds.whenActive(active);
    else if (active.spec.termination === undefined) await terminate(plane, by, { namespace, name });
  }
  return until(ended, "has ended");

  /** Two steps' codes are good at a time: the older one first, so that the next is at hand. */
  async function proveUntilDone(): Promise<void> {
    const end = performance.now() + 90_000;
    for (let step = (await stepNow(2_000)) - 1; !isProven(await get()); ) {
      if (performance.now() > end) throw new Error(`${namespace}/${name} cannot be proven`);
      const body = { codeVerifier, totp: { code: codeAt(person.seed, step) } };
      const said = await post(await place.verifier(), ca, requestPath(namespace, name, "verify"), body).catch(
        () => undefined,
      );
      if (said?.status === 403) step += 1;
      if (said?.status !== 200) await sleep(100);
      while ((await stepNow()) < step) await sleep(250);
    }
  }
}

const ended = ({ status }: ElevationRequest): boolean => status?.endTime !== undefined;
const isProven = (request: ElevationRequest): boolean => request.status?.verification !== undefined || ended(request);
