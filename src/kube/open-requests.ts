import type { TerminalPhase } from "../api/v1alpha1/elevation-request.ts";
import { ours } from "./paths.ts";

const ended: { readonly [phase in TerminalPhase]: true } = {
  Expired: true,
  Released: true,
  Revoked: true,
  Denied: true,
  TimedOut: true,
};

/** Requests whose phase is not terminal, those without a phase among them: so history costs a list or a watch nothing. */
export const openRequests = {
  collection: ours("elevationrequests"),
  query: {
    fieldSelector: Object.keys(ended)
      .map((phase) => `status.phase!=${phase}`)
      .join(","),
  },
};
