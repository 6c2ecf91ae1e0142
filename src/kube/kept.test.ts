import { afterEach, beforeEach, expect, test } from "vitest";
import { asked, meta, totpOfAlice } from "../../test/fakes/objects.ts";
import { json, type ScriptedApi, scriptedApi, status } from "../../test/fakes/scripted-api.ts";
import type { ElevationRequest } from "../api/v1alpha1/elevation-request.ts";
import { connect, type KubeClient } from "./client.ts";
import { createAllAuthenticators, createEndedRequests } from "./kept.ts";

const seen: ElevationRequest = {
  metadata: { ...meta, name: "fix", namespace: "shop", resourceVersion: "7" },
  spec: asked,
  status: { phase: "Expired", reason: "Expired", endTime: "2026-10-01T10:00:00.000Z" },
};

let api: ScriptedApi;
let client: KubeClient;
beforeEach(async () => {
  api = await scriptedApi((_asked, response) => json(response, { metadata: {}, items: [] }));
  client = connect({ kubeconfig: api.kubeconfig, requestTimeoutMs: 2_000 });
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

test("EX36: the history is read phase by phase, a hundred at a time, and the next page when the one before is done with", async () => {
  api.script = ({ query }, response) => {
    const first = query["continue"] === undefined && query["fieldSelector"] === "status.phase=Expired";
    json(response, { metadata: { resourceVersion: "9", ...(first ? { continue: "2" } : {}) }, items: [seen] });
  };
  const pages = createEndedRequests(client).pages()[Symbol.asyncIterator]();
  expect((await pages.next()).value).toEqual([seen]);
  expect(api.asked).toHaveLength(1);
  while ((await pages.next()).done !== true);
  const queries = api.asked.map(({ query }) => [query["fieldSelector"], query["limit"], query["continue"]]);
  expect(queries).toEqual([
    ["status.phase=Expired", "25", undefined],
    ["status.phase=Expired", "25", "2"],
    ["status.phase=Released", "25", undefined],
    ["status.phase=Revoked", "25", undefined],
    ["status.phase=Denied", "25", undefined],
    ["status.phase=TimedOut", "25", undefined],
  ]);
});

test("EX36: a record goes by UID and version, in Background: one that was changed, or is gone, is somebody else's", async () => {
  const requests = createEndedRequests(client);
  expect(await requests.remove(seen)).toBe("won");
  expect(api.asked[0]?.path).toMatch(/\/namespaces\/shop\/elevationrequests\/fix$/);
  expect(JSON.parse(api.asked[0]?.body ?? "")).toMatchObject({
    preconditions: { uid: meta.uid, resourceVersion: "7" },
    propagationPolicy: "Background",
  });
  api.script = (_asked, response) => json(response, status(409, "Conflict", "resourceVersion"), 409);
  expect(await requests.remove(seen)).toBe("lost");
  api.script = (_asked, response) => json(response, status(404, "NotFound", "gone"), 404);
  expect(await requests.remove(seen)).toBe("lost");
  api.script = (_asked, response) => json(response, status(403, "Forbidden", "DeleteNotPermitted: no"), 403);
  await expect(requests.remove(seen)).rejects.toThrow("DeleteNotPermitted");
});

test("EN16: an invitation goes by UID and version: who enrolls in this very moment is enrolled", async () => {
  const invitation = { ...totpOfAlice, metadata: { ...totpOfAlice.metadata, resourceVersion: "3" } };
  expect(await createAllAuthenticators(client).remove(invitation)).toBe("won");
  expect(JSON.parse(api.asked[0]?.body ?? "")).toMatchObject({
    preconditions: { uid: meta.uid, resourceVersion: "3" },
  });
});
