import {
  authenticatorBody,
  authenticatorsPath,
  bindingBody,
  bindingsPath,
  hex,
  type Named,
  nameOfBinding,
} from "../../contract/bodies.ts";
import type { Installed, Reply } from "../../contract/installed.ts";
import { type Judge, newJudge } from "../../contract/judging.ts";
import { landed, live } from "../../contract/lives.ts";
import { type Standing, standing } from "../support/refused.ts";

export type Robbed = {
  readonly installed: Installed;
  readonly judge: Judge;
  /** In shop, of alice, each named for its stage. */
  readonly requests: { readonly [stage in "pending" | "proven" | "active" | "over"]: Named };
  /** The binding of the active one, and one that is none of ours. */
  readonly ours: string;
  readonly foreign: string;
  /** alice's, and Active. */
  readonly factor: string;
  readonly deletes: (who: string, path: string, options?: object) => Promise<Reply>;
  /** What stands in the cluster, and what guards it. */
  readonly everything: () => Promise<Everything>;
  readonly before: Everything;
};

type Everything = Standing & { readonly rules: readonly string[] };

/** A cluster in which there is something to steal. */
export async function robbed(installed: Installed): Promise<Robbed> {
  const { call, merge, plane, post } = installed;
  const requests = {
    pending: await live(installed, "pending", "Pending"),
    proven: await live(installed, "proven", "Proven"),
    active: await live(installed, "active", "Active"),
    over: await live(installed, "over", "Expired"),
  };
  landed(await post("controller", bindingsPath("shop"), bindingBody(requests.active)));
  landed(await post("admin", bindingsPath("shop"), { ...bindingBody(requests.active), metadata: { name: "foreign" } }));
  landed(await post("ivy", authenticatorsPath(), authenticatorBody("alice", "totp", { invitedBy: "ivy" })));
  const factor = authenticatorsPath(`/${hex("alice")}.totp`);
  const totp = { lastTimeStep: 0, failures: { consecutive: 0, total: 0 } };
  landed(await merge("verifier", `${factor}/status`, { status: { phase: "Active", keyID: "k", seal: "s", totp } }));

  const everything = async (): Promise<Everything> => {
    const columns = "custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid,GENERATION:.metadata.generation";
    const { stdout } = await plane.run("admin", ["get", kinds.join(), "-A", "-o", columns]);
    return { ...(await standing(plane)), rules: stdout.trimEnd().split("\n") };
  };
  const before = await everything();
  return {
    installed,
    judge: newJudge(),
    requests,
    ours: bindingsPath("shop", `/${nameOfBinding(requests.active)}`),
    foreign: bindingsPath("shop", "/foreign"),
    factor,
    deletes: async (who, path, options = {}) =>
      call(who, "DELETE", path, { kind: "DeleteOptions", apiVersion: "v1", ...options }),
    everything,
    before,
  };
}

const kinds = [
  "validatingadmissionpolicies",
  "validatingadmissionpolicybindings",
  "mutatingadmissionpolicies",
  "mutatingadmissionpolicybindings",
  "mutatingwebhookconfigurations",
  "customresourcedefinitions",
  "clusterroles",
  "clusterrolebindings",
  "namespaces",
  "secrets",
  "serviceaccounts",
  "pods",
  "elevationpolicies",
  "authenticators",
];
