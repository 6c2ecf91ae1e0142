/**
 * What no test can miss, since something else refuses the same, and why. An entry that a test comes to catch, or that is no
 * guard any more, fails: then it goes from here.
 */
export const heldTwice: { readonly [what: string]: string } = {
  "request-change rule 3 without object.spec == oldObject.spec": "whoever changes it changes managedFields",
  "request-change rule 3 without object.metadata.?labels == oldObject.metadata.?labels":
    "whoever changes it changes managedFields",
  "request-change rule 3 without object.metadata.?annotations == oldObject.metadata.?annotations":
    "whoever changes it changes managedFields",
  "status rule 3 without object.?status.?phase == oldObject.?status.?phase":
    "the CRD refuses it before admission is asked",
  "status rule 3 without object.?status.?endTime == oldObject.?status.?endTime":
    "the CRD refuses it before admission is asked",
  "status rule 3 without object.?status.?offer == oldObject.?status.?offer":
    "the CRD refuses it before admission is asked",
  "bindings rule 1 without object.metadata.?finalizers.orValue([]).all(f, f in oldObject.metadata.?finalizers.orValue([]))":
    "the API server refuses it before admission is asked",
  "bindings rule 1 without object.roleRef == oldObject.roleRef": "the API server refuses it before admission is asked",
  "authenticators: lastTimeStep never goes back, without has(self.lastTimeStep)":
    "the schema requires it where its parent is there",
  "authenticators: failures.total never goes back, without has(self.failures)":
    "the schema requires it where its parent is there",
  "authenticators: failures.total never goes back, without has(self.failures.total)":
    "the schema requires it where its parent is there",
  "authenticators: a credential is set once, without has(self.credentialId) == has(oldSelf.credentialId)":
    "the schema requires it",
  "authenticators: a credential is set once, without has(self.publicKey) == has(oldSelf.publicKey)":
    "the schema requires it",
  "authenticators: a credential is set once, without has(self.rpId) == has(oldSelf.rpId)": "the schema requires it",
  "authenticators: a credential is set once, without has(self.origin) == has(oldSelf.origin)": "the schema requires it",
  'authenticators: without the rule "phase cannot be removed"': "the schema requires it",
  "authenticators: an Active authenticator stays so (disable it), without has(self.phase)": "the schema requires it",
  "authenticators: seal and keyID are set once, without has(self.seal) == has(oldSelf.seal)":
    "what is Active comes with both, by another rule",
  "authenticators: seal and keyID are set once, without has(self.keyID) == has(oldSelf.keyID)":
    "what is Active comes with both, by another rule",
  'elevationrequests: without the rule "requester is missing: MutatingAdmissionPolicy kube-elevate-stamp fills it in"':
    "the schema, the stamp or another rule has it there",
  "elevationrequests: policyName is immutable, without has(self.policyName) == has(oldSelf.policyName)":
    "the schema, the stamp or another rule has it there",
  "elevationrequests: requester is immutable, without has(self.requester) == has(oldSelf.requester)":
    "the schema, the stamp or another rule has it there",
  "elevationrequests: codeChallenge is set once, without has(self.codeChallenge)":
    "without it the comparison cannot be made, and refuses",
  "elevationrequests: expirationTime is set once, without has(self.expirationTime)":
    "without it the comparison cannot be made, and refuses",
  'elevationrequests: without the rule "phase cannot be removed"':
    "without a phase nothing else may be there, by another rule",
  "elevationrequests: nothing comes before the first phase, without has(self.verification)":
    "a verification comes while Pending, by another rule",
  "elevationrequests: offer is set once, with the first phase, without has(self.offer) == has(oldSelf.offer)":
    "from Pending on it has to be there, by another rule",
  "elevationrequests: Granting and Active need verification and grant.expirationTime, without has(self.grant)":
    "without it its expirationTime is not there either",
  "elevationrequests: the first phase is Pending or Denied, without verification or grant, without has(oldSelf.status.phase)":
    "the other rules of the first phase say it too",
  "elevationrequests: the first phase is Pending or Denied, without verification or grant, without !has(self.status.verification)":
    "the other rules of the first phase say it too",
  "elevationrequests: verification is set while Pending, without has(oldSelf.phase)":
    "what comes after Pending has one that is set once, and before it there may be none",
  "elevationrequests: verification is set while Pending, without oldSelf.phase == 'Pending'":
    "what comes after Pending has one that is set once, and before it there may be none",
  'elevationrequests: without the rule "verification is set while Pending"':
    "what comes after Pending has one that is set once, and before it there may be none",
};
