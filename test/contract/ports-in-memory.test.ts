import { randomUUID } from "node:crypto";
import { instant } from "../../src/domain/time.ts";
import { fakeAdmission } from "../fakes/admission.ts";
import { fakeCluster } from "../fakes/cluster.ts";
import { meta, policy } from "../fakes/objects.ts";
import { holdAdmission } from "./admission.ts";
import { holdPorts } from "./ports.ts";

// The same as test/cluster/kube.test.ts holds the adapters to.

const { controller, requests } = fakeCluster(policy, instant(Date.now()), { tell: () => undefined });
holdPorts(() => ({
  ...controller,
  async ask() {
    const uid = randomUUID();
    const metadata = { ...meta, namespace: "shop", name: `a-${uid}`, uid };
    requests.put({ metadata, spec: { policyName: "debug", requester: { username: "alice" } } });
    const asked = await requests.get(metadata.name);
    if (asked === undefined) throw new Error("the request is not there");
    return asked;
  },
}));

const { objects, stored } = fakeAdmission();
const store = (holes: string[]): void => void Object.assign(stored, { versions: `${stored.versions}+`, holes });
holdAdmission(() => ({
  objects,
  weaken: async () => store(["it refuses less"]),
  mend: async () => store([]),
}));
