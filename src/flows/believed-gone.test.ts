import { expect, test } from "vitest";
import { fakeCluster } from "../../test/fakes/cluster.ts";
import { asked, meta, policy, totpOfAlice } from "../../test/fakes/objects.ts";
import { fakeTimers, settle } from "../../test/fakes/timers.ts";
import { fakeWatch } from "../../test/fakes/watch.ts";
import { parseInstant } from "../domain/time.ts";
import type { ControllerPorts, RequestKey, RequestWatch } from "./ports.ts";
import { createSchedule } from "./schedule.ts";

// What a watch and a list say is old when it is heard. That something is gone is believed after a live read alone.

type OnHint = Parameters<RequestWatch["start"]>[0];
const key: RequestKey = { namespace: "shop", name: "fix", uid: "00000001-uid" };

/** A grant that stands, whose replica then hears this of it. */
async function standing(lie: (ports: ControllerPorts) => ControllerPorts) {
  const told: string[] = [];
  const cluster = fakeCluster(policy, parseInstant("2026-11-24T10:00:00Z"), {
    tell: ({ step }) => void told.push(step.do),
  });
  cluster.enroll(totpOfAlice);
  const timers = fakeTimers(cluster.world);
  const watch = fakeWatch(cluster.requests);
  const hints: OnHint[] = [];
  const overheard = {
    ...watch,
    start: async (onHint: OnHint) => {
      hints.push(onHint);
      return watch.start(onHint);
    },
  };
  const log = { info: () => undefined, warn: () => undefined };
  const ports = lie(cluster.controller);
  await createSchedule({ ports, watch: overheard, log, after: timers.after, random: () => 0.5 }).start();
  cluster.requests.put({ metadata: { ...meta, ...key }, spec: asked });
  await settle();
  await cluster.prove(key.name);
  await settle();
  const status = async () => (await cluster.requests.get(key.name))?.status;
  const before = await status();
  expect([before?.phase, hints.length]).toEqual(["Active", 1]);
  told.length = 0;
  return {
    timers,
    requests: cluster.requests,
    hint: (...heard: Parameters<OnHint>): void => hints[0]?.(...heard),
    /** Nothing was written, and it is Active and bound. */
    expectUntouched: async (): Promise<void> =>
      expect([told, await status(), (await cluster.bindings.list()).length]).toEqual([[], before, 1]),
  };
}

test("RC14: an Active request that is told of as having left the selection, with old content: it stands", async () => {
  const { timers, hint, expectUntouched } = await standing((ports) => ports);
  for (const resourceVersion of ["1", "999"]) hint(key, { resourceVersion, left: true });
  hint({ ...key, uid: "another-life" }, { resourceVersion: "1", left: true });
  await timers.advance(20_000);
  await expectUntouched();
});

test("a version that this replica has read or written is no news, however late it is heard; another one is", async () => {
  const read: (string | undefined)[] = [];
  const { hint, requests, expectUntouched } = await standing((ports) => ({
    ...ports,
    requests: {
      ...ports.requests,
      async get(namespace, name) {
        const found = await ports.requests.get(namespace, name);
        read.push(found?.metadata.resourceVersion);
        return found;
      },
    },
  }));
  const now = Number((await requests.get(key.name))?.metadata.resourceVersion);
  const written = [now - 2, now - 1, now].map(String); // proven, promised, Active
  read.length = 0;
  for (const resourceVersion of written) hint(key, { resourceVersion, left: false });
  await settle();
  expect(read).toEqual([]);
  hint(key, { resourceVersion: String(now + 1), left: false });
  await settle();
  expect(read).toEqual([String(now)]);
  await expectUntouched();
});

test.each<[string, (ports: ControllerPorts) => ControllerPorts]>([
  [
    "bindings from before the create",
    (ports) => ({ ...ports, bindings: { ...ports.bindings, listManaged: async () => [] } }),
  ],
  [
    "requests from before it was asked for",
    (ports) => ({ ...ports, requests: { ...ports.requests, listOpen: async () => [] } }),
  ],
])("RC14: a list of %s, handled after Active: it stands", async (_what, lie) => {
  const { timers, expectUntouched } = await standing(lie);
  await timers.advance(20_000);
  await expectUntouched();
});
