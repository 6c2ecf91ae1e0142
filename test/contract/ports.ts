import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { ElevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { bindingFor, compareBinding, type NewBinding } from "../../src/domain/binding.ts";
import { statusAfter } from "../../src/domain/status.ts";
import { instant, later } from "../../src/domain/time.ts";
import type { Bindings, Requests } from "../../src/flows/ports.ts";

// What flows rely on, of whatever stands behind the ports: the cluster in memory that they are played on, and the real
// API server. Were the two different, the plays would say nothing.

export type World = {
  readonly requests: Requests;
  readonly bindings: Bindings;
  /** A new request of alice's, in shop, that nobody has looked at. */
  readonly ask: () => Promise<ElevationRequest>;
};

const role = { kind: "ClusterRole", name: "pod-debugger" } as const;
const now = instant(Date.now());
const cluster = { name: "test", uid: "c" };

export const offering = (request: ElevationRequest) => {
  const terms = { roleRef: role, rulesHash: "h", methods: [{ method: "TOTP", duration: "10m" }] } as const;
  const step = { do: "offer", terms, authorizedBy: "RBAC", deadline: later(now, 60_000) } as const;
  return statusAfter(step, request, cluster, now);
};
export const denying = (request: ElevationRequest) => {
  const step = { do: "close", phase: "Denied", cause: { reason: "UseNotPermitted", message: "x" } } as const;
  return statusAfter(step, request, cluster, now);
};
export const bindingOf = (request: ElevationRequest): NewBinding => bindingFor(request, role, later(now, 600_000));
const present = <T>(object: T | undefined): T => object ?? expect.fail("it is not there");

export function holdPorts(world: () => World): void {
  test("ports: what is asked for is read as it was asked, by its name", async () => {
    const { requests, ask } = world();
    const request = await ask();
    const { namespace, name, uid } = request.metadata;
    expect(await requests.get(namespace, name)).toEqual(request);
    expect([request.spec.requester.username, request.status, uid.length > 0]).toEqual(["alice", undefined, true]);
    expect(await requests.get(namespace, "never")).toBeUndefined();
  });

  test("ports: a swap is won by one of many, and lost on what changed meanwhile or is not there", async () => {
    const { requests, ask } = world();
    const request = await ask();
    const { namespace, name } = request.metadata;
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => requests.swapStatus(request, offering(request))),
    );
    const won = answers.filter((answer) => answer !== undefined);
    expect(won).toHaveLength(1);
    expect(await requests.swapStatus(request, denying(request))).toBeUndefined();
    const stored = present(await requests.get(namespace, name));
    expect(stored.status?.phase).toBe("Pending");
    expect(won[0]).toEqual(stored); // so whoever won needs no other look
    const never = { ...request, metadata: { ...request.metadata, name: "never" } };
    expect(await requests.swapStatus(never, denying(never))).toBeUndefined();
  });

  test("ports: a swap leaves alone what it does not name, and an ended record throws", async () => {
    const { requests, ask } = world();
    const request = await ask();
    const { namespace, name } = request.metadata;
    await requests.swapStatus(request, offering(request));
    const pending = present(await requests.get(namespace, name));
    expect(await requests.swapStatus(pending, denying(pending))).toMatchObject({ status: { phase: "Denied" } });
    const ended = present(await requests.get(namespace, name));
    expect(ended.status).toMatchObject({ phase: "Denied", offer: { roleRef: role } });
    await expect(requests.swapStatus(ended, { reason: "Expired" })).rejects.toThrow(/never changes/);
  });

  test("ports: open are those without a phase and those that have not ended", async () => {
    const { requests, ask } = world();
    const [fresh, pending, ended] = [await ask(), await ask(), await ask()];
    await requests.swapStatus(pending, offering(pending));
    await requests.swapStatus(ended, denying(ended));
    const open = (await requests.listOpen()).map(({ metadata }) => metadata.uid);
    const among = [fresh, pending, ended].map(({ metadata }) => open.includes(metadata.uid));
    expect(among).toEqual([true, true, false]);
  });

  test("ports: next is told of the next change, at once of one that is past, and of none when its time has passed", async () => {
    const { requests, ask } = world();
    const request = await ask();
    const changed = requests.next(request, 10_000);
    await requests.swapStatus(request, offering(request));
    const pending = present(await changed);
    expect(pending.status?.phase).toBe("Pending");
    expect(await requests.next(request, 10_000)).toEqual(pending);
    const begun = performance.now();
    expect(await requests.next(pending, 200)).toEqual(pending);
    expect(performance.now() - begun).toBeLessThan(2_000);
    const ended = requests.next(pending, 10_000);
    await requests.swapStatus(pending, denying(pending));
    expect((await ended)?.status?.phase).toBe("Denied");
    const never = { ...request, metadata: { ...request.metadata, name: "never" } };
    expect(await requests.next(never, 100)).toBeUndefined();
  });

  test("ports: a binding is made once, found by name and by label, removed by its UID alone, and then gone", async () => {
    const { requests, bindings, ask } = world();
    const request = await ask();
    const binding = bindingOf(request);
    const { namespace, name } = binding.metadata;
    expect(await bindings.get(namespace, name)).toBeUndefined();
    expect(await bindings.rehearse(binding)).toBeUndefined();
    expect(await bindings.get(namespace, name)).toBeUndefined();
    const made = await Promise.all([bindings.create(binding), bindings.create(binding)]);
    expect(made.toSorted()).toEqual(["lost", "won"]);
    expect(await bindings.rehearse(binding)).toBeUndefined();
    const found = present(await bindings.get(namespace, name));
    const grant = { expirationTime: binding.metadata.annotations["kube-elevate.dev/expiration-time"] ?? "" };
    expect(compareBinding(found, { ...request, status: { ...offering(request), grant } })).toBe("ours");
    expect((await bindings.listManaged()).map(({ metadata }) => metadata.name)).toContain(name);

    const another = { ...found, metadata: { ...found.metadata, uid: randomUUID() } };
    expect(await bindings.remove(another)).toBe("lost");
    expect(await bindings.get(namespace, name)).toEqual(found);
    expect(await bindings.remove(found)).toBe("won");
    expect(await bindings.get(namespace, name)).toBeUndefined();
    expect(await bindings.remove(found)).toBe("lost");
    expect(await requests.get(namespace, request.metadata.name)).toEqual(request);
  });
}
