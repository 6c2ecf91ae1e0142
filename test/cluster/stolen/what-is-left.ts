import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { startController } from "../../../hack/controlplane/processes.ts";
import {
  at,
  authenticatorBody,
  authenticatorsPath,
  bindingBody,
  bindingsPath,
  end,
  hex,
  type Named,
  nameOfBinding,
  requestsPath,
} from "../../contract/bodies.ts";
import { accountName, type Reply } from "../../contract/installed.ts";
import { expectAccepted } from "../../contract/judging.ts";
import { landed } from "../../contract/lives.ts";
import { eventually } from "../support/control-plane.ts";
import { likeShop, playLives } from "../support/lives.ts";
import { home } from "./anybody.ts";
import type { Robbed } from "./robbed.ts";

const shop = "stolen";

/**
 * The honest list of SECURITY.md: what each token is good for all the same, and what ends it. A controller that is alive
 * ends whatever its own stolen token binds without a record, or past it.
 */
export async function whatIsLeft({ installed, requests, ours, deletes }: Robbed): Promise<{
  readonly endedAfterMs: { readonly [what: string]: number };
}> {
  const { call, merge, plane, post } = installed;
  const active = requestsPath("shop", `/${requests.active.name}`);
  const invitation = authenticatorsPath(`/${hex("bob")}.totp`);
  landed(await post("ivy", authenticatorsPath(), authenticatorBody("bob", "totp", { invitedBy: "ivy" })));
  await expectAccepted({
    "the sweeper reads who is bound to what": call("sweeper", "GET", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    "the sweeper ends access": await deletes("sweeper", ours),
    "the verifier reads the keys": call("verifier", "GET", home("secrets/kube-elevate-keys")),
    "the controller erases a record that has ended": await deletes(
      "controller",
      requestsPath("shop", `/${requests.over.name}`),
    ),
    "the controller ends a grant": await merge("controller", `${active}/status`, {
      status: { phase: "Revoked", ...end },
    }),
    "the controller erases what it ended": await deletes("controller", active),
    "the controller deletes an invitation that is open": await deletes("controller", invitation),
    "the controller says what admission was": merge(
      "controller",
      `${home("configmaps/kube-elevate-seen")}?dryRun=All`,
      { data: { protectedSince: at(-60) } },
    ),
    "the default account reads where the endpoint is": call(
      accountName("default"),
      "GET",
      home("configmaps/kube-elevate-trust"),
    ),
  });
  const gone = [active, invitation].map(async (path) => (await call("admin", "GET", path)).code);
  expect(await Promise.all(gone)).toEqual([404, 404]);
  const items = likeShop(shop);
  await plane.run("admin", ["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
  const lives = await playLives(plane, ["bob"]); // the verifier's account alone: a seal key of the thief's own, and no factor
  await startController(plane);
  const asks = async (): Promise<boolean> =>
    lives.ask(shop, "fix", {}, "bob").then(
      () => true,
      () => false,
    );
  await eventually(asks, 15, "bob may ask");
  await lives.until(shop, "fix", "Pending", 20);
  await lives.prove(shop, "fix");
  await lives.until(shop, "fix", "Active", 20);

  const binds = async (user: string, request: Named): Promise<Reply> => {
    const annotations = {
      "kube-elevate.dev/expiration-time": at(24 * 3_600),
      "kube-elevate.dev/policy": "none",
      "kube-elevate.dev/requester": user,
    };
    const { name, uid } = request;
    return post("controller", bindingsPath(shop), bindingBody({ name, uid }, { user, metadata: { annotations } }));
  };
  /** By the binding first: that a user is refused may be so because the API server has not heard of it yet. */
  const endedAfterMs = async (user: string, request: Named, from: number): Promise<number> => {
    const path = bindingsPath(shop, `/${nameOfBinding(request)}`);
    const isGone = async (): Promise<boolean> => (await call("admin", "GET", path)).code === 404;
    await eventually(isGone, 20, `the binding of ${user} is gone`);
    await eventually(async () => !(await lives.allowed(shop, user)), 5, `${user} is refused`);
    return Date.now() - from;
  };
  const { metadata } = await lives.get(shop, "fix");
  const unasked = { name: "never-asked", uid: randomUUID() };
  landed(await binds("mallory", unasked));
  const unaskedAt = Date.now();
  landed(await deletes("controller", bindingsPath(shop, `/${nameOfBinding(metadata)}`)));
  landed(await binds("bob", metadata));
  const [unaskedMs, longerMs] = await Promise.all([
    endedAfterMs("mallory", unasked, unaskedAt),
    endedAfterMs("bob", metadata, Date.now()),
  ]);
  await lives.until(shop, "fix", "Revoked");
  return { endedAfterMs: { "bound to who never asked": unaskedMs, "bound for longer than the record says": longerMs } };
}
