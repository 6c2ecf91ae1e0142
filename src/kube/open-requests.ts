import { terminalPhases } from "../api/v1alpha1/phases.ts";
import { ours } from "./paths.ts";

/** Requests whose phase is not terminal, those without a phase among them: so history costs a list or a watch nothing. */
export const openRequests = {
  collection: ours("elevationrequests"),
  query: {
    fieldSelector: terminalPhases.map((phase) => `status.phase!=${phase}`).join(","),
  },
};
