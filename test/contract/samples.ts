import { globSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { load } from "js-yaml";
import { z } from "zod";
import { authenticator } from "../../src/api/v1alpha1/authenticator.ts";
import { elevationPolicy } from "../../src/api/v1alpha1/elevation-policy.ts";
import { elevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { at, authenticatorsPath, policiesPath, requestsPath } from "./bodies.ts";

/** An object as a person writes it. Its header says by whom, with which words it is refused, and whether zod sees it too. */
export type Sample = {
  readonly file: string;
  readonly object: z.infer<typeof kinds>;
  readonly by: string;
  /** undefined: it is good. */
  readonly refused: string | undefined;
  readonly zodTakesIt: boolean;
};

export function readSamples(): readonly Sample[] {
  return globSync("test/contract/samples/*/*.yaml")
    .toSorted()
    .map((path) => {
      const text = readFileSync(path, "utf8").replaceAll("IN-AN-HOUR", `"${at(3_600)}"`);
      const header = (key: string): string | undefined => new RegExp(`^# ${key}: (.*)$`, "m").exec(text)?.[1];
      const good = basename(dirname(path)) === "good";
      const refused = good ? undefined : (header("refused") ?? "");
      return {
        file: basename(path),
        object: kinds.parse(load(text)),
        by: header("by") ?? "",
        refused,
        zodTakesIt: good || header("zod") !== "refuses",
      };
    });
}

/** What the schema of its kind says of it, as admission would hand it on: with its requester filled in. */
export function zodTakes({ object, by }: Sample): boolean {
  const { spec } = object;
  switch (object.kind) {
    case "ElevationRequest":
      return elevationRequest.safeParse({ spec: { requester: { username: by }, ...spec } }).success;
    case "ElevationPolicy":
      return elevationPolicy.safeParse({ spec }).success;
    case "Authenticator":
      return authenticator.safeParse({ spec }).success;
  }
}

/** Where it is created. */
export function pathOf({ object }: Sample): string {
  switch (object.kind) {
    case "ElevationRequest":
      return requestsPath("shop");
    case "ElevationPolicy":
      return policiesPath();
    case "Authenticator":
      return authenticatorsPath();
  }
}

const kinds = z.looseObject({
  kind: z.enum(["ElevationRequest", "ElevationPolicy", "Authenticator"]),
  spec: z.looseObject({}),
});
