import { globSync, readFileSync } from "node:fs";
import { z } from "zod";

/** A request that was refused, as the API server's audit log tells of it. */
export type Refusal = {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly message: string;
  /** Each thing that was wrong with it, where the answer names them. */
  readonly causes: readonly string[];
  readonly annotations: { readonly [key: string]: string };
};

const event = z.object({
  requestReceivedTimestamp: z.string(),
  responseStatus: z
    .object({
      code: z.number().default(0),
      message: z.string().default(""),
      details: z.object({ causes: z.array(z.object({ message: z.string().default("") })).default([]) }).optional(),
    })
    .optional(),
  annotations: z.record(z.string(), z.string()).default({}),
});

/** All refusals in the logs of the control planes that were kept in this folder. */
export function refusalsIn(folder: string): readonly Refusal[] {
  const lines = globSync(`${folder}/*/audit.log`).flatMap((file) => readFileSync(file, "utf8").split("\n"));
  return lines.flatMap((line) => {
    const { requestReceivedTimestamp, responseStatus, annotations } = event.parse(
      JSON.parse(line === "" ? empty : line),
    );
    const { code = 0, message = "", details } = responseStatus ?? {};
    if (code !== 403 && code !== 422) return [];
    const causes = details?.causes.map((cause) => cause.message) ?? [];
    return [{ at: Date.parse(requestReceivedTimestamp), message, causes, annotations }];
  });
}

const empty = '{"requestReceivedTimestamp":""}';
