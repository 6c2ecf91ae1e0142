"""Writes the golden vectors beside this file: a second implementation, from the text of the design alone.

Run: python3 test/vectors/make.py (it needs the package "cryptography", for Ed25519), then biome check --write
test/vectors. HKDF and all encodings are written out here; `openssl kdf HKDF` gives the same seeds. The keys are
published test keys, of RFC 8032 section 7.1 and counting bytes; they open nothing.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = pathlib.Path(__file__).parent


def encoded(field):
    """A list is its count and its fields; a text is its length in bytes and its bytes."""
    if isinstance(field, str):
        field = field.encode()
    if isinstance(field, bytes):
        return struct.pack(">I", len(field)) + field
    return struct.pack(">I", len(field)) + b"".join(encoded(part) for part in field)


def optional(text):
    return [] if text is None else [text]


def challenge_preimage(request, offer):
    meta, spec = request["metadata"], request["spec"]
    who = spec["requester"]
    return encoded([
        "kube-elevate/v1/assert", offer["cluster"]["uid"], meta["uid"], meta["namespace"], meta["name"],
        spec["policyName"], optional(spec.get("duration")), optional(spec.get("justification")),
        who["username"], optional(who.get("uid")), who.get("groups", []),
        offer["cluster"]["name"], offer["roleRef"]["kind"], offer["roleRef"]["name"], offer["rulesHash"],
        [[m["method"], m["duration"]] for m in offer["methods"]],
        offer["deadlineTime"], offer["authorizedBy"],
    ])


def enrollment_preimage(cluster_uid, a):
    return encoded([
        "kube-elevate/v1/enroll", cluster_uid, a["metadata"]["uid"], a["spec"]["owner"]["username"], a["spec"]["method"],
    ])


def seal_preimage(challenge, v):
    evidence = str(v["timeStep"]) if "webauthn" not in v else hashlib.sha256(
        encoded([[key, v["webauthn"][key]] for key in sorted(v["webauthn"])])).digest()
    return encoded([
        "kube-elevate/v1/seal", v["keyID"], challenge, v["method"], v["authenticator"], v["authenticatorUID"],
        v["verificationTime"], evidence,
    ])


def authenticator_preimage(cluster_uid, key_id, a):
    credential = (a.get("status") or {}).get("webauthn") or {}
    backup = credential.get("backupEligible")
    parts = [credential.get(name) for name in ("credentialId", "publicKey", "rpId", "origin")]
    parts.append(None if backup is None else str(backup).lower())
    return encoded([
        "kube-elevate/v1/authenticator", key_id, cluster_uid, a["metadata"]["name"], a["metadata"]["uid"],
        a["spec"]["owner"]["username"], a["spec"]["method"], [optional(part) for part in parts],
    ])


def hkdf_sha256(key, info, length):
    """RFC 5869, no salt."""
    prk = hmac.new(b"\0" * 32, key, hashlib.sha256).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def seed(key, uid, owner):
    info = b"kube-elevate/v1/totp" + b"".join(struct.pack(">I", len(t.encode())) + t.encode() for t in (uid, owner))
    return hkdf_sha256(key, info, 20)


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

META = {"resourceVersion": "7", "creationTimestamp": "2026-11-24T10:00:00Z"}
OFFER = {
    "cluster": {"name": "prod-eu", "uid": "0b7e6e5c-3f0a-4d3e-9a52-6f7a1c2d3e4f"},
    "roleRef": {"kind": "ClusterRole", "name": "pod-debugger"},
    "rulesHash": "Jd8ABbE3EK0BTIyPxbm2ZTnNfNI-zRpvlVVoSwhfzBk",
    "methods": [{"method": "WebAuthn", "duration": "30m"}, {"method": "TOTP", "duration": "15m"}],
    "deadlineTime": "2026-11-24T10:05:00.000Z",
    "authorizedBy": 'RBAC: allowed by RoleBinding "oncall/payments"',
}
FULL = {
    "metadata": {"name": "payments-debug-7k2mx", "namespace": "payments",
                 "uid": "5f1c1a9e-8d2b-4c57-b1de-1b6f0a9c7e21", **META},
    "spec": {"policyName": "payments-debug", "duration": "30m", "justification": "INC-4312 Pods stürzen ab 🔥",
             "requester": {"username": "oidc:alice@example.com", "uid": "u-1", "groups": ["devs", "system:authenticated"]},
             "codeChallenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
}
BARE = {
    "metadata": {"name": "a", "namespace": "b", "uid": "c", **META},
    "spec": {"policyName": "d", "requester": {"username": "e"}},
}
EMPTY = {
    "metadata": {"name": "a", "namespace": "b", "uid": "c", **META},
    "spec": {"policyName": "d", "justification": "",
             "requester": {"username": "e", "uid": "", "groups": []}},
}
challenges = []
for says, request, offer in [
    ("all that can be said", FULL, OFFER),
    ("what may be left out is left out", BARE, {**OFFER, "methods": [OFFER["methods"][1]]}),
    ("empty is not absent, but no groups are no groups", EMPTY, {**OFFER, "methods": [OFFER["methods"][1]]}),
]:
    preimage = challenge_preimage(request, offer)
    challenges.append({"says": says, "request": request, "offer": offer, "preimage": preimage.hex(),
                       "challenge": b64url(hashlib.sha256(preimage).digest())})

WEBAUTHN = {"credentialId": "Y3JlZA", "publicKey": "cHVi", "rpId": "elevate.example.com",
            "origin": "https://elevate.example.com", "authenticatorData": "YXV0aA", "clientDataJSON": "e30",
            "signature": "c2ln"}
BASE = {"keyID": "20261124T100000000Z", "authenticator": "616c696365.totp", "authenticatorUID": "a-1",
        "verificationTime": "2026-11-24T10:01:30.250Z"}
seals = []
for says, verification in [
    ("a code", {**BASE, "method": "TOTP", "timeStep": 59850483}),
    ("an assertion", {**BASE, "method": "WebAuthn", "authenticator": "616c696365.key-1", "webauthn": WEBAUTHN}),
]:
    preimage = seal_preimage(hashlib.sha256(challenge_preimage(FULL, OFFER)).digest(), verification)
    seals.append({"says": says, "request": FULL, "offer": OFFER, "verification": verification,
                  "preimage": preimage.hex(), "seal": b64url(KEY.sign(preimage))})

authenticators = []
for says, status, method, slot in [
    ("a TOTP authenticator: its counters are not sealed",
     {"phase": "Active", "totp": {"lastTimeStep": 1, "failures": {"consecutive": 2, "total": 3}}}, "TOTP", "totp"),
    ("a key", {"phase": "Active", "webauthn": {**{k: WEBAUTHN[k] for k in ("credentialId", "publicKey", "rpId", "origin")},
                                               "backupEligible": False}}, "WebAuthn", "key-1"),
]:
    it = {"metadata": {"name": "616c696365." + slot, "uid": "a-1", **META},
          "spec": {"owner": {"username": "alice"}, "method": method, "invitedBy": "ivy",
                   "codeChallenge": FULL["spec"]["codeChallenge"], "expirationTime": "2026-11-25T10:00:00Z"},
          "status": status}
    preimage = authenticator_preimage(OFFER["cluster"]["uid"], BASE["keyID"], it)
    authenticators.append({"says": says, "clusterUID": OFFER["cluster"]["uid"], "keyID": BASE["keyID"],
                           "authenticator": it, "preimage": preimage.hex(), "seal": b64url(KEY.sign(preimage)),
                           "enrollment": enrollment_preimage(OFFER["cluster"]["uid"], it).hex()})

seeds = []
for uid, owner in [("5f1c1a9e-8d2b-4c57-b1de-1b6f0a9c7e21", "alice"), ("5f1c1a9e-8d2b-4c57-b1de-1b6f0a9c7e21", "bob"),
                   ("5f1c1a9e-8d2b-4c57-b1de-1b6f0a9c7e22", "alice"), ("u", "oidc:алиса@example.com")]:
    key = bytes(range(32))
    derived = seed(key, uid, owner)
    seeds.append({"seedKey": b64url(key), "uid": uid, "owner": owner, "seed": derived.hex(),
                  "secret": base64.b32encode(derived).decode()})

for name, vectors in [("challenge", challenges), ("seal", {"publicKey": PUBLIC, "verifications": seals,
                                                          "authenticators": authenticators}), ("seed", seeds)]:
    (HERE / f"{name}.json").write_text(json.dumps(vectors, indent=2, ensure_ascii=False) + "\n")
