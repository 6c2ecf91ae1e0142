import { expect, test } from "vitest";
import { fakeCluster } from "../../test/fakes/cluster.ts";
import { asked, meta, policy, totpOfAlice } from "../../test/fakes/objects.ts";
import { fakeTimers, settle } from "../../test/fakes/timers.ts";
import { fakeWatch } from "../../test/fakes/watch.ts";
import { bindingName } from "../domain/binding.ts";
import { later, parseInstant } from "../domain/time.ts";
import type { ControllerPorts } from "./ports.ts";
import { createSchedule } from "./schedule.ts";

// One replica on a cluster in memory, whose clock and timers the test moves. A grant lasts 15 min, as TOTP may.

const start = parseInstant("2026-11-24T10:00:00Z");
const minute = 60_000;
const day = 24 * 60 * minute;

function play(change: (ports: ControllerPorts) => ControllerPorts = (ports) => ports, policyOf = policy) {
  const told: string[] = [];
  const cluster = fakeCluster(policyOf, start, { tell: ({ about, step }) => told.push(`${about.name} ${step.do}`) });
  cluster.enroll(totpOfAlice);
  const timers = fakeTimers(cluster.world);
  const watch = fakeWatch(cluster.requests);
  const lines: string[] = [];
  const log = {
    info: (_fields: object, message: string) => lines.push(message),
    warn: (_fields: object, message: string) => lines.push(message),
  };
  /** A replica that was just started: with no memory. */
  const replica = () =>
    createSchedule({ ports: change(cluster.controller), watch, log, after: timers.after, random: () => 0.5 });
  let made = 0;
  const ask = async (name: string): Promise<void> => {
    const uid = `${String(++made).padStart(8, "0")}-uid`;
    cluster.requests.put({ metadata: { ...meta, uid, namespace: "shop", name }, spec: asked });
    await settle();
  };
  const grant = async (name: string): Promise<void> => {
    await ask(name);
    await cluster.prove(name);
    await settle();
  };
  const phase = async (name: string) => (await cluster.requests.get(name))?.status?.phase;
  const bound = async () => (await cluster.bindings.list()).length;
  return { ...cluster, told, timers, watch, lines, replica, ask, grant, phase, bound };
}

test("a request is offered, granted at its proof, and ended at the instant that was recorded", async () => {
  const { replica, grant, phase, bound, timers, requests, told } = play();
  await replica().start();
  await grant("fix");
  expect(await phase("fix")).toBe("Active");
  await timers.advance(15 * minute - 1);
  expect(await bound()).toBe(1);
  await timers.advance(1);
  expect(await bound()).toBe(0);
  const { status } = (await requests.get("fix")) ?? {};
  expect(status).toMatchObject({ phase: "Expired", endTime: status?.grant?.expirationTime });
  expect(told).toEqual(["offer", "promise", "bind", "activate", "unbind", "close"].map((step) => `fix ${step}`));
});

/** A grant that ran out and a proof that came while no replica ran. */
async function afterADeadTime(change?: (ports: ControllerPorts) => ControllerPorts) {
  const played = play(change);
  const first = played.replica();
  await first.start();
  await played.grant("old");
  await played.timers.advance(14 * minute);
  await played.ask("new");
  await first.stop();
  await played.timers.advance(2 * minute);
  await played.prove("new");
  played.told.length = 0;
  return played;
}

test("EX02, EX34: what is overdue at the start ends before anything is granted, and before the start is done", async () => {
  const { replica, told, phase, timers } = await afterADeadTime();
  const second = replica();
  expect(second.checks.overdue()).toBe("what is overdue is not yet ended");
  await second.start();
  expect(second.checks.overdue()).toBeUndefined();
  expect(await phase("old")).toBe("Expired");
  await timers.advance(0);
  expect(await phase("new")).toBe("Active");
  expect(told.slice(0, 2)).toEqual(["old unbind", "old close"]);
});

test("what is overdue and cannot be ended keeps the replica unready, and holds up nobody else", async () => {
  const { replica, phase, timers, world, bound } = await afterADeadTime();
  world.bindingsHeld = true;
  const second = replica();
  let ready = false;
  void second.start().then(() => (ready = true));
  await timers.advance(30_000);
  expect(await phase("new")).toBe("Active");
  expect(await phase("old")).toBe("Active");
  expect([ready, second.checks.overdue()]).toEqual([false, "what is overdue is not yet ended"]);
  world.bindingsHeld = false;
  await timers.advance(3_000); // an ending is tried again every few seconds
  expect(await phase("old")).toBe("Expired");
  expect([ready, await bound()]).toEqual([true, 1]);
});

test("EX34: an ending that takes long at the start holds up grants until it is done, later for a second at most", async () => {
  let removeMs = 10_000;
  let timers: ReturnType<typeof play>["timers"] | undefined;
  const played = await afterADeadTime((ports) => ({
    ...ports,
    bindings: {
      ...ports.bindings,
      async remove(binding) {
        await new Promise<void>((resolve) => timers?.after(removeMs, resolve));
        if (removeMs === 15_000) throw new Error("no answer");
        return ports.bindings.remove(binding);
      },
    },
  }));
  ({ timers } = played);
  void played.replica().start();
  await played.timers.advance(9_999);
  expect(await played.phase("new")).toBe("Pending");
  await played.timers.advance(1);
  expect([await played.phase("old"), await played.phase("new")]).toEqual(["Expired", "Active"]);

  removeMs = 15_000;
  await played.timers.advance(15 * minute + 60_000); // "new" is overdue, and every try takes 15 s to fail
  for (let i = 0; i < 20; i++) {
    await played.ask(`other-${String(i)}`);
    await played.prove(`other-${String(i)}`);
    await played.timers.advance(950);
    expect(await played.phase(`other-${String(i)}`)).toBe("Active");
  }
});

test("EX34: under load, an ending that comes due is written before the grants that wait", async () => {
  const { replica, grant, ask, prove, told, timers, watch } = play();
  await replica().start();
  await grant("old");
  await timers.advance(12 * minute);
  const names = Array.from({ length: 40 }, (_, i) => `new-${String(i)}`);
  for (const name of names) await ask(name);
  watch.frozen = true; // they are all found at once, by the list
  await timers.advance(15 * minute - 12 * minute - 1);
  for (const name of names) await prove(name);
  told.length = 0;
  await timers.advance(10_000);
  expect(told.slice(0, 2)).toEqual(["old unbind", "old close"]);
  expect(told.filter((line) => line.endsWith("activate"))).toHaveLength(40);
});

/** All that is asked of the API server about single objects, in its order. */
function writing(calls: string[]) {
  return (ports: ControllerPorts): ControllerPorts => ({
    ...ports,
    requests: {
      ...ports.requests,
      async get(namespace, name) {
        calls.push(`get ${name}`);
        return ports.requests.get(namespace, name);
      },
      async swapStatus(seen, patch) {
        calls.push(`${patch.phase ?? "?"} ${seen.metadata.name}`);
        return ports.requests.swapStatus(seen, patch);
      },
    },
    bindings: {
      ...ports.bindings,
      async remove(binding) {
        calls.push(`remove ${binding.metadata.name.split(":")[1] ?? "?"}`);
        return ports.bindings.remove(binding);
      },
    },
  });
}

test.each(["while it runs", "at its start"])(
  "EX02, EX34: of many that end at one instant %s all are unbound before any is closed, and none is read first",
  async (when) => {
    const calls: string[] = [];
    let timers: ReturnType<typeof play>["timers"] | undefined;
    const played = play((ports) => {
      const { bindings, ...others } = writing(calls)(ports);
      const slow: typeof bindings.remove = async (binding) => {
        const outcome = bindings.remove(binding);
        await new Promise<void>((resolve) => timers?.after(10, resolve)); // so that all are due before one is answered
        return outcome;
      };
      return { ...others, bindings: { ...bindings, remove: slow } };
    });
    const { replica, grant, phase } = played;
    ({ timers } = played);
    const first = replica();
    await first.start();
    const names = Array.from({ length: 40 }, (_, i) => `fix-${String(i)}`);
    for (const name of names) await grant(name);
    if (when === "at its start") await first.stop();
    await timers.advance(15 * minute - 1);
    calls.length = 0;
    await timers.advance(1);
    if (when === "at its start") void replica().start();
    await timers.advance(1_000);
    expect(calls.slice(0, 40).toSorted()).toEqual(names.map((name) => `remove ${name}`).toSorted());
    for (const name of names) expect(await phase(name)).toBe("Expired");
  },
);

test("a grant of 15 minutes is told to end 5 minutes before it does, once; one of 3 minutes, and one that ended, are not", async () => {
  const warned: string[] = [];
  const { replica, grant, prove, phase, timers, requests, world } = play((ports) => ({
    ...ports,
    recorder: {
      ...ports.recorder,
      warn: ({ about, expiration }) => warned.push(`${about.name} ${String((expiration - world.now) / minute)}`),
    },
  }));
  await replica().start();
  await grant("fix");
  await grant("given-back");
  requests.put({
    metadata: { ...meta, uid: "99999999-uid", namespace: "shop", name: "short" },
    spec: { ...asked, duration: "3m" },
  });
  await settle();
  await prove("short");
  await settle();
  expect(await phase("short")).toBe("Active");
  await timers.advance(9 * minute);
  const ended = await requests.get("given-back");
  if (ended === undefined) throw new Error("given-back is gone");
  requests.put({ ...ended, spec: { ...ended.spec, termination: { by: "alice" } } });
  await timers.advance(minute - 1);
  expect(warned).toEqual([]);
  await timers.advance(1);
  expect(warned).toEqual(["fix 5"]);
  await timers.advance(30 * minute);
  expect(warned).toEqual(["fix 5"]);
});

test("a gate that hangs when a grant is due holds up no ending: it is unbound in time, and closed when the pass is over", async () => {
  let hanging = false;
  let timers: ReturnType<typeof play>["timers"] | undefined;
  const played = play((ports) => ({
    ...ports,
    facts: {
      ...ports.facts,
      async mayUse(request, scope) {
        if (!hanging) return ports.facts.mayUse(request, scope);
        await new Promise<void>((resolve) => timers?.after(15_000, resolve));
        throw new Error("nothing within 15000 ms");
      },
    },
  }));
  const { replica, grant, requests, bound, phase } = played;
  ({ timers } = played);
  await replica().start();
  await grant("fix");
  await timers.advance(15 * minute - 5_000);
  hanging = true;
  const request = await requests.get("fix");
  if (request === undefined) throw new Error("fix is gone");
  requests.put(request); // somebody changed it, so it is looked at
  await timers.advance(4_999);
  expect(await bound()).toBe(1);
  await timers.advance(1);
  expect([await bound(), await phase("fix")]).toEqual([0, "Active"]);
  await timers.advance(15_000);
  expect(await phase("fix")).toBe("Expired");
});

test("a close of one's own is heard of, and nothing is asked for it", async () => {
  const calls: string[] = [];
  const { replica, grant, timers } = play(writing(calls));
  await replica().start();
  await grant("fix");
  await timers.advance(15 * minute - 1);
  calls.length = 0;
  await timers.advance(minute);
  expect(calls).toEqual(["remove fix", "get fix", "Expired fix"]);
});

test("EX06: a grant of 24h, and a clock that is 60 days on: no timer is beyond 2^31 ms, and none fires early", async () => {
  const longest = { ...policy.spec, duration: { default: "24h", max: "24h" } };
  const authentication = { ...longest.authentication, totp: { maxDuration: "24h" } };
  const { replica, grant, phase, timers, world, requests, told } = play((ports) => ports, {
    ...policy,
    spec: { ...longest, authentication },
  });
  await replica().start();
  await grant("short");
  requests.put({
    metadata: { ...meta, uid: "99999999-uid", namespace: "shop", name: "long" },
    spec: { ...asked, duration: "24h" },
  });
  await settle();
  await grant("other");
  const before = told.length;
  await timers.advance(5 * minute); // nobody proves "long"
  expect(await phase("long")).toBe("Pending");
  await timers.advance(1);
  expect([await phase("long"), told.length]).toEqual(["TimedOut", before + 1]);
  world.now = later(world.now, 60 * day);
  await timers.advance(5_000);
  expect(await phase("other")).toBe("Expired"); // by the list, though the timer believed in 15 minutes
  expect(Math.max(...timers.delays)).toBeLessThan(2 ** 31);
});

test("a deadline that a forged record puts beyond 2^31 ms is waited for in steps, and nothing is asked at them", async () => {
  let looks = 0;
  const { replica, ask, requests, timers, phase } = play((ports) => ({
    ...ports,
    bindings: {
      ...ports.bindings,
      async get(namespace, name) {
        looks++;
        return ports.bindings.get(namespace, name);
      },
    },
  }));
  await replica().start();
  await ask("far");
  const far = await requests.get("far");
  if (far?.status?.offer === undefined) throw new Error("not offered");
  const offer = { ...far.status.offer, deadlineTime: "2027-02-24T10:00:00Z" };
  requests.put({ ...far, status: { ...far.status, offer } });
  timers.delays.length = 0;
  await timers.advance(0);
  expect(timers.delays.length).toBeLessThan(5); // it does not spin
  expect(Math.max(...timers.delays)).toBeLessThan(2 ** 31);
  looks = 0;
  await timers.advance(3 * 60 * minute);
  expect([await phase("far"), looks]).toEqual(["Pending", 0]);
});

test("EX12: a request whose passes fail is tried again ever more seldom, and the others are served on time", async () => {
  let tries = 0;
  const { replica, grant, ask, phase, timers } = play((ports) => ({
    ...ports,
    requests: {
      ...ports.requests,
      get: async (namespace, name) => {
        if (name !== "poison") return ports.requests.get(namespace, name);
        tries++;
        throw new Error("poison");
      },
    },
  }));
  await replica().start();
  await ask("poison");
  await grant("fix");
  await timers.advance(15 * minute);
  expect(await phase("fix")).toBe("Expired");
  const before = tries;
  expect(before).toBeLessThan(60);
  await timers.advance(60_000);
  expect(tries - before).toBeGreaterThanOrEqual(2); // at most 30 s apart
});

test("EX16: an ending that fails is tried again every few seconds, for ever", async () => {
  const { replica, grant, phase, timers, world, requests } = play();
  await replica().start();
  await grant("fix");
  world.bindingsHeld = true;
  await timers.advance(20 * minute);
  const stalled = (await requests.get("fix"))?.status;
  expect(stalled).toMatchObject({ phase: "Active", reason: "UnbindFailing" });
  world.bindingsHeld = false;
  await timers.advance(3_000);
  expect(await phase("fix")).toBe("Expired");
});

test("EX10: a frozen watch delays nothing by more than the list's 5 s", async () => {
  const { replica, ask, prove, phase, timers, watch } = play();
  await replica().start();
  watch.frozen = true;
  await ask("fix");
  await timers.advance(5_000);
  expect(await phase("fix")).toBe("Pending");
  await prove("fix");
  await timers.advance(5_000);
  expect(await phase("fix")).toBe("Active");
  await timers.advance(15 * minute - 5_000);
  expect(await phase("fix")).toBe("Expired"); // by its own timer
});

test.each(["fails", "hangs"])("a list that %s delays no timer and no hint, and is asked again", async (how) => {
  let broken = false;
  const answer = async <T>(list: Promise<T>): Promise<T> => {
    if (!broken) return list;
    if (how === "fails") throw new Error("500");
    return new Promise(() => undefined);
  };
  const { replica, grant, phase, timers } = play((ports) => ({
    ...ports,
    requests: { ...ports.requests, listOpen: async () => answer(ports.requests.listOpen()) },
    bindings: { ...ports.bindings, listManaged: async () => answer(ports.bindings.listManaged()) },
  }));
  const running = replica();
  await running.start();
  broken = true;
  await timers.advance(20_000);
  await grant("fix");
  expect(await phase("fix")).toBe("Active");
  await timers.advance(15 * minute);
  expect(await phase("fix")).toBe("Expired");
  expect(running.checks.lists()).toMatch(/^no list was answered for \d+ s$/);
  broken = false;
  await timers.advance(20_000);
  expect(running.checks.lists()).toBeUndefined();
});

test("a start on an API server that does not answer waits for it, unready", async () => {
  let down = true;
  const { replica, timers } = play((ports) => ({
    ...ports,
    bindings: {
      ...ports.bindings,
      listManaged: async () => {
        if (down) throw new Error("connection refused");
        return ports.bindings.listManaged();
      },
    },
  }));
  const running = replica();
  let ready = false;
  void running.start().then(() => (ready = true));
  await timers.advance(minute);
  expect([ready, running.checks.lists()]).toEqual([false, "the first lists are not done"]);
  down = false;
  await timers.advance(3_000);
  expect([ready, running.checks.lists()]).toEqual([true, undefined]);
});

const plant = (name: string, labels = {}) => ({
  metadata: {
    ...meta,
    uid: `b-${name}`,
    namespace: "shop",
    name,
    labels: { "app.kubernetes.io/managed-by": "kube-elevate", ...labels },
  },
});

test("a planted binding goes within 5 s, whether or not it names a request; one not named as ours is told of once", async () => {
  const { replica, bindings, timers, lines } = play();
  await replica().start();
  await bindings.create(plant("elevate:gone:01234567", { "kube-elevate.dev/request-uid": "0123456789" }));
  await bindings.create(plant("elevate:nobody:01234567"));
  await bindings.create(plant("admins"));
  await timers.advance(15_000);
  expect((await bindings.list()).map(({ metadata }) => metadata.name)).toEqual(["admins"]);
  expect(lines.filter((line) => line.includes("left alone"))).toHaveLength(1);
});

test("EX16: a planted binding that something keeps is not called gone, and is asked to go until it is", async () => {
  const { replica, bindings, timers, lines, world } = play();
  world.bindingsHeld = true;
  await replica().start();
  await bindings.create(plant("elevate:nobody:01234567"));
  await timers.advance(15_000);
  const told = (): number =>
    lines.filter((line) => line === "a binding that no request accounts for is removed").length;
  expect([told(), (await bindings.list()).length]).toEqual([0, 1]);
  world.bindingsHeld = false;
  await timers.advance(15_000);
  expect([told(), (await bindings.list()).length]).toEqual([1, 0]);
});

test("a binding that is deleted by hand is missed by the list, and not made again", async () => {
  const { replica, grant, bindings, requests, timers, bound } = play();
  await replica().start();
  await grant("fix");
  const request = await requests.get("fix");
  await bindings.remove({ name: bindingName(request?.metadata ?? { name: "", uid: "" }), uid: "b1" });
  await timers.advance(6_000);
  expect((await requests.get("fix"))?.status).toMatchObject({ phase: "Revoked", reason: "BindingRemoved" });
  expect(await bound()).toBe(0);
});

test("two replicas carry one life on, each write is won once, and nothing is asked when all rests", async () => {
  let asks = 0;
  const { replica, grant, told, timers } = play((ports) => ({
    ...ports,
    bindings: {
      ...ports.bindings,
      get: async (namespace, name) => {
        asks++;
        return ports.bindings.get(namespace, name);
      },
    },
  }));
  await replica().start();
  await replica().start();
  await grant("fix");
  await timers.advance(16 * minute);
  expect(told).toEqual(["offer", "promise", "bind", "activate", "unbind", "close"].map((step) => `fix ${step}`));
  const before = asks;
  await timers.advance(60 * minute);
  expect(asks).toBe(before);
});

test("after stop() nothing is done any more, not even what is due", async () => {
  const { replica, grant, phase, timers } = play();
  const running = replica();
  await running.start();
  await grant("fix");
  await running.stop();
  await timers.advance(20 * minute);
  expect(await phase("fix")).toBe("Active");
});

test("a hint that comes while its request is looked at, and after its record was read, is not lost", async () => {
  let revoke: (() => Promise<void>) | undefined;
  const { replica, grant, requests, timers } = play((ports) => ({
    ...ports,
    bindings: {
      ...ports.bindings,
      async get(namespace, name) {
        const found = await ports.bindings.get(namespace, name);
        if (revoke !== undefined) await settle(); // by now the record was read
        await revoke?.();
        return found;
      },
    },
  }));
  await replica().start();
  await grant("fix");
  await timers.advance(0);
  revoke = async () => {
    revoke = undefined;
    const request = await requests.get("fix");
    if (request === undefined) throw new Error("fix is gone");
    requests.put({ ...request, spec: { ...request.spec, termination: { by: "sre" } } });
    await settle();
  };
  await timers.advance(30_000); // its gates are looked at again, and then
  await settle();
  expect((await requests.get("fix"))?.status).toMatchObject({ phase: "Revoked", reason: "Revoked" });
});

test("stop() waits for what runs, and leaves no timer behind", async () => {
  let letGo: (() => void) | undefined;
  let held = false;
  const { replica, grant, timers, phase } = play((ports) => ({
    ...ports,
    bindings: {
      ...ports.bindings,
      async get(namespace, name) {
        if (held) await new Promise<void>((resolve) => (letGo = resolve));
        return ports.bindings.get(namespace, name);
      },
    },
  }));
  const running = replica();
  await running.start();
  await grant("fix");
  held = true;
  await timers.advance(30_000);
  let stopped = false;
  void running.stop().then(() => (stopped = true));
  await settle();
  expect(stopped).toBe(false);
  held = false;
  letGo?.();
  await settle();
  expect([stopped, timers.armed(), await phase("fix")]).toEqual([true, 0, "Active"]);
});

test("IA12: when a hole is told, what waits is Denied at once and what is new is not offered; what is Active ends in its time", async () => {
  const { replica, ask, grant, phase, timers, world, requests } = play();
  const one = replica();
  await one.start();
  await grant("standing");
  await ask("waiting");
  world.hole = "a wall is down";
  await timers.advance(10_000);
  expect(await phase("waiting")).toBe("Pending"); // no watch and no list tells of it
  one.lookAgain();
  await settle();
  await ask("new");
  for (const name of ["waiting", "new"])
    expect((await requests.get(name))?.status).toMatchObject({ phase: "Denied", reason: "AdmissionUnprotected" });
  await timers.advance(15 * minute - 10_000 - 1);
  expect(await phase("standing")).toBe("Active");
  await timers.advance(1);
  expect(await phase("standing")).toBe("Expired");
});

test("IA32: what was made before the walls stood again is Denied, proven or not, and what is made then is granted", async () => {
  const { replica, ask, prove, phase, world } = play();
  const one = replica();
  await one.start();
  await ask("forged");
  await ask("proven");
  world.protectedSince = later(start, 1);
  await prove("proven");
  await settle();
  one.lookAgain();
  await settle();
  expect([await phase("forged"), await phase("proven")]).toEqual(["Denied", "Denied"]);
  world.protectedSince = start; // as if this one were made then
  await ask("honest");
  await prove("honest");
  await settle();
  expect(await phase("honest")).toBe("Active");
});
