import { type Guard, guardsOf } from "../guard.ts";

// What the API server is asked, and what of its answers is believed.

const bindings = "src/kube/bindings.test.ts";
const requests = "src/kube/requests.test.ts";

export const kubeGuards: readonly Guard[] = [
  ...guardsOf("src/kube/swap.ts", "src/kube/swap.test.ts", {
    "what is stored is compared with what was written": ['now && differenceOf(change, now, "")', "undefined"],
  }),
  ...guardsOf("src/kube/removal.ts", bindings, {
    "the UID precondition": ["{ preconditions, propagationPolicy", "{ propagationPolicy"],
    "propagation in the Background": [', propagationPolicy: "Background" }', " }"],
    "who was quicker is no error": [
      'if (isConflict(error) || isNotFound(error)) return "lost";',
      'if (isNotFound(error)) return "lost";',
    ],
    "who is gone is no error": [
      'if (isConflict(error) || isNotFound(error)) return "lost";',
      'if (isConflict(error)) return "lost";',
    ],
    "a refusal is an error": ["    throw error;\n", '    return "won";\n'],
  }),
  ...guardsOf("src/kube/bindings.ts", bindings, {
    "a rehearsal is a dry run": ['{ query: { dryRun: "All" }, repeatable: true }', "{ repeatable: true }"],
    "AlreadyExists is lost, and looked at": [
      'if (isConflict(error)) return "lost";',
      'if (isConflict(error)) return "won";',
    ],
    "AlreadyExists is no refusal": ['if (error.reason === "AlreadyExists") return undefined;', ""],
    "what was not judged is no refusal": [
      "if (error.code === 401 || error.code === 408 || error.code === 429 || error.code >= 500) throw error;",
      "",
    ],
    "the sweeper's UID precondition": [
      'await removal(client, at(rbac("rolebindings", namespace), name), { uid });',
      'await client.remove(at(rbac("rolebindings", namespace), name), { propagationPolicy: "Background", uid });',
    ],
  }),
  ...guardsOf("src/kube/insisting.ts", "src/kube/insisting.test.ts", {
    "nobody waits long for a DELETE that hangs": ["return within(answerMs, asked,", "return within(patientMs, asked,"],
    "one DELETE that hangs for each binding": [
      "if (patient.has(uid)) return removal(client, path, { uid }, againMs);",
      "",
    ],
    "few that hang": ["if (patient.size >= patientMax) return removal(client, path, { uid }, answerMs);", ""],
  }),
  ...guardsOf("src/kube/swap.ts", requests, {
    "the version that a swap is held against": ["{ metadata: { resourceVersion }, ...change }", "change"],
    "no swap without a version": ['if (resourceVersion === "") throw', "if (false) throw"],
    "who was quicker wins": [
      "if (isConflict(error) || isNotFound(error)) return undefined;",
      "if (isNotFound(error)) return undefined;",
    ],
    "what is gone is not written": [
      "if (isConflict(error) || isNotFound(error)) return undefined;",
      "if (isConflict(error)) return undefined;",
    ],
    "a refusal is an error": ["    throw error;\n", "    return undefined;\n"],
  }),
  ...guardsOf("src/kube/requests.ts", requests, {
    "a request that took the name is another one": [
      "if (live?.metadata.uid !== uid) return undefined;",
      "if (live === undefined) return undefined;",
    ],
    "what is hinted at is read": [
      "heard === undefined ? await get(namespace, name) : read(heard)",
      "heard === undefined ? last : read(heard)",
    ],
  }),
  ...guardsOf("src/kube/kinds.ts", requests, {
    "what breaks its schema is not there": [
      "if (found === undefined || schema.safeParse(found).success) return found;",
      "return found;",
    ],
  }),
  ...guardsOf("src/kube/kept.ts", "src/kube/kept.test.ts", {
    "a record goes as it was seen": [
      'at(ours("elevationrequests", namespace), name), { uid, resourceVersion }',
      'at(ours("elevationrequests", namespace), name), { uid }',
    ],
    "an invitation goes as it was seen": [
      'at(ours("authenticators"), name), { uid, resourceVersion }',
      'at(ours("authenticators"), name), { uid }',
    ],
  }),
  ...guardsOf("src/kube/api-error.ts", "src/kube/client.test.ts", {
    "a proxy's page does not say that something is gone": [' && error.reason === "NotFound";', ";"],
  }),
  ...guardsOf("src/kube/shared-agent.ts", "src/kube/client.test.ts", {
    "no way is made to an API server that is not checked": ["this.refuseUnchecked();", ""],
  }),
  ...guardsOf("src/kube/client.ts", "src/kube/client.test.ts", {
    "no name leads elsewhere": ["if (!isName(name)) return undefined;", ""],
    "what may have been done is not done twice": [
      'return method === "GET" || method === "DELETE" || repeatable === true;',
      "return true;",
    ],
    "every call has its time": [
      "const timer = setTimeout(tooLate, timeoutMs);",
      "const timer = setTimeout(tooLate, 2 ** 30);",
    ],
    "ends are measured by the later clock": ["instant(Math.max(ownClock(), serverNow() ?? 0))", "instant(ownClock())"],
  }),
  ...guardsOf("src/kube/may-use.ts", "src/kube/may-use.test.ts", {
    "use is asked with her groups": [
      "spec: { user, uid, groups, resourceAttributes }",
      "spec: { user, uid, resourceAttributes }",
    ],
    "use is asked in this namespace": ["name: spec.policyName,\n    namespace,", "name: spec.policyName,"],
    "for entry it is asked each time": ['if (scope === "standing" && known !== undefined', "if (known !== undefined"],
    "an error at entry is no yes": ['if (scope === "entry") throw error;', ""],
    "entry takes no for an answer": ['return scope === "entry" ? { allowed, reason } : answer;', "return answer;"],
    "refused twice running is lost": ["allowed: refusals < refusalsUntilLost", "allowed: true"],
    "a sick authorizer ends nothing": ["(evaluationError === undefined ? 1 : 0)", "1"],
  }),
  ...guardsOf("src/kube/rules-hash.ts", "src/kube/rules-hash.test.ts", {
    "a role that was made again is another": [
      "JSON.stringify([metadata.uid, canonical])",
      "JSON.stringify([canonical])",
    ],
    "every rule of it": ["JSON.stringify([metadata.uid, canonical])", "JSON.stringify([metadata.uid])"],
  }),
];
