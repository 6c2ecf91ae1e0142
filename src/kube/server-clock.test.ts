import { expect, test } from "vitest";
import { instant } from "../domain/time.ts";
import { serverClock } from "./server-clock.ts";

const start = Date.parse("2026-11-24T10:00:00Z");
const header = (ms: number): string => new Date(start + ms).toUTCString();

test("of dates that are cut to the second the one that was cut least is kept", () => {
  let elapsed = 0;
  const clock = serverClock(() => elapsed);
  clock.hear(header(900)); // says :00, and it is .9
  elapsed = 50;
  clock.hear(header(950));
  expect(clock.now()).toBe(start + 50);
  elapsed = 100;
  clock.hear(header(1_000)); // a full second
  expect(clock.now()).toBe(start + 1_000);
  elapsed = 999;
  clock.hear(header(1_899));
  expect(clock.now()).toBe(start + 1_899);
});

test("it is never ahead of the server, and less than a second behind", () => {
  let elapsed = 0;
  const clock = serverClock(() => elapsed);
  for (; elapsed < 60_000; elapsed += 377) {
    clock.hear(header(elapsed));
    const behind = start + elapsed - (clock.now() ?? 0);
    expect(behind).toBeGreaterThanOrEqual(0);
    expect(behind).toBeLessThan(1_000);
  }
});

test("a server whose clock is set back is believed", () => {
  let elapsed = 0;
  const clock = serverClock(() => elapsed);
  clock.hear(header(60_000));
  elapsed = 1;
  clock.hear(header(0));
  expect(clock.now()).toBe(instant(start));
});

test("what is no date changes nothing", () => {
  const clock = serverClock(() => 0);
  clock.hear(undefined);
  clock.hear("soon");
  expect(clock.now()).toBeUndefined();
  expect(clock.heardAgoMs()).toBe(Number.POSITIVE_INFINITY);
});
