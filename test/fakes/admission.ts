import type { AdmissionObjects, Stored } from "../../src/flows/ports.ts";

/** Admission in memory, as a test has it, and what is kept of it; `asked` names each call. */
export function fakeAdmission() {
  let seen: Stored | undefined = { data: {}, resourceVersion: "1" };
  const stored = {
    versions: "v1",
    holes: [] as string[],
    extras: [] as string[],
    probe: undefined as string | undefined,
  };
  const asked: string[] = [];
  const put = (data: Stored["data"]): void => {
    seen = { data, resourceVersion: String(Number(seen?.resourceVersion ?? 0) + 1) };
  };
  const objects: AdmissionObjects = {
    async versions() {
      asked.push("versions");
      return stored.versions;
    },
    async differences() {
      asked.push("differences");
      return { holes: [...stored.holes], extras: [...stored.extras] };
    },
    async probe() {
      asked.push("probe");
      return stored.probe;
    },
    seen: async () => seen,
    async swapSeen(before, data) {
      asked.push("swap");
      if (seen?.resourceVersion !== before.resourceVersion) return "lost";
      put(data);
      return "won";
    },
  };
  return {
    objects,
    stored,
    asked,
    /** What is in the ConfigMap. */
    kept: () => seen?.data,
    /** Somebody else writes it. */
    put,
    drop: () => (seen = undefined),
  };
}
