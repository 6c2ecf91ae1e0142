import { expect, test } from "vitest";
import { z } from "zod";
import type { Step } from "../domain/grant.ts";
import { instant, later } from "../domain/time.ts";
import { ApiError } from "./api-error.ts";
import { createRecorder, type Writer } from "./recorder.ts";

const about = { namespace: "shop", name: "debug-1", uid: "0123456789" };
const now = instant(Date.parse("2026-11-24T10:00:00.123Z"));
const offer: Step = {
  do: "offer",
  terms: { roleRef: { kind: "ClusterRole", name: "x" }, rulesHash: "r", methods: [{ method: "TOTP", duration: "5m" }] },
  authorizedBy: "",
  deadline: now,
};
const expired: Step = { do: "close", phase: "Expired", cause: { reason: "Expired" } };

type Written = { readonly collection: string; readonly event: Record<string, unknown> };

function recording(write: (written: Written) => Promise<void>) {
  const lines: string[] = [];
  const client: Writer = {
    tell: (message) => void lines.push(message),
    create: async (collection, event) => {
      await write({ collection, event: { ...event } });
    },
  };
  return {
    lines,
    recorder: createRecorder(client, { component: "controller", instance: "controller-0", clock: () => now }),
  };
}

const refusal = (code: number, causes: readonly string[] = []): ApiError =>
  new ApiError({ code, reason: "Forbidden", message: "no", causes, retryAfterMs: undefined });

test("a step is told as an Event about its request, in the words of the lists, with six digits", async () => {
  const written: Written[] = [];
  const { recorder } = recording(async (one) => void written.push(one));
  recorder.tell({ about, step: offer });
  await recorder.settled();
  expect(written).toHaveLength(1);
  expect(JSON.stringify(written[0]?.event["metadata"])).toMatch(/"debug-1\.[0-9a-f]{16}"/);
  expect(written[0]).toMatchObject({
    collection: "/apis/events.k8s.io/v1/namespaces/shop/events",
    event: {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { namespace: "shop" },
      eventTime: "2026-11-24T10:00:00.123000Z",
      type: "Normal",
      reason: "AwaitingProof",
      action: "Offer",
      note: "to be proven with TOTP until 2026-11-24T10:00:00.123Z",
      reportingController: "kube-elevate.dev/controller",
      reportingInstance: "controller-0",
      regarding: { apiVersion: "kube-elevate.dev/v1alpha1", kind: "ElevationRequest", ...about },
    },
  });
});

test.each<[Step, string, string]>([
  [{ do: "promise", expiration: now }, "Normal", "ProofAccepted"],
  [{ do: "activate" }, "Normal", "BindingCreated"],
  [{ do: "unbind", cause: { reason: "Expired" } }, "Normal", "Expired"],
  [{ do: "unbind", cause: { reason: "BindingDrifted" } }, "Warning", "BindingDrifted"],
  [{ do: "tellStalled", cause: { reason: "Expired" } }, "Warning", "UnbindFailing"],
  [expired, "Normal", "Expired"],
  [{ do: "close", phase: "Revoked", cause: { reason: "Revoked", message: "by sre: x" } }, "Normal", "Revoked"],
  [{ do: "close", phase: "Denied", cause: { reason: "UseNotPermitted", message: "x" } }, "Warning", "UseNotPermitted"],
  [{ do: "close", phase: "Revoked", cause: { reason: "RecordTampered" } }, "Warning", "RecordTampered"],
])("%j is %s/%s", async (step, type, reason) => {
  const written: Written[] = [];
  const { recorder } = recording(async (one) => void written.push(one));
  recorder.tell({ about, step });
  await recorder.settled();
  expect(written.map(({ event }) => [event["type"], event["reason"]])).toEqual([[type, reason]]);
});

test("WA13: a proof that its requester did not make, as it seems, is a Warning about the request", async () => {
  const written: Written[] = [];
  const { recorder } = recording(async (one) => void written.push(one));
  recorder.reject({ about, denial: { reason: "ProofRejected", message: "an old count" } });
  await recorder.settled();
  expect(written.map(({ event }) => event)).toMatchObject([
    { type: "Warning", reason: "ProofRejected", action: "Prove", note: "an old count", regarding: about },
  ]);
});

test("steps that write no status of the request are no Events, and a long note is cut", async () => {
  const written: Written[] = [];
  const { recorder } = recording(async (one) => void written.push(one));
  recorder.tell({ about, step: { do: "rest" } });
  recorder.tell({ about, step: { do: "wait", until: now } });
  recorder.tell({ about, step: { ...expired, cause: { reason: "Expired", message: "x".repeat(5_000) } } });
  await recorder.settled();
  expect(written.map(({ event }) => String(event["note"]).length)).toEqual([1024]);
});

test("a note is cut by its bytes, as the API server counts, and never within a character", async () => {
  const written: Written[] = [];
  const { recorder } = recording(async (one) => void written.push(one));
  for (const message of ["漢".repeat(512), "😀".repeat(512)])
    recorder.tell({ about, step: { ...expired, cause: { reason: "Revoked", message } } });
  await recorder.settled();
  const notes = written.map(({ event }) => String(event["note"]));
  expect(notes.map((note) => note.isWellFormed())).toEqual([true, true]);
  for (const note of notes) {
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(Buffer.byteLength(note)).toBeGreaterThan(1020);
  }
});

test("the last Event of a namespace that ends goes to ours", async () => {
  const written: string[] = [];
  const { recorder, lines } = recording(async ({ collection }) => {
    written.push(collection);
    if (collection.includes("/shop/")) throw refusal(403, ["NamespaceTerminating"]);
  });
  recorder.tell({ about, step: expired });
  await recorder.settled();
  expect(written.at(-1)).toBe("/apis/events.k8s.io/v1/namespaces/elevate-system/events");
  expect(lines).toEqual([]);
});

test("whoever tells never waits and never fails, and what cannot be written is one line of log", async () => {
  let fails = true;
  const { recorder, lines } = recording(async () => {
    if (fails) throw refusal(403);
  });
  recorder.tell({ about, step: expired });
  recorder.tell({ about, step: expired });
  await recorder.settled();
  fails = false;
  recorder.tell({ about, step: expired });
  await recorder.settled();
  expect(lines).toEqual(["an event could not be written", "an event could not be written", "events were lost"]);
});

test("its memory is bounded while the API server is away", async () => {
  let written = 0;
  const gate = Promise.withResolvers<void>();
  const { recorder, lines } = recording(async () => {
    await gate.promise;
    written += 1;
  });
  for (let i = 0; i < 20_000; i++) recorder.tell({ about, step: expired });
  gate.resolve();
  await recorder.settled();
  expect(written).toBeGreaterThanOrEqual(10_000); // two for each of 5,000 grants that end at once
  expect(written).toBeLessThan(13_000);
  expect(lines).toEqual(["events were lost"]);
});

test("nothing is written in the moment in which it is told, and all of it at the end of the process", async () => {
  const written: unknown[] = [];
  const { recorder } = recording(async ({ event }) => void written.push(event["reason"]));
  recorder.tell({ about, step: offer });
  recorder.tell({ about, step: expired });
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(written).toEqual([]);
  await recorder.settled();
  expect(written).toEqual(["AwaitingProof", "Expired"]);
});

test("a grant that ends soon is one Event, whichever replicas tell it: its name says what it is", async () => {
  const names = new Set<string>();
  const written: unknown[] = [];
  const { recorder, lines } = recording(async ({ event }) => {
    const { name } = z.object({ name: z.string() }).parse(event["metadata"]);
    if (names.has(name)) throw refusal(409);
    names.add(name);
    written.push([event["type"], event["reason"], event["note"]]);
  });
  recorder.warn({ about, expiration: later(now, 5 * 60_000) });
  recorder.warn({ about, expiration: later(now, 5 * 60_000) });
  recorder.warn({ about: { ...about, uid: "another" }, expiration: later(now, 20_000) });
  await recorder.settled();
  expect(written).toEqual([
    ["Warning", "Expiring", "ends at 10:05:00 UTC, in 5m"],
    ["Warning", "Expiring", "ends at 10:00:20 UTC, in 20s"],
  ]);
  expect(lines).toEqual([]);
});

test.each([
  ["AdmissionUnprotected", "Warning"],
  ["AdmissionProtected", "Normal"],
  ["AdmissionExtended", "Warning"],
  ["SealKeysChanged", "Warning"],
] as const)(
  "IA12, IA34: %s is told as a %s about what is kept of admission, where kube-elevate is",
  async (reason, type) => {
    const written: Written[] = [];
    const { recorder } = recording(async (one) => void written.push(one));
    recorder.announce({ reason, message: "why" });
    await recorder.settled();
    expect(written).toMatchObject([
      {
        collection: "/apis/events.k8s.io/v1/namespaces/elevate-system/events",
        event: {
          type,
          reason,
          action: "Watch",
          note: "why",
          regarding: { apiVersion: "v1", kind: "ConfigMap", namespace: "elevate-system", name: "kube-elevate-seen" },
        },
      },
    ]);
  },
);
