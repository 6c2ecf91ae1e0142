import { type Guard, guardsOf } from "../guard.ts";

// The use cases: what is read live, what is swapped, and who is told.

export const flowGuards: readonly Guard[] = [
  ...guardsOf("src/flows/reconcile.ts", "src/flows/reconcile.test.ts", {
    "a request that took the name is another one": [
      "return found?.metadata.uid === key.uid ? found : undefined;",
      "return found;",
    ],
    "no record older than a binding condemns it": [
      "request: older ? await read() : request, binding",
      "request, binding",
    ],
    "the seal": ['? "good" : "broken";\n  } catch', '? "good" : "good";\n  } catch'],
    "a proof is for this cluster": ["if (offer.cluster.uid !== ports.cluster.uid)", "if (false)"],
    "a seal whose key is not known yet is not believed": [
      "if (seal instanceof Error && !isEnding(step)) throw seal;",
      "",
    ],
    "a look between bind and Active, so that AlreadyExists is compared": [
      "shown = request && { request, binding: world.binding, readAt: ports.clock() };",
      'shown = step.do === "bind" && world.request ? { request: world.request, binding: bindingFor(world.request, step.terms.roleRef, step.expiration) as RoleBinding, readAt: ports.clock() } : request && { request, binding: world.binding, readAt: ports.clock() };',
    ],
    "a look between unbind and close": [
      "shown = request && { request, binding: world.binding, readAt: ports.clock() };",
      'shown = step.do === "unbind" && world.request ? { request: world.request, binding: undefined, readAt: ports.clock() } : request && { request, binding: world.binding, readAt: ports.clock() };',
    ],
    "gone is what a live look does not find": ["if (binding?.metadata.uid === removed.uid) {", "if (false) {"],
    "gates are read anew when the binding is there": [
      "written.then(async () => read(memory.proven))",
      "read(memory.proven)",
    ],
    "nothing is asked to go before it is due": [
      "if (due === undefined || ports.clock() < due.at) return false;",
      "if (due === undefined) return false;",
    ],
    "no binding is made by an old view": ["gates !== undefined && isOld(world, ports.clock())", "false"],
    "what is due is asked once": ["  memory.due = undefined;\n  await remove(", "  await remove("],
    "a word is for what it was said of": ['if (compared === "ours") memory.unboundFor = undefined;', ""],
    "a binding that is refused is rehearsed, to tell why": [" || memory.bindFailed === true)", ")"],
  }),
  ...guardsOf("src/flows/reconcile.ts", "test/scenarios.test.ts", {
    "who lost a write tells nobody": ['if (outcome === "won") {', "if (true) {"],
    "a removal by hand is believed after a second": [
      "missing ? (memory.missingSince ?? ports.clock()) : undefined",
      "missing ? (memory.missingSince ?? later(ports.clock(), -1_000)) : undefined",
    ],
  }),
  ...guardsOf("src/flows/inspect.ts", "src/flows/reconcile.test.ts", {
    "at entry the clock is judged, and the rehearsal": [
      'scope === "entry" ? Promise.all([facts.clockOffMs(), protection.refuses(request, lookAfter)]) : undefined',
      "undefined",
    ],
    "the authenticator is read": [
      "status?.verification && authenticators.get(status.verification.authenticator)",
      "undefined",
    ],
    "use is asked for": ["facts.mayUse(request, scope)", '{ allowed: true, reason: "" }'],
  }),
  ...guardsOf("src/flows/schedule.ts", "src/flows/schedule.test.ts", {
    "what nobody accounts for is gone when a live look does not find it": [
      "if (left?.metadata.uid === uid) throw",
      "if (false) throw",
    ],
    "grants wait for what is overdue": ["await queue.endings();", ""],
    "a timer asks the clock": ["if (clock() >= due) enqueue(id, entry);", "if (true) enqueue(id, entry);"],
  }),
  ...guardsOf("src/flows/spend.ts", "test/spend.test.ts", {
    "a code is spent by a swap": [
      'if ((await ports.authenticators.swapStatus(seen.authenticator, patch)) === "lost") continue;',
      "await ports.authenticators.swapStatus(seen.authenticator, patch);",
    ],
    "a code is spent at all": ["if (next !== state) {", "if (next !== state && denial !== undefined) {"],
    "what is remembered is good for a swap alone": ["} else if (last !== undefined) continue;", "}"],
    "what is remembered denies nobody": ["if (seen === undefined && last !== undefined) continue;", ""],
    "by the seal": [
      'return isSealed(ports, authenticator, username, "TOTP") ? { authenticator, state } : undefined;',
      "return { authenticator, state };",
    ],
    "a lock that is over is taken away": [
      "failures: { ...failures, lockedUntilTime: failures.lockedUntilTime ?? null },",
      "failures,",
    ],
  }),
  ...guardsOf("src/flows/is-sealed.ts", "test/spend.test.ts", {
    "an authenticator is Active": [
      'if (phase !== "Active" || spec.disabled === true) return false;',
      "if (spec.disabled === true) return false;",
    ],
    "an authenticator is not disabled": [" || spec.disabled === true) return false;", ") return false;"],
    "an authenticator is of this method": ["if (spec.method !== method || spec", "if (spec"],
    "an authenticator is of this user": [" || spec.owner.username !== username) return false;", ") return false;"],
    "an authenticator is sealed": [
      "return sealer.holds(keyID, seal, authenticatorPreimage(cluster.uid, keyID, authenticator));",
      "return true;",
    ],
  }),
  ...guardsOf("src/flows/credentials.ts", "src/flows/enroll-keys.test.ts", {
    "a key is of the page that is set up now": [
      "if (credential.rpId !== relyingParty?.rpId || credential.origin !== relyingParty.origin) return [];",
      "",
    ],
    "by the seal": [
      'return isSealed(ports, authenticator, username, "WebAuthn") ? [{ authenticator, credential }] : [];',
      "return [{ authenticator, credential }];",
    ],
    "a key that the policy refuses": ["if (refused !== undefined) return refused;", ""],
    "a key's answer that does not hold": [
      'if ("reason" in shown) {\n      if (isLive) return shown;\n      continue;\n    }',
      'if ("reason" in shown) return { webauthn: {} as never, by: authenticator.metadata };',
    ],
    "a key's count": [
      "if (denial !== undefined) {\n      if (!isLive) continue;",
      "if (false) {\n      if (!isLive) continue;",
    ],
    "a key's answer is used by a swap": [
      'if ((await authenticators.swapStatus(authenticator, patch)) === "lost") continue;',
      "await authenticators.swapStatus(authenticator, patch);",
    ],
  }),
  ...guardsOf("src/flows/challenge.ts", "src/flows/challenge.test.ts", {
    "the codeVerifier": [
      "if (opened && request !== undefined) return request;",
      "if (request !== undefined) return request;",
    ],
    "what has ended has no challenge": ['if ("reason" in offer) return offer;', ""],
  }),
  ...guardsOf("src/flows/prove.ts", "src/flows/prove.test.ts", {
    "the codeVerifier": ['if ("reason" in request) return request;', ""],
    "who has proven is told the same, and nothing is looked at": [
      "if (already !== undefined) return already;\n  const offer",
      "const offer",
    ],
    "what is not awaited is not looked at": ['if ("reason" in offer) return offer;\n  const spent', "const spent"],
    "a request that took the name is another one": [
      "if (seen?.metadata.uid !== uid) return deleted;",
      "if (seen === undefined) return deleted;",
    ],
    "a request is proven once": ["if (already !== undefined) return already;\n    const now", "const now"],
    "what has ended meanwhile is not proven": [
      'const offer = provable(seen, method, now);\n    if ("reason" in offer) return offer;',
      "const offer = seen.status?.offer as Offer;",
    ],
    "a verification is there when its swap is won": [
      "if (written !== undefined) return { request: written, verification };",
      "return { request: written ?? seen, verification };",
    ],
  }),
  ...guardsOf("src/flows/prove.ts", "src/flows/enroll-keys.test.ts", {
    "an answer is for this request alone": [
      "const challenge = ports.digest(challengePreimage(request, offer));",
      'const challenge = Buffer.from(String(JSON.parse(Buffer.from(answer.response.clientDataJSON, "base64url").toString()).challenge), "base64url");',
    ],
    "the policy says which keys": ["refuses: (credential) => refusesKey(policy, credential),", ""],
  }),
  ...guardsOf("src/flows/enroll.ts", "src/flows/enroll.test.ts", {
    "the ticket": ["if (!isOpen || seen === undefined)", "if (seen === undefined)"],
    "a ticket is spent once, and has its time": ["return enrollable(seen, clock()) ?? seen;", "return seen;"],
    "nobody invited": [
      "if (existing === undefined) return nobodyConfirms;",
      "if (existing === undefined) return undefined;",
    ],
    "no seed is enrolled that nobody was shown": [
      'if (keyID === undefined) return { reason: "NotReady"',
      'if (keyID === undefined) return { keyID: "k1", totp: { lastTimeStep: 0, failures: { consecutive: 0, total: 0 } } };\n  if (keyID === undefined) return { reason: "NotReady"',
    ],
    "a code of the seed": ["if (lastTimeStep === undefined) return", "if (false) return"],
    "a showing is written down": ["if (seen.status?.keyID !== undefined)\n", "if (seen)\n"],
    "a later showing says that it is one": ["shownBefore: true", "shownBefore: false"],
    "of two showings at once one is the first": [
      'if ((await ports.authenticators.swapStatus(seen, first)) === "lost") continue;',
      "await ports.authenticators.swapStatus(seen, first);",
    ],
    "Active by one swap": [
      'swapStatus(seen, { phase: "Active", keyID, seal, ...factor })) === "won")',
      'swapStatus(seen, { phase: "Active", keyID, seal, ...factor })) !== undefined)',
    ],
    "an authenticator of another method": ['if (seen.spec.method === "WebAuthn") {', "if (answer !== undefined) {"],
  }),
  ...guardsOf("src/flows/enroll.ts", "src/flows/enroll-keys.test.ts", {
    "a key is confirmed by a key": [
      'if (existing.webauthn !== undefined || method === "TOTP") return undefined;',
      "if (existing) return undefined;",
    ],
    "a confirmation that does not hold": ['return "reason" in used ? used : undefined;', "return undefined;"],
    "a new key's answer that does not hold": ['if ("reason" in webauthn) return webauthn;', ""],
    "a key that is one's own already": [
      "if (keys.some(({ credential }) => credential.credentialId === webauthn.credentialId)) return enrolledAlready;",
      "",
    ],
    "what enrolls is agreed to": [
      "const expected = { challenge: challengeOf(ports, seen), rpId",
      'const expected = { challenge: Buffer.from(String(JSON.parse(Buffer.from(answer.response.clientDataJSON, "base64url").toString()).challenge), "base64url"), rpId',
    ],
  }),
  ...guardsOf("src/flows/await-request.ts", "src/flows/prove.test.ts", {
    "a request that took the name is another one": [
      "if (next?.metadata.uid !== seen.metadata.uid) return undefined;",
      "if (next === undefined) return undefined;",
    ],
  }),
  ...guardsOf("src/flows/sweep.ts", "src/flows/sweep.test.ts", {
    "what is overdue, and nothing else": ["all.filter((binding) => isOverdue(binding, clock()))", "all"],
    "gone is what a second list no longer holds": [
      "return overdue.every(({ metadata }) => !left.has(metadata.uid));",
      "return true;",
    ],
    "one that cannot be deleted holds up no other": [
      '  } catch (error) {\n    log.warn({ err: error, ...told(binding) }, "an overdue binding could not be deleted");\n',
      '  } catch (error) {\n    log.warn({ err: error, ...told(binding) }, "an overdue binding could not be deleted");\n    throw error;\n',
    ],
  }),
  ...guardsOf("src/flows/tidy.ts", "src/flows/tidy.test.ts", {
    "what is due, and nothing else": ["if (!stopped && isDue(object))", "if (!stopped)"],
    "nothing is deleted after the stop": ["if (!stopped && isDue(object))", "if (isDue(object))"],
    "one that cannot be deleted holds up no other": [
      "(error: unknown) => failures.push(error),",
      "(error: unknown) => Promise.reject(error),",
    ],
  }),
  ...guardsOf("src/flows/keys.ts", "src/flows/keys.test.ts", {
    "an emptied Secret is not filled anew": ["if (empty && trusted.size > 0)", "if (false)"],
    "a Secret that is incomplete serves nobody": [
      "if (wrong.length === 0) return { sealKeys, seedKeys, endpoints };",
      "return { sealKeys, seedKeys, endpoints };",
    ],
    "two keys under one id are left for a person": ["if (other !== undefined)\n      throw", "if (false)\n      throw"],
    "what was published stays": ["{ ...seen.data, ...wanted }", "wanted"],
  }),
  ...guardsOf("src/flows/shares.ts", "src/flows/shares.test.ts", {
    "shares take turns": ["if (shares.delete(share)) shares.set(share, ids);", ""],
  }),
  ...guardsOf("src/flows/trusted-seals.ts", "src/flows/trusted-seals.test.ts", {
    "a change of seal keys is told after none were there": ["known ||= found.size > 0;", "known = found.size > 0;"],
    "a key is unknown only by a reading that began later": [
      "if (askedAt !== undefined && done > askedAt) return false;",
      "if (askedAt !== undefined) return false;",
    ],
    "a key that is not there is not believed": [
      "throw new Error(`seal key ${keyID} is not known yet`);",
      "return true;",
    ],
    "the seal": ["return checker.holds(keyID, seal, preimage);", "return true;"],
  }),
  ...guardsOf("src/flows/listed.ts", "src/flows/listed.test.ts", {
    "a binding whose request is not open is overdue": ["endOfAccess(undefined, true)", "said"],
    "a binding's name and UID fit": [
      "name !== undefined && bindingName({ name, uid: text }) === bound",
      "name !== undefined",
    ],
  }),
];
