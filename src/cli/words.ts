import type { Offer } from "../api/v1alpha1/elevation-request.ts";
import { type Instant, parseDurationMs } from "../domain/time.ts";

// How times, durations, names and tables read to a person. Pure: the zone and the time come in.

/** The time of day in the terminal's zone, with the zone's name: 03:42:07 UTC. */
export function clockTime(time: Instant, zone: string): string {
  const parts = (locale: string): ReadonlyMap<string, string> =>
    new Map(
      new Intl.DateTimeFormat(locale, {
        timeZone: zone,
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
        hourCycle: "h23",
        timeZoneName: "short",
      })
        .formatToParts(time)
        .map(({ type, value }) => [type, value]),
    );
  // Each locale knows the short names of its own zones alone (CET, PST), and says GMT+1 for others.
  const names = ["en-US", "en-GB", "en-AU", "en-IN"].map((locale) => parts(locale).get("timeZoneName") ?? zone);
  const name = names.find((candidate) => !/\d/.test(candidate)) ?? names[0] ?? zone;
  const { hour, minute, second } = Object.fromEntries(parts("en-GB"));
  return `${hour ?? ""}:${minute ?? ""}:${second ?? ""} ${name}`;
}

/** With the day, for what lies further ahead: 2026-11-25 03:42:07 UTC. */
export function dayTime(time: Instant, zone: string): string {
  const day = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(time);
  return `${day} ${clockTime(time, zone)}`;
}

/** As the API writes durations, to the second: 4m41s, 15m, 1h30m. */
export function exactly(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const text = [
    [Math.floor(seconds / 3600), "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ]
    .filter(([count]) => count !== 0)
    .map(([count, unit]) => `${String(count)}${String(unit)}`);
  return text.length === 0 ? "0s" : text.join("");
}

/** Of a long time the seconds do not matter: 1h5m, 22m, 40s. */
export function roughly(ms: number): string {
  return exactly(ms < 60_000 ? ms : Math.floor(ms / 60_000) * 60_000);
}

/** `15m`, or `15m (30m with WebAuthn)` where this method shortens the grant. */
export function durationWith(methods: Offer["methods"], method: string): string {
  const own = methods.find((offered) => offered.method === method)?.duration ?? "";
  const longer = methods.filter(({ duration }) => lengthOf(duration) > lengthOf(own));
  const others = longer.map((offered) => `${offered.duration} with ${offered.method}`).join(", ");
  return others === "" ? own : `${own} (${others})`;
}

const lengthOf = (text: string): number => parseDurationMs(text) ?? 0;

/** For a command to copy: in single quotes, unless every character is plain. */
export function quoted(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : inQuotes(text);
}

/** User names are always quoted. */
export function inQuotes(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Columns with three spaces between, as kubectl prints them. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
  return lines.join("\n");
}
