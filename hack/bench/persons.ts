/** Known to each control plane of a bench, all of group devs. */
export const persons: readonly string[] = Array.from({ length: 320 }, (_person, index) => `person-${String(index)}`);
