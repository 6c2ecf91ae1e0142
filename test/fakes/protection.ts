import { instant } from "../../src/domain/time.ts";
import { type Admission, unprotected } from "../../src/domain/unprotected.ts";
import type { Protection } from "../../src/flows/ports.ts";

/** Admission as shipped, for as long as can be remembered. */
export const intact: Admission = { hole: undefined, protectedSince: instant(0) };

/** By what `world` says of admission, which a test may change. */
export function fakeProtection(world: Admission): Protection {
  return {
    refuses: async (request) => unprotected(request, world),
    moment: () => 0,
    remembers: (request) => unprotected(request, world),
    hole: () => world.hole,
  };
}
