// The phases of a request, apart from its schema, for rooms that know no schema.

export const openPhases = ["Pending", "Granting", "Active"] as const;
/** For good: a request in one of these never changes again. */
export const terminalPhases = ["Expired", "Released", "Revoked", "Denied", "TimedOut"] as const;
export type TerminalPhase = (typeof terminalPhases)[number];
