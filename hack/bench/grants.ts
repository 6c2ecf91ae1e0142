import type { ElevationRequest, Status } from "../../src/api/v1alpha1/elevation-request.ts";
import { bindingFor } from "../../src/domain/binding.ts";
import { statusAfter } from "../../src/domain/status.ts";
import { formatInstant, instant, later } from "../../src/domain/time.ts";
import { type Lives, must } from "../../test/cluster/support/lives.ts";
import { bindingsPath, requestBody, requestsPath } from "../../test/contract/bodies.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";

// Many grants that end at one instant, quickly: each is written as the controller and the verifier write it, by their
// accounts, in the order of effects, with a proof under a real seal, while neither runs. `model` is a request that the real
// controller offered: its terms are copied.

const controller = "system:serviceaccount:elevate-system:controller";

export type Granting = { readonly plane: ControlPlane; readonly lives: Lives; readonly model: ElevationRequest };

/** One grant, Active until `at`, as if proven `lastsMs` before that. */
export async function granted(
  { plane, lives, model }: Granting,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  { at, lasts, lastsMs }: { readonly at: number; readonly lasts: string; readonly lastsMs: number },
): Promise<ElevationRequest> {
  const offer = model.status?.offer;
  if (offer === undefined) throw new Error("the model was never offered");
  const { cluster, authorizedBy, deadlineTime: _then, ...terms } = offer;
  const now = instant(Date.now());
  const write = async (status: Status): Promise<ElevationRequest> =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the API server made of it
    (await must(plane, controller, "PATCH", requestsPath(namespace, `/${name}/status`), {
      status,
    })) as ElevationRequest;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the API server made of it
  const asked = (await must(
    plane,
    "alice",
    "POST",
    requestsPath(namespace),
    requestBody(name, { duration: lasts }),
  )) as ElevationRequest;
  await write(statusAfter({ do: "offer", terms, authorizedBy, deadline: later(now, 300_000) }, asked, cluster, now));
  const verificationTime = formatInstant(later(instant(at), -lastsMs));
  await lives.prove(namespace, name, await lives.verificationOf(namespace, name, { verificationTime }));
  const expiration = instant(at);
  const promised = await write(statusAfter({ do: "promise", expiration }, asked, cluster, now));
  await must(plane, controller, "POST", bindingsPath(namespace), bindingFor(promised, terms.roleRef, expiration));
  return write(statusAfter({ do: "activate" }, promised, cluster, now));
}
