import { expect, test } from "vitest";
import { parseInstant } from "../domain/time.ts";
import { clockTime, dayTime, durationWith, exactly, inQuotes, quoted, roughly, table } from "./words.ts";

const time = parseInstant("2026-11-24T23:42:07.900Z");

test.each([
  ["UTC", "23:42:07 UTC", "2026-11-24 23:42:07 UTC"],
  ["Europe/Berlin", "00:42:07 CET", "2026-11-25 00:42:07 CET"],
  ["America/New_York", "18:42:07 EST", "2026-11-24 18:42:07 EST"],
  ["Asia/Kolkata", "05:12:07 IST", "2026-11-25 05:12:07 IST"],
  ["Asia/Tokyo", "08:42:07 GMT+9", "2026-11-25 08:42:07 GMT+9"],
])("times are told in the zone of the terminal, by its name: %s", (zone, ofClock, withDay) => {
  expect([clockTime(time, zone), dayTime(time, zone)]).toEqual([ofClock, withDay]);
});

test("durations are written as the API writes them", () => {
  expect([281_000, 900_000, 5_400_000, 18_000, 0, -5, 3_599_600].map(exactly)).toEqual([
    "4m41s",
    "15m",
    "1h30m",
    "18s",
    "0s",
    "0s",
    "1h",
  ]);
  expect([281_000, 59_000, 3_900_000].map(roughly)).toEqual(["4m", "59s", "1h5m"]);
});

test("another method is named only where it gives more", () => {
  const totp = { method: "TOTP", duration: "15m" } as const;
  expect(durationWith([totp], "TOTP")).toBe("15m");
  expect(durationWith([totp, { method: "WebAuthn", duration: "900s" }], "TOTP")).toBe("15m");
  expect(durationWith([{ method: "WebAuthn", duration: "1h" }, totp], "TOTP")).toBe("15m (1h with WebAuthn)");
});

test("what goes into a command can be copied into a shell", () => {
  expect([quoted("prod-eu"), quoted("a b"), quoted("$(x)"), inQuotes("o'neil")]).toEqual([
    "prod-eu",
    "'a b'",
    "'$(x)'",
    String.raw`'o'\''neil'`,
  ]);
});

test("a table has three blanks between columns, and none at its end", () => {
  expect(
    table([
      ["A", "BB"],
      ["aaa", ""],
      ["a", "b"],
    ]),
  ).toBe("A     BB\naaa\na     b");
});
