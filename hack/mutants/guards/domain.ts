import { type Guard, guardsOf } from "../guard.ts";

// The rules. What decide itself holds, decide.ts bends in every way; here stand the walls that have names.

export const domainGuards: readonly Guard[] = [
  ...guardsOf("src/domain/grant.ts", "test/every-state.test.ts", {
    "expirationTime is written before the binding is": [
      'return { do: "promise", expiration: proof.until };',
      'return { do: "bind", terms: proof.terms, expiration: proof.until };',
    ],
    "the gates before the bind": [
      'if (gates === undefined) return { do: "inspect", scope: phase ===',
      'if (gates === undefined && binding === "absent") return { do: "bind", terms: proof.terms, expiration };\n      if (gates === undefined) return { do: "inspect", scope: phase ===',
    ],
    "the gates between bind and Active": [
      'if (gates === undefined) return { do: "inspect", scope: phase ===',
      'if (gates === undefined && phase === "Granting" && binding === "ours") return { do: "activate" };\n      if (gates === undefined) return { do: "inspect", scope: phase ===',
    ],
    "the seal of what was promised": ['if (proof.seal === "broken" || expiration', "if (expiration"],
    "no record is longer than its proof": [
      ' || expiration > proof.until) return close(cut, { reason: "Rec',
      ') return close(cut, { reason: "Rec',
    ],
  }),
  ...guardsOf("src/domain/status.ts", "test/scenarios.test.ts", {
    "Granting is written with its expirationTime": [
      "expirationTime: formatInstant(step.expiration) };",
      'expirationTime: "" };',
    ],
  }),
  ...guardsOf("src/domain/time.ts", "src/domain/time.test.ts", {
    "a time that cannot be read is past": [
      "return instant(exists ? ms : 0);",
      "return exists ? instant(ms) : instant(8.64e15);",
    ],
    "30 February is no time": [" && new Date(ms).toISOString() === canonical;", ";"],
    "a time of another zone is none": [")?Z$/.exec(", ")?(?:Z|[+]02:00)$/.exec("],
    "a duration is read whole or not at all": ["if (!/^(\\d{1,5}(h|m|s|ms)){1,4}$/.test(text)) return undefined;", ""],
  }),
  ...guardsOf("src/domain/time.ts", "test/every-state.test.ts", {
    "what is no number is past": ["(Number.isFinite(ms) ? ms : 0) as Instant", "ms as Instant"],
  }),
  ...guardsOf("src/domain/binding.ts", "src/domain/binding.test.ts", {
    "what is there under the name is compared": [
      'if (ownFields(found, wanted) !== ownFields(wanted, wanted)) return "foreign";',
      "",
    ],
    "its subjects are": ["    subjects?.map(({ kind, apiGroup, name }) => [kind, apiGroup, name]),\n", ""],
    "its role is": ["    [roleRef?.apiGroup, roleRef?.kind, roleRef?.name],\n", ""],
    "its labels are": ["    valuesOf(metadata.labels, wanted.metadata.labels),\n", ""],
    "its annotations are": ["    valuesOf(metadata.annotations, wanted.metadata.annotations),\n", ""],
    "its owner is": [
      "    metadata.ownerReferences?.map(({ apiVersion, kind, name, uid }) => [apiVersion, kind, name, uid]),\n",
      "",
    ],
    "one that is leaving is not ours to rest on": [
      'return found.metadata.deletionTimestamp === undefined ? "ours" : "leaving";',
      'return "ours";',
    ],
  }),
  ...guardsOf("src/domain/record.ts", "src/domain/record.test.ts", {
    "a seal that does not hold makes no proof": ["if (!sealHolds || verification", "if (verification"],
    "what was not offered lasts no time": [" || durationMs === undefined", ""],
    "a record that is ahead of its phase has no proof": [" || isAhead(status))", ")"],
    "one that is ahead is seen before its proof": ["verification || isAhead(request.status) ?", "verification ?"],
    "what has ended is not opened again": ["if (endTime !== undefined) return true;", ""],
    "a request that is being deleted is revoked": [
      "if (metadata.deletionTimestamp !== undefined) return",
      "if (false) return",
    ],
    "who ends it in another's name has not released it": ["return by === spec.requester.username", "return true"],
  }),
  ...guardsOf("src/domain/policy.ts", "src/domain/policy.test.ts", {
    "a clock that is ahead": ["clockOffMs > skewMsMax || ", ""],
    "a clock that is behind": [" || clockOffMs < -skewMsMax", ""],
    "the namespaces of the cluster": ["if (/^(kube|elevate)-/.test(metadata.namespace))", "if (false)"],
    "the namespace is there": ["if (namespaceLabels === undefined || !selects(", "if (!selects("],
    "the namespace is selected": [" || !selects(namespaceSelector, namespaceLabels))", ")"],
    "a day at most": ["askedMs > dayMs || ", ""],
    "the policy's own maximum": [" || askedMs > (parseDurationMs(duration.max) ?? 0))", ")"],
    "a duration that cannot be read is too long": ["?? Number.POSITIVE_INFINITY", "?? 0"],
    "the right to use it": ["if (!use.allowed)", "if (false)"],
    "the role is there": ["if (rulesHash === undefined) return", "if (false) return"],
    "the authenticator that proved is held": [
      "if (proof !== undefined && !stillHeld(facts.authenticator, proof.authenticatorUID))",
      "if (false)",
    ],
    "by its UID": ["found?.metadata.uid === uid && found.status", "found?.status"],
    "and is Active": [' && found.status?.phase === "Active"', ""],
    "and is not disabled": [" && found.spec.disabled !== true", ""],
    "the rehearsal": ["if (entry?.rehearsal !== undefined) return", "if (false) return"],
    "TOTP is capped": ['method === "TOTP" ? capped : asked', "asked"],
    "each label of a selector": ["Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&", ""],
    "labels are those of the namespace alone": ["Object.hasOwn(labels, key) ? labels[key] : undefined", "labels[key]"],
    "a passkey that is copied, where the policy takes none": [
      "if (!allowSynced && backupEligible === true)",
      "if (false)",
    ],
    "a model of key that the policy does not name": [
      'if (aaguids.length > 0 && !aaguids.includes(aaguid ?? ""))',
      "if (false)",
    ],
  }),
  ...guardsOf("src/domain/proof.ts", "src/domain/proof.test.ts", {
    "a proof is of what is Pending": ['if (phase !== "Pending" || offer === undefined', "if (offer === undefined"],
    "a proof is of what nobody ended": [" || spec.termination !== undefined)", ")"],
    "a proof comes until the deadline": ["if (now > parseInstant(offer.deadlineTime))", "if (false)"],
    "a proof is by a method that is offered": [
      "if (offer.methods.some((offered) => offered.method === method)) return offer;",
      "if (method) return offer;",
    ],
    "a ticket is spent once": ['if (status?.phase === "Active" || ', "if ("],
    "what was sealed stays enrolled": ["status?.seal !== undefined || ", ""],
    "a disabled authenticator takes no ticket": [" || spec.disabled === true)\n", ")\n"],
    "a ticket has its time": ["if (now > parseInstant(spec.expirationTime))", "if (false)"],
    "no code is looked at behind a lock": ["if (locked !== undefined) return { next: state, ...locked };", ""],
    "a step that was used": ["if (timeStep <= state.lastTimeStep)", "if (timeStep < state.lastTimeStep)"],
    "a step before one that was used": ["if (timeStep <= state.lastTimeStep)", "if (timeStep === state.lastTimeStep)"],
    "a wrong code is counted": ["consecutive: consecutive + 1, total: total + 1,", "consecutive, total,"],
    "the tenth wrong code locks": ["consecutive < freeTries ? {} :", "true ? {} :"],
    "each further one for longer": ["60_000 * 2 ** (consecutive - freeTries)", "60_000"],
    "a right code does not forget the wrong ones of its life": [
      "failures: { consecutive: 0, total } }",
      "failures: { consecutive: 0, total: 0 } }",
    ],
    "a hundred in its life": ["if (total >= lifeTries) return", "if (false) return"],
    "a lock lasts until its end": ["|| now >= parseInstant(lockedUntilTime)) return", "|| true) return"],
    "a key's count that was shown before": ["if (shown > stored || (shown", "if (shown >= stored || (shown"],
    "a key's count that went back": [
      "if (shown === stored) return",
      "if (shown < stored) return undefined;\n  if (shown === stored) return",
    ],
  }),
  ...guardsOf("src/domain/kept.ts", "src/domain/kept.test.ts", {
    "a record that is open is kept": ["terminalPhases.some((phase) => phase === status?.phase) && ", ""],
    "a record whose end cannot be read is kept": ["end > 0 && ", ""],
    "a record is kept for its time": [" && later(end, retentionMs) <= now", ""],
    "an authenticator that is Active is kept": ["return pending && spec", "return spec"],
    "a name that was closed is kept": ["spec.disabled !== true && ", ""],
    "an invitation has its time": [" && parseInstant(spec.expirationTime) <= now", ""],
  }),
  ...guardsOf("src/domain/overdue.ts", "src/domain/overdue.test.ts", {
    "bindings of others are none of the sweeper's": [
      "if (!/^elevate:[^:]+:[^:]+$/.test(metadata.name)) return false;",
      "",
    ],
    "a binding ends when it says": ["return expiration <= now || oldest", "return oldest"],
    "and after a day, whatever it says": [" || oldest <= now", ""],
  }),
  ...guardsOf("src/domain/challenge.ts", "test/vectors.test.ts", {
    "what is agreed to is in this cluster": [
      '"kube-elevate/v1/assert", offer.cluster.uid, ',
      '"kube-elevate/v1/assert", ',
    ],
    "it is this request": [
      "metadata.uid, metadata.namespace, metadata.name,\n    spec",
      "metadata.namespace, metadata.name,\n    spec",
    ],
    "it is these groups": ["optional(uid), groups ?? [],", "optional(uid),"],
    "it is this role": ["offer.roleRef.kind, offer.roleRef.name, offer.rulesHash,", "offer.rulesHash,"],
    "it is these rules": ["offer.roleRef.name, offer.rulesHash,", "offer.roleRef.name,"],
    "it is for so long": ["offer.methods.map(({ method, duration }) => [method, duration]),", ""],
    "the seal is of this authenticator": [
      "authenticatorUID, verificationTime, evidence,",
      "verificationTime, evidence,",
    ],
    "the seal is of this time": ["authenticatorUID, verificationTime, evidence,", "authenticatorUID, evidence,"],
    "the seal is of this evidence": ["verificationTime, evidence,\n", "verificationTime,\n"],
    "the seal is of what was agreed to": ["keyID, challenge, method,", "keyID, method,"],
    "an authenticator's seal is of its owner": [
      "spec.owner.username, spec.method, credential,",
      "spec.method, credential,",
    ],
    "an authenticator's seal is of its key": [
      "spec.owner.username, spec.method, credential,",
      "spec.owner.username, spec.method,",
    ],
    "an authenticator's seal is of this one": [
      "clusterUID, metadata.name, metadata.uid,\n",
      "clusterUID, metadata.name,\n",
    ],
  }),
];
