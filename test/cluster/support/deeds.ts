import { z } from "zod";
import { bindingName } from "../../../src/domain/binding.ts";
import { bindingsPath } from "../../contract/bodies.ts";
import { type Cluster, eventually } from "./control-plane.ts";
import { type Lives, likeShop } from "./lives.ts";
import { everBound } from "./refused.ts";

// What is done to the binding of request fix in a namespace, by whom, and what its user meets afterwards.

/** What the API server answered, and when. */
export type Deed = { readonly code: number; readonly message: string; readonly body: unknown; readonly at: number };
/** What a user met after a deed: how often she was let through, and after how many ms she was refused. */
export type Met = { readonly letThrough: number; readonly ms: number };

export type Deeds = ReturnType<typeof playDeeds>;

export function playDeeds(cluster: Cluster, lives: Lives) {
  const { plane } = cluster;
  const nameOf = async (shop: string): Promise<string> => bindingName((await lives.get(shop, "fix")).metadata);
  const pathOf = async (shop: string): Promise<string> => bindingsPath(shop, `/${await nameOf(shop)}`);
  const asked = async (shop: string, spec: object = {}): Promise<void> => {
    await cluster.apply("admin", ...likeShop(shop));
    // rights that were just given are known to every authorizer of the API server a moment later
    const asks = async (): Promise<boolean> =>
      lives.ask(shop, "fix", spec).then(
        () => true,
        () => false,
      );
    await eventually(asks, 15, `alice may ask in ${shop}`);
    await lives.until(shop, "fix", "Pending", 20);
  };
  const active = async (shop: string, spec: object = {}): Promise<void> => {
    await asked(shop, spec);
    await lives.prove(shop, "fix");
    await lives.until(shop, "fix", "Active", 20);
    await eventually(async () => lives.allowed(shop), 5, `alice is allowed in ${shop}`);
  };
  /** What the record says: phase/reason. */
  const recordOf = async (shop: string): Promise<string> => {
    const { phase, reason } = (await lives.get(shop, "fix")).status ?? {};
    return `${phase ?? ""}/${reason ?? ""}`;
  };
  /** Once there is an end: what the record says, whether a binding is left, and how many were ever made under its name. */
  const ended = async (shop: string, seconds = 20): Promise<readonly [string, "bound" | "unbound", number]> => {
    const closed = async (): Promise<boolean> => (await lives.get(shop, "fix")).status?.endTime !== undefined;
    await eventually(closed, seconds, `${shop} has ended`);
    const name = await nameOf(shop);
    const made = (await everBound(plane)).filter((bound) => bound === name).length;
    return [await recordOf(shop), (await lives.bound(shop, "fix")) ? "bound" : "unbound", made];
  };
  const deed = async (who: string, method: string, path: string, change?: object): Promise<Deed> => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const { code, body } = await plane.ask(who, method, path, change, type);
    const { message } = z.looseObject({ message: z.string().catch("") }).parse(body);
    return { code, message, body, at: Date.now() };
  };
  return {
    nameOf,
    pathOf,
    asked,
    active,
    recordOf,
    ended,
    deed,
    deletes: async (who: string, path: string, options: object = {}): Promise<Deed> =>
      deed(who, "DELETE", path, { kind: "DeleteOptions", apiVersion: "v1", ...options }),
    async byKubectl(who: string, ...args: readonly string[]): Promise<Deed> {
      const { code, stderr } = await plane.run(who, args, { check: false });
      return { code: code === 0 ? 200 : 403, message: stderr, body: undefined, at: Date.now() };
    },
    async bindingIn(shop: string): Promise<z.infer<typeof binding> | undefined> {
      const { code, body } = await plane.ask("admin", "GET", await pathOf(shop));
      return code === 404 ? undefined : binding.parse(body);
    },
    /** Never rejects, so that it can be begun before anybody awaits it. `newly`: who was let in by it, a moment later. */
    async met(shop: string, { at }: Deed, who = "alice", newly = false): Promise<Met> {
      for (let letThrough = 0, ms = 0; ms < 30_000; ms = Date.now() - at) {
        if (await lives.allowed(shop, who).catch(() => true)) letThrough++;
        else if (!newly || letThrough > 0 || ms > 6_000) return { letThrough, ms: Date.now() - at };
        await new Promise((resolve) => setTimeout(resolve, letThrough > 0 ? 50 : 5));
      }
      return { letThrough: Infinity, ms: Infinity };
    },
  };
}

const binding = z.object({
  metadata: z.looseObject({
    uid: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
});
