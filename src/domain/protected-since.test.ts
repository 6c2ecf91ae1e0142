import { expect, test } from "vitest";
import { type Before, protectedSince, type Seen } from "./protected-since.ts";
import { formatInstant, later, parseInstant } from "./time.ts";

const now = parseInstant("2026-11-24T10:00:00Z");
const anew = later(now, 2_000);
const long = later(now, -3_600_000); // since an hour
const kept = (versions = "v1", since = long): Seen => ({ versions, protectedSince: formatInstant(since) });
const before = (changed: Partial<Before> = {}): Before => ({
  versions: "v1",
  hole: undefined,
  protectedSince: long,
  seen: kept(),
  ...changed,
});
const intact = { versions: "v1", hole: undefined };
const broken = { versions: "v1", hole: "a wall is down" };
const begun = { protectedSince: anew, anew: true, keep: kept("v1", anew) };
const on = { protectedSince: long, anew: false, keep: undefined };

test("IA30: versions that are kept go on, at the start of a process and after", () => {
  expect(protectedSince(intact, kept(), undefined, now)).toEqual(on);
  expect(protectedSince(intact, kept(), before(), now)).toEqual(on);
});

test.each<[string, Seen]>([
  ["other versions kept, so that something changed while nobody looked", kept("v0")],
  ["none kept", {}],
  ["no ConfigMap", undefined],
  ["a time that cannot be read", { versions: "v1", protectedSince: "yesterday" }],
  ["no time", { versions: "v1" }],
  ["a time that is far away", kept("v1", later(now, 7_001))],
])("IA30, IA31: %s: it begins anew, whether a process has just started or looked before", (_what, seen) => {
  expect(protectedSince(intact, seen, undefined, now)).toEqual(begun);
  expect(protectedSince(intact, seen, before(), now)).toEqual(begun);
});

test("IA30: other versions than at the look before begin anew, whatever is kept by then: it may be forged", () => {
  expect(protectedSince(intact, kept("v0"), before({ versions: "v0", seen: kept("v0") }), now)).toEqual(begun);
  const since = later(now, -1_000);
  const saw = before({ versions: "v0", seen: kept("v0") });
  for (const written of [long, since]) expect(protectedSince(intact, kept("v1", written), saw, now)).toEqual(begun);
  const ahead = later(now, 7_000);
  expect(protectedSince(intact, kept("v1", ahead), saw, now)).toMatchObject({ protectedSince: ahead, anew: true });
});

test("it begins with a whole second, as a request's own time is cut to the second", () => {
  const since = [0, 1, 999, 1_000].map(
    (ms) => protectedSince(intact, undefined, undefined, later(now, ms)).protectedSince,
  );
  expect(since).toEqual([2_000, 3_000, 3_000, 3_000].map((ms) => later(now, ms)));
});

test("a clock of another replica that is ahead is borne", () => {
  const ahead = later(now, 7_000);
  expect(protectedSince(intact, kept("v1", ahead), undefined, now)).toMatchObject({
    protectedSince: ahead,
    anew: false,
  });
});

test("IA31: an earlier time than a process remembers is not believed, a later one is", () => {
  const remembers = before({ protectedSince: later(now, -1_000) });
  expect(protectedSince(intact, kept(), remembers, now).protectedSince).toBe(later(now, -1_000));
  expect(protectedSince(intact, kept("v1", now), remembers, now).protectedSince).toBe(now);
});

test("IA31: what cannot be kept begins anew once, and not at each look", () => {
  for (const seen of [undefined, {}, kept("v0")])
    expect(protectedSince(intact, seen, before({ seen }), now)).toEqual({
      protectedSince: long,
      anew: false,
      keep: kept(),
    });
  expect(protectedSince(intact, {}, before({ seen: undefined }), now)).toEqual(begun);
});

test("IA12: a hole takes the place of what is kept, once, so that whoever looks when it is cured begins anew", () => {
  const holed = { state: "admission was not as shipped" };
  expect(protectedSince(broken, kept(), before(), now)).toEqual({ protectedSince: anew, anew: true, keep: holed });
  expect(protectedSince(broken, kept(), undefined, now)).toEqual({ protectedSince: anew, anew: true, keep: holed });
  const told = before({ hole: "a wall is down", seen: holed });
  expect(protectedSince(broken, holed, told, now)).toEqual(on);
  for (const seen of [kept(), {}])
    expect(protectedSince(broken, seen, told, now)).toMatchObject({ protectedSince: long, keep: holed });
  expect(protectedSince(intact, holed, told, now)).toEqual(begun);
  expect(protectedSince(intact, holed, undefined, now)).toEqual(begun);
});

test("IA33: a hole that only the probe saw ends anew, whatever others kept, and so does one under other versions", () => {
  const holed = before({ hole: "a wall is down" });
  expect(protectedSince(intact, kept("v1", now), holed, now)).toEqual(begun);
  expect(protectedSince(intact, kept("v1", now), { ...holed, versions: "v0" }, now)).toEqual(begun);
});
