import { generateKeyPairSync } from "node:crypto";
import { z } from "zod";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { eventually } from "../../../hack/controlplane/eventually.ts";
import { type Authenticator, authenticator } from "../../../src/api/v1alpha1/authenticator.ts";
import {
  type ElevationRequest,
  elevationRequest,
  type Verification,
} from "../../../src/api/v1alpha1/elevation-request.ts";
import { bindingName } from "../../../src/domain/binding.ts";
import { authenticatorPreimage, sealPreimage } from "../../../src/domain/challenge.ts";
import { formatInstant, instant } from "../../../src/domain/time.ts";
import type { Sealer } from "../../../src/flows/ports.ts";
import { sha256 } from "../../../src/mfa/digest.ts";
import { sealer } from "../../../src/mfa/seals.ts";
import {
  authenticatorBody,
  authenticatorsPath,
  bindingsPath,
  hex,
  requestBody,
  requestsPath,
} from "../../contract/bodies.ts";

// Lives of requests on a real API server, with the verifier's part played by hand, by its account and with a real seal:
// so a test proves many at once, at the moment that it wants, and wrongly where it wants.

export type Lives = Awaited<ReturnType<typeof playLives>>;

const verifier = "system:serviceaccount:elevate-system:verifier";
const trustPath = "/api/v1/namespaces/elevate-system/configmaps/kube-elevate-trust";
const keyID = "20261124T100000000Z";

/** Fills the trust ConfigMap and enrolls these users, as a verifier and an inviter would. */
export async function playLives(plane: ControlPlane, users: readonly string[] = ["alice"]) {
  await plane.accountKubeconfig("verifier");
  const keys = generateKeyPairSync("ed25519");
  const sealKey = String(keys.privateKey.export({ type: "pkcs8", format: "pem" }));
  const seals = sealer(new Map([[keyID, sealKey]]));
  const publicKey = String(keys.publicKey.export({ type: "spki", format: "pem" }));
  await must(plane, verifier, "PATCH", trustPath, { data: { [`seal-key.${keyID}`]: publicKey } });
  const uids = new Map<string, string>();
  for (const user of users) uids.set(user, await enroll(plane, user, seals));

  const get = async (namespace: string, name: string): Promise<ElevationRequest> =>
    requestOf(await must(plane, "admin", "GET", requestsPath(namespace, `/${name}`)));
  /** What the verifier writes when it has seen a good code now; `change` is under the seal. */
  const verificationOf = async (
    namespace: string,
    name: string,
    change: Partial<Verification> = {},
  ): Promise<Verification> => {
    const found = await get(namespace, name);
    const offer = found.status?.offer;
    if (offer === undefined) throw new Error(`${namespace}/${name} has no offer`);
    const { username } = found.spec.requester;
    const now = instant(Date.now());
    const unsealed = {
      method: "TOTP" as const,
      authenticator: `${hex(username)}.totp`,
      authenticatorUID: uids.get(username) ?? "",
      verificationTime: formatInstant(now),
      timeStep: Math.floor(now / 30_000),
      keyID,
      ...change,
    };
    return { ...unsealed, seal: seals.seal(keyID, sealPreimage(sha256, found, offer, unsealed)) };
  };
  return {
    /** For a verifier that is to go on with it. */
    sealKey: { id: keyID, pem: sealKey },
    get,
    verificationOf,
    async ask(namespace: string, name: string, spec: object = {}, user = "alice"): Promise<void> {
      await must(plane, user, "POST", requestsPath(namespace), requestBody(name, spec));
    },
    async prove(namespace: string, name: string, verification?: Verification): Promise<void> {
      const status = { verification: verification ?? (await verificationOf(namespace, name)) };
      await must(plane, verifier, "PATCH", requestsPath(namespace, `/${name}/status`), { status });
    },
    async until(namespace: string, name: string, phase: string, seconds = 10): Promise<ElevationRequest> {
      let seen: ElevationRequest | undefined;
      const reached = async (): Promise<ElevationRequest | undefined> => {
        seen = await get(namespace, name);
        return seen.status?.phase === phase ? seen : undefined;
      };
      return eventually(reached, seconds, `${namespace}/${name} is ${phase}`).catch((error: unknown) => {
        throw new Error(`${namespace}/${name} is ${JSON.stringify(seen?.status)}`, { cause: error });
      });
    },
    /** Whether its binding is there, by a live read. */
    async bound(namespace: string, name: string): Promise<boolean> {
      const { metadata } = await get(namespace, name);
      const { code } = await plane.ask("admin", "GET", bindingsPath(namespace, `/${bindingName(metadata)}`));
      return code === 200;
    },
    /** Whether the user's own request gets through: 404 is an answer, 403 none. */
    async allowed(namespace: string, user = "alice"): Promise<boolean> {
      return (await plane.ask(user, "GET", `/api/v1/namespaces/${namespace}/pods/none`)).code === 404;
    },
  };
}

/** Namespaces like shop: labelled for the sample policy, and group devs may use it there. */
export function likeShop(...names: readonly string[]): readonly object[] {
  const apiGroup = "rbac.authorization.k8s.io";
  return names.flatMap((name) => [
    { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { env: "prod" } } },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: "RoleBinding",
      metadata: { name: "use-shop-debug", namespace: name },
      roleRef: { apiGroup, kind: "ClusterRole", name: "use-shop-debug" },
      subjects: [{ apiGroup, kind: "Group", name: "devs" }],
    },
  ]);
}

/** A request as this user that has to succeed; returns what is answered. */
export async function must(
  plane: ControlPlane,
  user: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const answer = await plane.ask(user, method, path, body, type);
  if (answer.code >= 300) throw new Error(`${method} ${path} as ${user}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function enroll(plane: ControlPlane, user: string, seals: Sealer): Promise<string> {
  const body = authenticatorBody(user, "totp", { invitedBy: "ivy" });
  const made = authenticatorOf(await must(plane, "ivy", "POST", authenticatorsPath(), body));
  const system = z.object({ metadata: z.object({ uid: z.string() }) });
  const { metadata } = system.parse(await must(plane, "admin", "GET", "/api/v1/namespaces/kube-system"));
  const seal = seals.seal(keyID, authenticatorPreimage(metadata.uid, keyID, made));
  const totp = { lastTimeStep: 0, failures: { consecutive: 0, total: 0 } };
  const path = authenticatorsPath(`/${made.metadata.name}/status`);
  await must(plane, verifier, "PATCH", path, { status: { phase: "Active", keyID, seal, totp } });
  return made.metadata.uid;
}

/** Checked by its schema, which keeps no metadata. */
function requestOf(body: unknown): ElevationRequest {
  elevationRequest.parse(body);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed the line before
  return body as ElevationRequest;
}

function authenticatorOf(body: unknown): Authenticator {
  authenticator.parse(body);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed the line before
  return body as Authenticator;
}
