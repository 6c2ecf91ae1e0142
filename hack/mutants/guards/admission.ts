import { type Guard, guardsOf } from "../guard.ts";

// The watch of admission: whether the walls stand, and since when.

export const admissionGuards: readonly Guard[] = [
  ...guardsOf("src/flows/protection.ts", "src/flows/protection.test.ts", {
    "the probe": ["probing ? await admission.probe() : undefined", "undefined"],
    "the probe is asked again, now and then": [" || nowMs - same.probedMs >= probeEveryMs;", ";"],
    "what changed is compared": ["last?.versions === versions && last.holes", "last?.holes"],
    "a hole is compared again": [" && last.holes.length === 0 ? last", " ? last"],
    "what is absent is a hole": ["...absentOf(versions), ", ""],
    "what is not as shipped is a hole": [
      "const [first, ...others] = [...holes, ...(",
      "const [first, ...others] = [...(",
    ],
    "what is kept is written": ['(await admission.swapSeen(seen, keep)) === "won"', "true"],
    "a request is judged by a look of its own time": [
      'await look("all at once", begunAfter);\n      return remembers(request);',
      "return remembers(request);",
    ],
    "a look that is older than a second is none": ["elapsedMs() - begunMs <= freshMs", "true"],
    "a look after a moment is none that began before": ["begunMs > moment;", "true;"],
    "a hole is told": ["if (hole !== undefined && hole !== before?.hole) {", "if (false) {"],
    "a replica that sees a hole is not ready": ["if (last.hole !== undefined) return last.hole;", ""],
    "a replica is ready when requests are believed": ["return clock() < since ? `requests", "return false ? `requests"],
  }),
  ...guardsOf("src/domain/unprotected.ts", "src/domain/unprotected.test.ts", {
    "no request is believed while there is a hole": ["if (hole !== undefined)", "if (false)"],
    "no request from before is believed": [
      "if (parseInstant(metadata.creationTimestamp) >= protectedSince) return undefined;",
      "if (metadata) return undefined;",
    ],
  }),
  ...guardsOf("src/domain/protected-since.ts", "src/domain/protected-since.test.ts", {
    "other versions than those kept begin anew": ['seen?.["versions"] === versions && keptSince', "keptSince"],
    "nothing kept begins anew": ["keptSince > 0 && ", ""],
    "a time that is far ahead is not believed": [" && keptSince <= later(anew, skewMs);", ";"],
    "it begins with a whole second": ["wholeSecond(later(now, biteMs))", "later(now, biteMs)"],
    "what the probe saw begins anew": ["if (isKept && !cured && ", "if (isKept && "],
    "what this process saw change begins anew": ["!cured && !changed)", "!cured)"],
    "an earlier time than is remembered is not believed": [
      "keptSince > remembered ? keptSince : remembered",
      "keptSince",
    ],
    "a hole empties what is kept": ["keep: isSame(seen, holed) ? undefined : holed }", "keep: undefined }"],
    "admission bites a moment later": ["const biteMs = 2_000;", "const biteMs = 0;"],
  }),
  ...guardsOf("src/domain/shipped.ts", "src/domain/shipped.test.ts", {
    "what is gone": ["if (stored === undefined) return", "if (false) return"],
    "a list that is shorter": ["shipped.length === stored.length && ", ""],
    "a field that is another one": [
      "return isSame(shipped, stored) ? [] : [differs(path, shipped, stored)];",
      "return [];",
    ],
    "a field that was put in": ["isMap || known.has(key) ?", "isMap ?"],
    "an entry of a map that was put in": ["isMap || known.has(key) ?", "known.has(key) ?"],
    "each of a list": ["shipped.flatMap((one, index) => compare(", "shipped.slice(1).flatMap((one, index) => compare("],
  }),
  ...guardsOf("src/kube/admission.ts", "src/kube/admission.test.ts", {
    "the probe is a dry run": ['probe, { query: { dryRun: "All" }, repeatable: true }', "probe, { repeatable: true }"],
    "the probe that was let through": [
      'return "the probe was let through',
      'return undefined; return "the probe was let through',
    ],
    "the probe that was refused in other words": [
      "inItsWords.test(error.message) ? undefined :",
      "inItsWords ? undefined :",
    ],
    "a probe that was not answered says nothing": [
      "|| ![400, 403, 404, 409, 422].includes(error.code)) throw error;",
      ") throw error;",
    ],
  }),
  ...guardsOf("src/flows/inspect.ts", "src/flows/reconcile.test.ts", {
    "admission is asked at entry": ["protection.refuses(request, lookAfter)])", "undefined])"],
  }),
  ...guardsOf("src/flows/reconcile.ts", "src/flows/reconcile.test.ts", {
    "what is bound is judged by a look from its proof on": ["read(memory.proven)", "read()"],
    "and so is what was bound before": [
      "lookAfter: binding === undefined ? undefined : memory.proven",
      "lookAfter: undefined",
    ],
  }),
  ...guardsOf("src/domain/policy.ts", "src/domain/policy.test.ts", {
    admission: ["if (admission !== undefined) return", "if (false) return"],
  }),
];
