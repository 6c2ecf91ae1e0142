import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { denied, exitCodes, Failure, Interrupted, KubectlFailure } from "./errors.ts";
import { endOf, isOver, lasted } from "./grants.ts";
import { wordOf } from "./refusals.ts";
import { command, type Scene, type World } from "./world.ts";
import { wrapped } from "./wrap.ts";

const roundsMax = 60;

/**
 * Ends a request for good, and returns what it became when its access is gone. That is known by a live read of the request,
 * not of the RoleBinding, which a requester need not be allowed to read: the controller writes the last phase only after a
 * live GET no longer found the binding.
 */
export async function terminate(
  world: World,
  { here, me, contact }: Scene,
  seen: ElevationRequest,
  justification: string | undefined,
): Promise<ElevationRequest> {
  const { cluster, pause } = world;
  const { namespace, name } = seen.metadata;
  const look = async (): Promise<ElevationRequest> => {
    const found = await cluster.request({ namespace, name });
    if (found === undefined) throw new Failure(`${name} is gone from namespace ${namespace}, and its access with it`);
    return found;
  };
  const termination = { by: me.username, ...(justification === undefined ? {} : { justification }) };
  await cluster.terminate(seen, termination).catch(async (error: unknown) => {
    const now = await look();
    const told = now.metadata.uid === seen.metadata.uid && (isOver(now) || now.spec.termination !== undefined);
    if (!told) throw refusal(error); // else somebody was faster: it ends all the same
  });
  const status = command(world, `status ${name}`);
  try {
    for (let round = 1; ; round += 1) {
      const now = await look();
      if (isOver(now)) {
        const mine = now.spec.requester.username === me.username;
        // its end is kept no longer: no command need look whether a warning is due
        if (mine) await world.mine.add({ server: here.server, username: me.username }, { namespace, name });
        return now;
      }
      if (round === roundsMax) {
        const stalled = now.status?.conditions?.find(({ type, status: is }) => type === "Stalled" && is === "True");
        const why = stalled === undefined ? "Does the controller run?" : `${stalled.message}.`;
        throw new Failure(
          `${name} is told to end, but its access is still there.\n  ${why} Tell ${contact}. What becomes of it:\n    ${status}`,
          { exitCode: exitCodes.pending },
        );
      }
      await pause(200);
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new Interrupted(`${name} is told to end; whether it has, was not waited for: ${status}`);
  }
}

function refusal(error: unknown): unknown {
  const refused = error instanceof KubectlFailure ? wordOf(error.message) : undefined;
  return refused === undefined ? error : denied(refused.reason, refused.message);
}

/** What is no longer there; `whose` where it was somebody else's. */
export function goneLine(ended: ElevationRequest, whose = ""): string {
  const { metadata, status } = ended;
  const after = lasted(ended, endOf(ended));
  if (after === undefined) return `${metadata.name} in ${metadata.namespace} is over: nothing was granted.`;
  const role = status?.offer?.roleRef.name ?? "the role";
  return wrapped(
    `${role} in ${metadata.namespace} is gone${whose}, after ${after}. An exec or port-forward that is open stays open.`,
  );
}
