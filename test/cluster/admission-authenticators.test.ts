import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../hack/controlplane/eventually.ts";
import { at, authenticatorBody, authenticatorsPath, challengeOf, hex } from "../contract/bodies.ts";
import { accountName, type Installed, installedPlane, type Reply } from "../contract/installed.ts";
import { expectAccepted, expectRefusedBy, newJudge } from "../contract/judging.ts";
import { landed } from "../contract/lives.ts";

// Admission policy 8: config/admission/authenticator.yaml

let installed: Installed;
const judge = newJudge();
const dry = authenticatorsPath("?dryRun=All");
const adds = (user: string, owner: string, slot = "totp", spec: object = {}, metadata: object = {}): Promise<Reply> =>
  installed.post(user, dry, authenticatorBody(owner, slot, spec, metadata));
const invites = (owner: string, slot = "totp", spec: object = {}, metadata: object = {}): Promise<Reply> =>
  adds("ivy", owner, slot, { invitedBy: "ivy", ...spec }, metadata);
const alices = authenticatorsPath(`/${hex("alice")}.totp`);
const own = authenticatorsPath(`/${hex("alice")}.key-1`);
const deletes = (user: string, path: string): Promise<Reply> => installed.call(user, "DELETE", path);
const totp = { lastTimeStep: 5, failures: { consecutive: 0, total: 3 } };

beforeAll(async () => {
  installed = await installedPlane();
  const { merge, plane, post } = installed;
  const authenticators = "--resource=authenticators.kube-elevate.dev";
  await plane.run("admin", ["create", "clusterrole", "patching", "--verb=patch", authenticators]);
  await plane.run("admin", ["create", "clusterrolebinding", "patching", "--clusterrole=patching", "--group=devs"]);
  landed(await post("ivy", authenticatorsPath(), authenticatorBody("alice", "totp", { invitedBy: "ivy" })));
  await eventually(async () => (await merge("alice", alices, {})).code === 200, 10, "alice may patch");
});
afterAll(() => installed[Symbol.asyncDispose]());

test("EN11: an authenticator is named for its owner and a slot", async () => {
  const named = (name: string, slot = "key-1", spec: object = {}): Promise<Reply> =>
    invites("alice", slot, spec, { name });
  const alice = hex("alice");
  await judge.expectRefused("authenticator", 1, "InvalidAuthenticator", {
    "a name of its own choice": named("alice-1"),
    "slot key-0": named(`${alice}.key-0`),
    "slot key-10": named(`${alice}.key-10`),
    "slot totp for a key": named(`${alice}.totp`),
    "slot key-1 for TOTP": named(`${alice}.key-1`, "totp"),
    "another word": named(`${alice}.phone`),
    "the name of bob": named(`${hex("bob")}.key-1`),
    generateName: invites("alice", "key-1", {}, { name: undefined, generateName: `${alice}.key-` }),
    "111 bytes": invites(`a${"ë".repeat(55)}`),
  });
  await expectRefusedBy(422, "lower case", {
    "in upper case": invites("joe", "totp", {}, { name: `${hex("joe").toUpperCase()}.totp` }),
  });
  await expectAccepted({ "110 bytes": invites("ë".repeat(55)), "an address": invites("bob@corp.example", "key-9") });
});

test("EN11: who is no person, or shares a name, owns none; a new one carries nothing that is not its own", async () => {
  await judge.expectRefused("authenticator", 2, "RequesterNotAllowed", {
    "a ServiceAccount": invites("system:serviceaccount:a:b"),
    "kubernetes-admin": invites("kubernetes-admin"),
    "a space at the end": invites("al "),
    "a shared name": invites("arn:aws:sts::1:assumed-role/dev/EKSGetTokenAuth"),
  });
  const owners = [{ apiVersion: "v1", kind: "Namespace", name: "x", uid: "x" }];
  await judge.expectRefused("authenticator", 3, "InvalidAuthenticator", {
    disabled: invites("bob", "totp", { disabled: true }),
    finalizers: invites("bob", "totp", {}, { finalizers: ["evil.example/x"] }),
    ownerReferences: invites("bob", "totp", {}, { ownerReferences: owners }),
  });
});

test("EN12: an invitation ends, at most 168h after it was made", async () => {
  await judge.expectRefused("authenticator", 4, "InvalidAuthenticator", {
    "169h": invites("bob", "totp", { expirationTime: at(169 * 3_600) }),
    past: invites("bob", "totp", { expirationTime: at(-5) }),
  });
  await expectRefusedBy(422, "Required value", { missing: invites("bob", "totp", { expirationTime: undefined }) });
  await expectAccepted({ "168h": invites("bob", "totp", { expirationTime: at(168 * 3_600) }) });
});

test("EN04: an inviter invites others, in no name but the inviter's own; without an invitation one adds for oneself alone", async () => {
  await judge.expectRefused("authenticator", 5, "InviteNotPermitted", {
    "bob adds one for alice": adds("bob", "alice", "key-1"),
    "an inviter, unsigned": adds("ivy", "alice", "key-1"),
  });
  await judge.expectRefused("authenticator", 6, "InviteNotPermitted", {
    "no inviter": adds("bob", "alice", "key-1", { invitedBy: "bob" }),
    "in the name of an inviter": adds("bob", "alice", "key-1", { invitedBy: "ivy" }),
    "an inviter in another's name": adds("ivy", "alice", "key-1", { invitedBy: "sre" }),
    "an inviter, ivy herself": invites("ivy"),
    "one's own, as invited by oneself": adds("alice", "alice", "key-1", { invitedBy: "alice" }),
    "one's own, as invited by ivy": adds("alice", "alice", "key-1", { invitedBy: "ivy" }),
    "admin in ivy's name": adds("admin", "alice", "key-1", { invitedBy: "ivy" }),
  });
  await expectRefusedBy(409, "already exists", { "a second of the same name": invites("alice") });
  await expectAccepted({ "one's own, a further one": adds("alice", "alice", "key-1") });
});

test("EN14, TA01: status is the verifier's alone, and counters and seals never go back", async () => {
  const { as, merge } = installed;
  const status = (user: string, change: object | null): Promise<Reply> =>
    merge(user, `${alices}/status`, { status: change });
  const pending = { ...authenticatorBody("alice", "totp"), status: { phase: "Pending" } };
  const asController = [
    `--as=${accountName("controller")}`,
    "--as-group=system:masters",
    "--subresource=status",
    "--server-side",
    "--force-conflicts",
  ];
  await judge.expectRefused("status", 1, "WriteNotPermitted", {
    admin: status("admin", { phase: "Pending" }),
    "the controller, with the right": as("admin", asController, "apply", pending),
  });
  await expectRefusedBy(403, "cannot patch", { "the controller": status("controller", { phase: "Pending" }) });
  await expectRefusedBy(422, "Active comes with keyID and seal", { unsealed: status("verifier", { phase: "Active" }) });
  await expectAccepted({ "the verifier": await status("verifier", { phase: "Active", keyID: "k", seal: "s", totp }) });
  const back = { "no phase": { phase: null }, "Pending again": { phase: "Pending" } };
  await expectRefusedBy(422, "phase", { "no phase": status("verifier", back["no phase"]) });
  await expectRefusedBy(422, "stays so", { "Pending again": status("verifier", back["Pending again"]) });
  await expectRefusedBy(422, "lastTimeStep never goes back", {
    step: status("verifier", { totp: { lastTimeStep: 4 } }),
  });
  await expectRefusedBy(422, "failures.total never goes back", {
    total: status("verifier", { totp: { failures: { total: 0 } } }),
  });
  await expectRefusedBy(422, "totp cannot be removed", { totp: status("verifier", { totp: null }) });
  await expectRefusedBy(422, "seal and keyID are set once", { seal: status("verifier", { seal: "t" }) });
  await expectRefusedBy(422, "status cannot be removed", { status: status("verifier", null) });
});

test("EN14, TA01: of a key nothing goes back, and its credential is set once, in each of its parts", async () => {
  const { merge, post } = installed;
  const key = authenticatorsPath(`/${hex("alice")}.key-3`);
  landed(await post("alice", authenticatorsPath(), authenticatorBody("alice", "key-3")));
  const status = (change: object): Promise<Reply> => merge("verifier", `${key}/status`, { status: change });
  landed(await status({ phase: "Pending" }));
  const webauthn = {
    credentialId: "AAAA",
    publicKey: "AAAA",
    signCount: 1,
    aaguid: "00000000-0000-0000-0000-000000000000",
    transports: [],
    backupEligible: false,
    rpId: "elevate.example.com",
    origin: "https://elevate.example.com",
  };
  await expectRefusedBy(422, "Active comes with keyID and seal", {
    "no keyID": status({ phase: "Active", seal: "s" }),
    "no seal": status({ phase: "Active", keyID: "k" }),
  });
  await expectAccepted({ "the verifier": await status({ phase: "Active", keyID: "k", seal: "s", webauthn }) });
  const others = {
    credentialId: "BBBB",
    publicKey: "BBBB",
    aaguid: "00000000-0000-0000-0000-000000000001",
    backupEligible: true,
    rpId: "evil.example",
    origin: "https://evil.example",
  };
  for (const [part, value] of Object.entries(others))
    await expectRefusedBy(422, "credential is set once", { [part]: status({ webauthn: { [part]: value } }) });
  await expectRefusedBy(422, "credential is set once", {
    "aaguid, removed": status({ webauthn: { aaguid: null } }),
    "backupEligible, removed": status({ webauthn: { backupEligible: null } }),
  });
  await expectRefusedBy(422, "webauthn cannot be removed", { webauthn: status({ webauthn: null }) });
  await expectRefusedBy(422, "seal and keyID are set once", { keyID: status({ keyID: "other" }) });
  await judge.expectRefused("authenticator", 10, "DeleteNotPermitted", {
    "an Active one that she added herself": deletes("alice", key),
  });
});

test("EN14: nothing of it changes, but that an inviter disables it; who deletes what", async () => {
  const { merge, post } = installed;
  const spec = (user: string, change: object): Promise<Reply> => merge(user, alices, { spec: change });
  await expectRefusedBy(422, "immutable", {
    owner: spec("ivy", { owner: { username: "bob" } }),
    method: spec("ivy", { method: "WebAuthn" }),
    codeChallenge: spec("ivy", { codeChallenge: challengeOf("two") }),
    invitedBy: spec("ivy", { invitedBy: "sre" }),
    "invitedBy, removed": spec("ivy", { invitedBy: null }),
    expirationTime: spec("ivy", { expirationTime: at(99) }),
  });
  await judge.expectRefused("authenticator", 8, "InviteNotPermitted", {
    "disabled by its owner": spec("alice", { disabled: true }),
  });
  const owners = [{ apiVersion: "v1", kind: "Namespace", name: "x", uid: "x" }];
  await judge.expectRefused("authenticator", 9, "InvalidAuthenticator", {
    "a finalizer": merge("alice", alices, { metadata: { finalizers: ["evil.example/x"] } }),
    "an owner": merge("alice", alices, { metadata: { ownerReferences: owners } }),
  });
  await judge.expectRefused("authenticator", 10, "DeleteNotPermitted", {
    "an Active one, by ivy": deletes("ivy", alices),
    "an Active one, by alice": deletes("alice", alices),
    "an Active one, by the controller": deletes("controller", alices),
    "an Active one, by admin": deletes("admin", alices),
  });
  await expectAccepted({ "disabled by ivy": await spec("ivy", { disabled: true }) });
  await expectRefusedBy(422, "disabled cannot be undone", {
    undone: spec("ivy", { disabled: false }),
    "undone, removed": spec("ivy", { disabled: null }),
  });
  const bobs = authenticatorsPath(`/${hex("bob")}.totp`);
  landed(await post("alice", authenticatorsPath(), authenticatorBody("alice", "key-1")));
  landed(await post("ivy", authenticatorsPath(), authenticatorBody("bob", "totp", { invitedBy: "ivy" })));
  await judge.expectRefused("authenticator", 10, "DeleteNotPermitted", {
    "a disabled one, by its owner": deletes("alice", alices),
    "a disabled one that was Active, by the controller": deletes("controller", alices),
    "a Pending one, by a colleague": deletes("bob", own),
    "an invitation, by who is invited": deletes("bob", bobs),
  });
  await expectAccepted({
    "one's own Pending one": deletes("alice", own),
    "an invitation, by the controller": deletes("controller", bobs),
  });
});

test("EN14: policy 8 holds where somebody edits the CRD", async () => {
  const { merge, plane } = installed;
  const rules = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations";
  const patch = JSON.stringify([{ op: "remove", path: rules }]);
  await plane.run("admin", ["patch", "crd", "authenticators.kube-elevate.dev", "--type=json", "-p", patch]);
  const change = (spec: object): Promise<Reply> => merge("ivy", `${alices}?dryRun=All`, { spec });
  const edited = async (): Promise<boolean> =>
    (await change({ codeChallenge: challengeOf("two") })).message.includes("an authenticator never changes");
  expect(await eventually(edited, 30, "the CRD's own rule is gone")).toBe(true);
  await judge.expectRefused("authenticator", 7, "InvalidAuthenticator", {
    owner: change({ owner: { username: "bob" } }),
    method: change({ method: "WebAuthn" }),
    expirationTime: change({ expirationTime: at(99) }),
    codeChallenge: change({ codeChallenge: challengeOf("two") }),
    "disabled, undone": change({ disabled: false }),
    "invitedBy, removed": change({ invitedBy: null }),
  });
  await expectAccepted({ "a disabled one, deleted by ivy": deletes("ivy", alices) });
});

test("every rule of this policy has refused something", () => {
  judge.expectAllReached("authenticator");
});
