import { expect, test } from "vitest";
import { asked, meta } from "../../test/fakes/objects.ts";
import type { RoleBinding } from "../domain/binding.ts";
import { instant, parseInstant } from "../domain/time.ts";
import { idOf, joinLists } from "./listed.ts";

const uid = "0123456789";
const key = { namespace: "shop", name: "fix", uid };
const expirationTime = "2026-11-24T10:15:00.000Z";
const active = {
  metadata: { ...meta, ...key },
  spec: asked,
  status: { phase: "Active" as const, grant: { expirationTime } },
};
const bound = (name: string, labels = {}, owners: readonly { readonly uid: string }[] = []): RoleBinding => ({
  metadata: {
    ...meta,
    namespace: "shop",
    name,
    labels,
    annotations: { "kube-elevate.dev/expiration-time": expirationTime },
    ownerReferences: owners.map((owner) => ({ apiVersion: "", kind: "", name: "", ...owner })),
  },
});
const byLabel = { "kube-elevate.dev/request-uid": uid };
const ours = bound("elevate:fix:01234567", byLabel);

test("a request and its binding are one, and end when the record says", () => {
  const joined = joinLists([ours], [active]);
  expect([...joined.keys()]).toEqual([idOf(key)]);
  expect(joined.get(idOf(key))).toMatchObject({ what: key, binding: ours, endsAt: parseInstant(expirationTime) });
});

test("a binding whose request is not open is overdue", () => {
  expect(joinLists([ours], []).get(idOf(key))).toMatchObject({ what: key, endsAt: instant(0) });
});

test("where the list of requests failed, the binding's own word must do, and an unreadable one is past", () => {
  expect(joinLists([ours], undefined).get(idOf(key))?.endsAt).toBe(parseInstant(expirationTime));
  const silent = { metadata: { ...ours.metadata, annotations: {} } };
  expect(joinLists([silent], undefined).get(idOf(key))?.endsAt).toBe(0);
});

test.each([
  ["its label", bound("elevate:fix:01234567", byLabel)],
  ["its owner, where the label was taken off", bound("elevate:fix:01234567", {}, [{ uid: "other" }, { uid }])],
  [
    "its owner, where the label was changed",
    bound("elevate:fix:01234567", { ...byLabel, "kube-elevate.dev/request-uid": "x" }, [{ uid }]),
  ],
])("the request of a binding is known by %s", (_by, binding) => {
  expect(joinLists([binding], []).get(idOf(key))?.what).toEqual(key);
});

test.each([
  ["a UID that does not fit its name", bound("elevate:fix:76543210", byLabel, [{ uid }]), true],
  ["no UID", bound("elevate:fix:01234567"), true],
  ["a name like ours, and a UID part that is too long", bound("elevate:fix:0123456789", byLabel), true],
  ["another name", bound("admins", byLabel), false],
  ["a part too many in its name", bound("elevate:fix:01234567:x", byLabel), false],
])("a binding with %s is accounted for by no request", (_what, binding, removable) => {
  const [found] = [...joinLists([binding], []).values()];
  expect(found).toMatchObject({ what: { unaccounted: binding, removable }, endsAt: 0 });
});

test("an open request knows its own UID best: a planted binding cannot say another", () => {
  const planted = bound("elevate:fix:01234567", { "kube-elevate.dev/request-uid": "01234567-planted" });
  expect(joinLists([planted], [active]).get(idOf(key))?.what).toEqual(key);
});
