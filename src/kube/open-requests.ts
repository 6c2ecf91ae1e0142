import type { TerminalPhase } from "../api/v1alpha1/elevation-request.ts";
import { ours } from "./paths.ts";

const ended: { readonly [phase in TerminalPhase]: true } = {
  Expired: true,
  Released: true,
  Revoked: true,
  Denied: true,
  TimedOut: true,
};

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the keys of a closed table
export const endedPhases = Object.keys(ended) as readonly TerminalPhase[];

/** Requests whose phase is not terminal, those without a phase among them: so history costs a list or a watch nothing. */
export const openRequests = {
  collection: ours("elevationrequests"),
  query: {
    fieldSelector: endedPhases.map((phase) => `status.phase!=${phase}`).join(","),
  },
};
