import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startController } from "../../hack/controlplane/processes.ts";
import { parseInstant } from "../../src/domain/time.ts";
import { eventually, useControlPlane } from "./support/control-plane.ts";
import { type Lives, likeShop, must, playLives } from "./support/lives.ts";

const cluster = useControlPlane({ installed: "samples", invariants: { except: ["I4"] } }); // codes are played by hand
const shops = Array.from({ length: 10 }, (_, i) => `shop-${String(i)}`);
let lives: Lives;

beforeAll(async () => {
  await cluster.apply("admin", ...likeShop(...shops));
  lives = await playLives(cluster.plane);
  await Promise.all([startController(cluster.plane), startController(cluster.plane)]);
}, 60_000);

/** Asks as alice until she is refused; when that was first seen, and when she was last let through. */
async function whenRefused(namespace: string, from: number): Promise<{ allowedAt: number; refusedAt: number }> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, from - Date.now())));
  for (let allowedAt = 0; ; ) {
    const askedAt = Date.now();
    if (!(await lives.allowed(namespace))) return { allowedAt, refusedAt: Date.now() };
    allowedAt = askedAt;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("EX01: access is there until expirationTime, and gone then: 10 grants, two replicas, the lateness printed", async () => {
  await Promise.all(
    shops.map(async (shop, i) => {
      await lives.ask(shop, "fix", { duration: `${String(6_000 + 300 * i)}ms` });
      await lives.until(shop, "fix", "Pending");
    }),
  );
  const latenesses = await Promise.all(
    shops.map(async (shop) => {
      expect(await lives.allowed(shop)).toBe(false);
      await lives.prove(shop, "fix");
      const { status } = await lives.until(shop, "fix", "Active");
      expect(await lives.allowed(shop)).toBe(true);
      const expiration = parseInstant(status?.grant?.expirationTime);
      const { allowedAt, refusedAt } = await whenRefused(shop, expiration - 200);
      expect(allowedAt).toBeGreaterThan(expiration - 100); // never early
      const ended = await lives.until(shop, "fix", "Expired");
      expect(ended.status?.reason).toBe("Expired");
      expect(ended.status?.endTime).toMatch(/\.\d{3}Z$/);
      const recorded = parseInstant(ended.status?.endTime) - expiration;
      return { seen: refusedAt - expiration, recorded };
    }),
  );
  const worst = (what: "seen" | "recorded") => Math.max(...latenesses.map((lateness) => lateness[what]));
  process.stderr.write(
    `lateness of 10 grants: first 403 at most ${String(worst("seen"))} ms, endTime at most ${String(worst("recorded"))} ms\n`,
  );
  expect(Math.min(...latenesses.map(({ recorded }) => recorded))).toBeGreaterThanOrEqual(0);
  expect(worst("seen")).toBeLessThan(5_000);
  expect(worst("recorded")).toBeLessThan(5_000);
});

test("whatever two replicas do at once is told once", async () => {
  const listed = z.object({ items: z.array(z.object({ action: z.string(), reason: z.string() })) });
  const toldIn = async (shop: string): Promise<readonly string[]> => {
    const { items } = listed.parse(await must(cluster.plane, "admin", "GET", eventsPath(shop)));
    return items.map(({ action, reason }) => `${action} ${reason}`).toSorted();
  };
  const life = [
    "Activate BindingCreated",
    "Close Expired",
    "Offer AwaitingProof",
    "Promise ProofAccepted",
    "Unbind Expired",
  ];
  for (const shop of shops) {
    await eventually(async () => (await toldIn(shop)).length >= life.length, 10, `all is told in ${shop}`);
    expect(await toldIn(shop)).toEqual(life);
  }
});
const eventsPath = (namespace: string): string => `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
