// What else an admin without our guards can write: bindings, the status of policies, and what everything is checked
// against. `why`: why it changes nothing. `gives`: what its writer gains.

export type OtherRow = { readonly leaf: string; readonly why?: string; readonly gives?: string };

/** Of a RoleBinding of ours; what is not named here ends its grant. */
export const bindingRows: readonly (OtherRow & { readonly value: unknown })[] = [
  {
    leaf: "metadata.labels.example",
    value: "x",
    why: "labels and annotations that are not ours are none of our business",
  },
  {
    leaf: "metadata.annotations.example",
    value: "x",
    why: "labels and annotations that are not ours are none of our business",
  },
  {
    leaf: "metadata.ownerReferences[].controller",
    value: true,
    why: "the binding is deleted in the background, by name and UID",
  },
  {
    leaf: "metadata.ownerReferences[].blockOwnerDeletion",
    value: true,
    why: "the binding is deleted in the background, by name and UID",
  },
];

const told = "for people: what may be granted is judged live, and the controller writes it anew";
export const policyRows: readonly (OtherRow & { readonly value: unknown })[] = [
  { leaf: "status.conditions[].type", value: "Ready", why: told },
  { leaf: "status.conditions[].status", value: "False", why: told },
  { leaf: "status.conditions[].reason", value: "RoleNotFound", why: told },
  { leaf: "status.conditions[].message", value: "x", why: told },
  { leaf: "status.conditions[].lastTransitionTime", value: "2027-11-24T10:00:00.000Z", why: told },
  { leaf: "status.conditions[].observedGeneration", value: 9, why: told },
];

const plugin =
  "a person's plugin asks there: a code that she types can be used up by somebody else, for what she asks for; a key's answer is good for nothing else";
const put = "; a verifier that starts writes it again";
/** Data of ConfigMap kube-elevate-trust. */
export const trustRows: readonly OtherRow[] = [
  { leaf: "url", gives: plugin + put },
  { leaf: "ca.crt", gives: plugin + put },
  { leaf: "pageURL", why: `a browser lets a key answer for its own origin alone${put}` },
  { leaf: "rpId", why: `the verifier goes by its settings${put}` },
  { leaf: "clusterName", why: `a name for people${put}` },
  {
    leaf: "clusterUID",
    why: `what a new key is asked to sign is then not what the verifier computes, and is refused${put}`,
  },
  { leaf: "contact", why: `whom people are told to ask${put}` },
  {
    leaf: "seal-key.<id>, another one",
    gives:
      "whoever holds its other half can seal a proof that nobody gave: the controller tells each change of the set of keys, in its log and by a Warning Event",
  },
];
