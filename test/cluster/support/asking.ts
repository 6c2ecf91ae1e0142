import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Cluster, eventually } from "./control-plane.ts";
import { type Lives, must } from "./lives.ts";

// What alice is told of her requests in one namespace, one after another, while somebody works on the walls. She says
// who she is, so that it needs nobody to fill her in.

export type Asking = ReturnType<typeof playAsking>;

const alice = { username: "alice", uid: "uid-alice", groups: ["devs", "system:authenticated"] };

export function playAsking({ plane }: Pick<Cluster, "plane">, lives: Lives, shop: string) {
  const grants: string[] = [];
  let count = 0;
  const asks = async (name: string): Promise<boolean> =>
    lives.ask(shop, name, { requester: alice }).then(
      () => true,
      () => false,
    );
  /** phase/reason: message */
  const says = async (name: string, where = shop): Promise<string> => {
    const { phase = "", reason = "", message = "" } = (await lives.get(where, name)).status ?? {};
    return `${phase}/${reason}: ${message}`;
  };
  /** A new one, once it is judged. After a change of its CRD a kind is not served for a moment. */
  const judged = async (): Promise<{ readonly name: string; readonly said: string }> => {
    count += 1;
    const name = `r-${String(count)}`;
    await eventually(async () => asks(name), 20, `alice asks for ${name}`);
    await eventually(async () => (await lives.get(shop, name)).status?.phase, 20, `${name} is judged`);
    return { name, said: await says(name) };
  };
  const offered = async (): Promise<string> => {
    const { name, said } = await judged();
    if (said.startsWith("Pending/")) return name;
    await sleep(200);
    return "";
  };
  /** One that waits for its proof. Who is denied asks again, as she is told to. */
  const waiting = async (): Promise<string> => eventually(offered, 30, "a request is offered something");
  const prove = async (name: string): Promise<string> => {
    await lives.prove(shop, name);
    await lives.until(shop, name, "Active", 20);
    grants.push(name);
    return says(name);
  };
  return {
    /** The names of those that became Active. */
    grants,
    says,
    judged,
    waiting,
    prove,
    granted: async (): Promise<string> => prove(await waiting()),
    /** What is said of it once it has ended. `asking`: meanwhile she asks for more, so that somebody looks at once. */
    async ended(name: string, { asking = false } = {}): Promise<string> {
      const over = async () => (await lives.get(shop, name)).status?.endTime;
      await eventually(async () => (await over()) ?? (asking && (await judged(), over())), 20, `${name} ends`);
      return says(name);
    },
    /** What the Warning Events of this reason say about kube-elevate itself. */
    async notes(reason: string): Promise<string> {
      const path = "/apis/events.k8s.io/v1/namespaces/elevate-system/events?fieldSelector=type%3DWarning";
      const { items } = events.parse(await must(plane, "admin", "GET", path));
      const about = items.filter(({ regarding }) => regarding.kind === "ConfigMap");
      return about.flatMap((event) => (event.reason === reason ? [event.note ?? ""] : [])).join("\n");
    },
  };
}

const event = z.object({ note: z.string(), reason: z.string(), regarding: z.object({ kind: z.string() }) });
const events = z.object({ items: z.array(event.partial({ note: true })) });
