import { expect, test } from "vitest";
import { fakeCluster } from "../../test/fakes/cluster.ts";
import { asked, meta, policy, totpOfAlice } from "../../test/fakes/objects.ts";
import { bindingName } from "../domain/binding.ts";
import { later, parseInstant } from "../domain/time.ts";
import type { ControllerPorts } from "./ports.ts";
import { type Memory, reconcile, unbindDue } from "./reconcile.ts";

// What two replicas, and keys that are not known yet, may do to a pass; whole lives are told in test/scenarios.

const start = parseInstant("2026-11-24T10:00:00Z");
const key = { namespace: "shop", name: "fix", uid: meta.uid };

async function proven() {
  const told: string[] = [];
  const cluster = fakeCluster(policy, start, { tell: ({ step }) => told.push(step.do) });
  cluster.enroll(totpOfAlice);
  cluster.requests.put({ metadata: { ...meta, ...key }, spec: asked });
  await reconcile(cluster.controller, key, {});
  await cluster.prove("fix");
  const status = async () => (await cluster.requests.get("fix"))?.status;
  return { ...cluster, told, status };
}

test("no record that is older than a binding condemns it", async () => {
  const { controller, status, told } = await proven();
  const pending = await controller.requests.get("shop", "fix");
  let asks = 0;
  const slow: ControllerPorts = {
    ...controller,
    requests: {
      ...controller.requests,
      async get(namespace, name) {
        if (asks++ > 0) return controller.requests.get(namespace, name);
        return pending; // read before the other replica promised, bound and activated; the binding is read after it
      },
    },
    bindings: {
      ...controller.bindings,
      async get(namespace, name) {
        if (asks < 2) await reconcile(controller, key, {});
        return controller.bindings.get(namespace, name);
      },
    },
  };
  await reconcile(slow, key, {});
  expect(await status()).toMatchObject({ phase: "Active" });
  expect(told).toEqual(["offer", "promise", "bind", "activate"]);
});

const unknownKey = (ports: ControllerPorts): ControllerPorts => ({
  ...ports,
  seals: {
    holds() {
      throw new Error("seal key k2 is not known yet");
    },
  },
});

test("TA11: a proof for another cluster, under a key that is known here, is none", async () => {
  const { controller, status } = await proven();
  await reconcile({ ...controller, cluster: { name: "other", uid: "c2" } }, key, {});
  expect(await status()).toMatchObject({ phase: "Denied", reason: "RecordTampered" });
});

test("a proof whose key is not known yet is neither granted nor denied", async () => {
  const { controller, status } = await proven();
  await expect(reconcile(unknownKey(controller), key, {})).rejects.toThrow("not known yet");
  expect(await status()).toMatchObject({ phase: "Pending" });
  await reconcile(controller, key, {});
  expect(await status()).toMatchObject({ phase: "Active" });
});

test("no ending waits for a key: what is overdue ends, and what was revoked", async () => {
  const expired = await proven();
  await reconcile(expired.controller, key, {});
  await expect(reconcile(unknownKey(expired.controller), key, {})).rejects.toThrow("not known yet");
  expired.world.now = later(start, 15 * 60_000);
  await reconcile(unknownKey(expired.controller), key, {});
  expect(await expired.status()).toMatchObject({ phase: "Expired", reason: "Expired" });

  const revoked = await proven();
  await reconcile(revoked.controller, key, {});
  const request = await revoked.requests.get("fix");
  if (request === undefined) throw new Error("fix is gone");
  revoked.requests.put({ ...request, spec: { ...request.spec, termination: { by: "sre" } } });
  await reconcile(unknownKey(revoked.controller), key, {});
  expect(await revoked.status()).toMatchObject({ phase: "Revoked", reason: "Revoked" });
  expect(await revoked.bindings.list()).toEqual([]);
});

test("a binding is rehearsed for its offer, and again only to tell why it was refused", async () => {
  const { controller, status, told } = await proven();
  let rehearsals = 0;
  let refusing = true;
  const denial = { reason: "BindingRefused", message: "no new bindings on Fridays" } as const;
  const ports: ControllerPorts = {
    ...controller,
    bindings: {
      ...controller.bindings,
      async create(binding) {
        if (refusing) throw new Error("422");
        return controller.bindings.create(binding);
      },
      async rehearse() {
        rehearsals++;
        return refusing ? denial : undefined;
      },
    },
  };
  const memory = {};
  await expect(reconcile(ports, key, memory)).rejects.toThrow("422");
  expect([rehearsals, (await status())?.phase]).toEqual([0, "Granting"]);
  await reconcile(ports, key, memory);
  expect(await status()).toMatchObject({ phase: "Denied", ...denial });

  refusing = false;
  const other = await proven();
  await reconcile(
    {
      ...other.controller,
      bindings: { ...other.controller.bindings, rehearse: async (binding) => ports.bindings.rehearse(binding) },
    },
    key,
    {},
  );
  expect([rehearsals, (await other.status())?.phase]).toEqual([1, "Active"]);
  expect(told).toEqual(["offer", "promise", "close"]);
});

test("RC13: gates that are read ahead are read after the binding is there: one that closes meanwhile ends it", async () => {
  const { controller, world, status, told, bindings } = await proven();
  const closing: ControllerPorts = {
    ...controller,
    bindings: {
      ...controller.bindings,
      async create(binding) {
        const outcome = await controller.bindings.create(binding);
        world.useAllowed = false;
        return outcome;
      },
    },
  };
  await reconcile(closing, key, {});
  expect(await status()).toMatchObject({ phase: "Denied", reason: "UseNotPermitted" });
  expect((await status())?.grant?.grantTime).toBeUndefined();
  expect(await bindings.list()).toEqual([]);
  expect(told).toEqual(["offer", "promise", "bind", "unbind", "close"]);
});

test("IA30: what is bound becomes Active by a look at admission that began when it was proven, whoever comes to it", async () => {
  for (const dies of [false, true]) {
    const { controller, status, bindings, told } = await proven();
    const denial = { reason: "AdmissionUnprotected", message: "a wall is down since a moment" } as const;
    let looked = false;
    const forged: ControllerPorts = {
      ...controller,
      protection: {
        ...controller.protection,
        async refuses(_, after) {
          looked ||= after !== undefined;
          return looked ? denial : undefined;
        },
      },
      bindings: {
        ...controller.bindings,
        async create(binding) {
          const outcome = await controller.bindings.create(binding);
          if (dies) throw new Error("killed");
          return outcome;
        },
      },
    };
    await reconcile(forged, key, {}).catch(() => undefined);
    if (dies) await reconcile(forged, key, {});
    expect(await status()).toMatchObject({ phase: "Denied", reason: "AdmissionUnprotected" });
    expect(await bindings.list()).toEqual([]);
    expect(told).not.toContain("activate");
  }
});

test("RC04, RC12: after gates that took long a binding is made by a new look alone: another replica may have ended all", async () => {
  for (const [tookMs, asks] of [
    [100, false],
    [101, true],
  ] as const) {
    const { controller, world, requests, status, bindings, told } = await proven();
    const killed = { ...controller.bindings, create: async () => Promise.reject(new Error("killed")) };
    await expect(reconcile({ ...controller, bindings: killed }, key, {})).rejects.toThrow("killed");
    const slow: ControllerPorts = {
      ...controller,
      facts: {
        ...controller.facts,
        async policy(name) {
          if ((await status())?.phase === "Granting" && !told.includes("-")) {
            told.push("-");
            world.now = later(world.now, tookMs);
            await reconcile(controller, key, {});
            const active = await requests.get("fix");
            if (active === undefined) throw new Error("fix is gone");
            requests.put({ ...active, spec: { ...active.spec, termination: { by: "alice" } } });
            await reconcile(controller, key, {});
            told.push("|");
          }
          return controller.facts.policy(name);
        },
      },
    };
    await reconcile(slow, key, {}).catch(() => undefined);
    expect(told.slice(told.indexOf("|") + 1)).toEqual(asks ? [] : ["bind", "unbind"]); // quick gates cannot be that late
    expect([(await status())?.phase, await bindings.list()]).toEqual(["Released", []]);
  }
});

test("a word for what was unbound is not kept for what is bound after it", async () => {
  const { controller, status, bindings, world } = await proven();
  const memory = {};
  const name = bindingName(key);
  await bindings.create({ metadata: { ...meta, namespace: "shop", name } }); // planted
  await reconcile(controller, key, memory);
  expect((await status())?.phase).toBe("Active");
  await bindings.remove({ name, uid: "b1" });
  await reconcile(controller, key, memory);
  expect((await status())?.phase).toBe("Active"); // whoever took it has a second to say why
  world.now = later(world.now, 1_000);
  await reconcile(controller, key, memory);
  expect(await status()).toMatchObject({ phase: "Revoked", reason: "BindingRemoved" });
});

test("gates are read for the offer, before the bind and before Active, and then not for 30 s", async () => {
  const { controller, status } = await proven();
  let reads = 0;
  const counting: ControllerPorts = {
    ...controller,
    facts: {
      ...controller.facts,
      async policy(name) {
        reads++;
        return controller.facts.policy(name);
      },
    },
  };
  expect(await reconcile(counting, key, {})).toBe(later(start, 30_000));
  expect([(await status())?.phase, reads]).toEqual(["Active", 2]);
});

async function standing() {
  const cluster = await proven();
  const memory: Memory = {};
  await reconcile(cluster.controller, key, memory);
  const calls: string[] = [];
  const { controller } = cluster;
  const watched: ControllerPorts = {
    ...controller,
    requests: {
      ...controller.requests,
      async get(namespace, name) {
        calls.push("get request");
        return controller.requests.get(namespace, name);
      },
    },
    bindings: {
      ...controller.bindings,
      async get(namespace, name) {
        calls.push("get binding");
        return controller.bindings.get(namespace, name);
      },
      async remove(binding) {
        calls.push(`remove ${binding.metadata.uid}`);
        return controller.bindings.remove(binding);
      },
    },
  };
  const lengthen = async (expirationTime: string): Promise<void> => {
    const request = await cluster.requests.get("fix");
    if (request === undefined) throw new Error("fix is gone");
    const grant = { ...request.status?.grant, expirationTime };
    cluster.requests.put({ ...request, status: { ...request.status, grant } });
  };
  return { ...cluster, memory, calls, watched, lengthen };
}

test("EX01: what is due is asked to go with one call, once, and not a millisecond early; a look finds it gone", async () => {
  const { watched, memory, calls, world, told, status } = await standing();
  world.now = later(start, 15 * 60_000 - 1);
  expect([await unbindDue(watched, memory), calls]).toEqual([false, []]);
  world.now = later(world.now, 1);
  expect([await unbindDue(watched, memory), calls]).toEqual([true, ["remove b1"]]);
  expect([await unbindDue(watched, memory), calls.length]).toEqual([false, 1]);
  expect(told.at(-1)).toBe("activate"); // an answer to DELETE is no end
  await reconcile(watched, key, memory);
  expect([calls.length, told.slice(-2)]).toEqual([3, ["unbind", "close"]]);
  expect(await status()).toMatchObject({ phase: "Expired", reason: "Expired" });
});

test("EX07: a record that was lengthened behind a grant's back ends no later for it, and says what happened", async () => {
  const { watched, memory, world, lengthen, status, bindings } = await standing();
  await lengthen("2026-12-24T10:00:00.000Z");
  world.now = later(start, 15 * 60_000);
  expect(await unbindDue(watched, memory)).toBe(true);
  expect(await bindings.list()).toEqual([]);
  await reconcile(watched, key, memory);
  expect(await status()).toMatchObject({ phase: "Revoked", reason: "RecordTampered" });
});

test("EX16: what was asked to go and is kept is no end: it throws, is told as stalled, and ends when it can", async () => {
  const { watched, memory, calls, world, status, bindings, told } = await standing();
  world.bindingsHeld = true;
  world.now = later(start, 15 * 60_000);
  expect(await unbindDue(watched, memory)).toBe(true);
  await expect(reconcile(watched, key, memory)).rejects.toThrow("still there");
  expect(await unbindDue(watched, memory)).toBe(false); // from here on nothing is asked unseen
  await expect(reconcile(watched, key, memory)).rejects.toThrow("still there");
  expect(await status()).toMatchObject({ phase: "Active", reason: "UnbindFailing" });
  world.bindingsHeld = false;
  await reconcile(watched, key, memory);
  expect([(await status())?.phase, await bindings.list()]).toEqual(["Expired", []]);
  expect(told.filter((step) => step === "tellStalled" || step === "unbind")).toEqual(["tellStalled", "unbind"]);
  expect(calls.filter((call) => call.startsWith("remove"))).toHaveLength(3);
});

test("EX15: another binding under the same name is not what was asked to go: a look sees it, and it goes as well", async () => {
  const { watched, controller, memory, world, bindings, status } = await standing();
  const name = bindingName(key);
  await controller.bindings.remove({ metadata: { namespace: "shop", name, uid: "b1" } });
  bindings.put({ metadata: { ...meta, namespace: "shop", name, uid: "b2" } });
  world.now = later(start, 15 * 60_000);
  await unbindDue(watched, memory);
  expect(await bindings.list()).toHaveLength(1);
  await reconcile(watched, key, memory);
  expect([await bindings.list(), (await status())?.phase]).toEqual([[], "Expired"]);
});

/** The same, but for what somebody else does at the moment that the binding is made. */
const atTheBind = (ports: ControllerPorts, meanwhile: () => Promise<unknown>): ControllerPorts => ({
  ...ports,
  bindings: {
    ...ports.bindings,
    async create(binding) {
      await meanwhile();
      return ports.bindings.create(binding);
    },
  },
});

test("a name that is taken at the bind is compared: what is foreign goes, and what another replica made is ours", async () => {
  const taken = await proven();
  const name = bindingName(key);
  const foreign = { metadata: { ...meta, namespace: "shop", name, uid: "planted" } };
  let planted = false;
  const planting = atTheBind(taken.controller, async () => {
    if (!planted) taken.bindings.put(foreign);
    planted = true;
  });
  await reconcile(planting, key, {});
  expect(await taken.status()).toMatchObject({ phase: "Active" });
  expect((await taken.bindings.list()).map(({ metadata }) => metadata.uid)).toEqual(["b1"]);
  expect(taken.told).toEqual(["offer", "promise", "unbind", "bind", "activate"]);

  const shared = await proven();
  await reconcile(
    atTheBind(shared.controller, async () => reconcile(shared.controller, key, {})),
    key,
    {},
  );
  expect(await shared.status()).toMatchObject({ phase: "Active" });
  expect(shared.told).toEqual(["offer", "promise", "bind", "activate"]);
});

test("TA01: a verification that no verifier sealed, or that was changed after it was, gives nothing", async () => {
  for (const change of [
    { seal: "AAAA" },
    { authenticatorUID: "another" },
    { verificationTime: "2026-11-24T10:04:00Z" },
  ]) {
    const { controller, requests, bindings, status } = await proven();
    const request = await requests.get("fix");
    const verification = request?.status?.verification;
    if (request === undefined || verification === undefined) throw new Error("fix is proven");
    requests.put({ ...request, status: { ...request.status, verification: { ...verification, ...change } } });
    await reconcile(controller, key, {});
    expect(await status()).toMatchObject({ phase: "Denied", reason: "RecordTampered" });
    expect([await bindings.list(), (await status())?.grant]).toEqual([[], undefined]);
  }
});

test("a request that took the name of another is left alone, and what the other had goes", async () => {
  const { controller, requests, bindings, status } = await proven();
  await reconcile(controller, key, {});
  const request = await requests.get("fix");
  if (request === undefined) throw new Error("fix is gone");
  requests.put({ ...request, metadata: { ...request.metadata, uid: "another-uid" } });
  await reconcile(controller, key, {});
  expect(await bindings.list()).toEqual([]);
  expect(await status()).toMatchObject({ phase: "Active" }); // as it was: its own pass will judge it
});

test.each<[string, string, (ports: ControllerPorts) => ControllerPorts]>([
  ["ClockSkewed", "a clock that is off", (ports) => withFacts(ports, { clockOffMs: async () => 6_000 })],
  [
    "UseNotPermitted",
    "a right that is lost",
    (ports) => withFacts(ports, { mayUse: async () => ({ allowed: false, reason: "" }) }),
  ],
  ["NamespaceNotSelected", "a label that is gone", (ports) => withFacts(ports, { namespaceLabels: async () => ({}) })],
  [
    "AdmissionUnprotected",
    "a wall that is down",
    (ports) => ({ ...ports, protection: { ...ports.protection, refuses: async () => wallIsDown } }),
  ],
  ["PolicyNotFound", "a policy that is gone", (ports) => withFacts(ports, { policy: async () => undefined })],
  ["RoleNotFound", "a role that is gone", (ports) => withFacts(ports, { rulesHash: async () => undefined })],
  ["RoleChanged", "a role that changed", (ports) => withFacts(ports, { rulesHash: async () => "r2" })],
  [
    "AuthenticatorWithdrawn",
    "an authenticator that is gone",
    (ports) => ({ ...ports, authenticators: { get: async () => undefined } }),
  ],
])("%s: after the proof, %s binds nothing", async (reason, _what, change) => {
  const { controller, status, told } = await proven();
  await reconcile(change(controller), key, {});
  expect(await status()).toMatchObject({ phase: "Denied", reason });
  expect(told).toEqual(["offer", "promise", "close"]);
});

const wallIsDown = { reason: "AdmissionUnprotected", message: "a wall is down" } as const;
const withFacts = (ports: ControllerPorts, facts: Partial<ControllerPorts["facts"]>): ControllerPorts => ({
  ...ports,
  facts: { ...ports.facts, ...facts },
});
