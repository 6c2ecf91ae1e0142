import { z } from "zod";
import { end, grant, type Named, offer, requestBody, requestsPath, verification } from "./bodies.ts";
import type { Installed, Reply } from "./installed.ts";

export type Stage = "New" | "Pending" | "Proven" | "Granting" | "Active" | "Expired";

/** A request brought to a stage by the writes of its own accounts. */
export async function live(
  { post, merge }: Installed,
  name: string,
  stage: Stage,
  { namespace = "shop", user = "alice" }: { readonly namespace?: string; readonly user?: string } = {},
): Promise<Named> {
  const made = landed(await post(user, requestsPath(namespace), requestBody(name)));
  for (const [by, status] of steps.slice(0, stages.indexOf(stage)))
    landed(await merge(by, requestsPath(namespace, `/${name}/status`), { status }));
  return named(made);
}

/** The writes of a whole life, in their order. */
const steps = [
  ["controller", { phase: "Pending", reason: "AwaitingProof", offer }],
  ["verifier", { verification }],
  ["controller", { phase: "Granting", reason: "ProofAccepted", grant }],
  ["controller", { phase: "Active", reason: "BindingCreated", grant: { grantTime: "2026-11-24T11:00:01.000Z" } }],
  ["controller", { phase: "Expired", ...end }],
] as const;
const stages: readonly Stage[] = ["New", "Pending", "Proven", "Granting", "Active", "Expired"];

export function landed(reply: Reply): Reply {
  if (reply.code < 200 || reply.code > 299) throw new Error(`${String(reply.code)} ${reply.message}`);
  return reply;
}

const named = ({ body }: Reply): Named =>
  z.object({ metadata: z.object({ name: z.string(), uid: z.string() }) }).parse(body).metadata;
