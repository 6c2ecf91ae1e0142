import type { ElevationRequest, Status } from "../api/v1alpha1/elevation-request.ts";
import { bindingName } from "../domain/binding.ts";
import type { Requests } from "./ports.ts";
import type { Log } from "./schedule.ts";

/**
 * A record that goes while it gives access, as with its namespace, takes along who had what until when. So what was last
 * read of it is kept here, and told to the log, once by each replica that knew it. The API server's audit log says who
 * deleted it.
 */
export function tellingOfDeletions(requests: Requests, log: Log): Requests {
  const granted = new Map<string, Access>();
  const tell = (access: Access): void => log.info(access, "a request was deleted while it gave access");
  const see = (id: string, found: ElevationRequest | undefined): void => {
    const known = granted.get(id);
    if (known !== undefined && known.uid !== found?.metadata.uid) tell(known);
    if (found !== undefined && isGranted(found.status)) granted.set(id, accessOf(found));
    else granted.delete(id);
  };
  return {
    ...requests,
    async get(namespace, name) {
      const found = await requests.get(namespace, name);
      see(`${namespace}/${name}`, found);
      return found;
    },
    async swapStatus(seen, patch) {
      const written = await requests.swapStatus(seen, patch);
      const id = `${seen.metadata.namespace}/${seen.metadata.name}`;
      // one that a finalizer keeps for a while is as good as gone
      const ended = written !== undefined && !isGranted(patch) && granted.delete(id);
      if (ended && seen.metadata.deletionTimestamp !== undefined) tell(accessOf(seen));
      return written;
    },
  };
}

const isGranted = ({ phase }: Status = {}): boolean => phase === "Granting" || phase === "Active";

type Access = ReturnType<typeof accessOf>;
/** Its words alone: what its owner can fill up is not kept. */
function accessOf({ metadata: { namespace, name, uid }, spec, status }: ElevationRequest) {
  const { kind, name: role } = status?.offer?.roleRef ?? {};
  return {
    namespace,
    name,
    uid,
    reason: "RequestDeleted",
    requester: spec.requester.username,
    policy: spec.policyName,
    role: `${kind ?? ""}/${role ?? ""}`,
    binding: bindingName({ name, uid }),
    expirationTime: status?.grant?.expirationTime,
    justification: spec.justification,
  };
}
