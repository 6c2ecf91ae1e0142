import { z } from "zod";
import { instant, parseInstant } from "../../../src/domain/time.ts";

// What happened, as the API server itself wrote it down. Its audit log has each write with the object that it made, with
// the revision of etcd in it: all that was ever stored, in order, and who stored it. Only what a DELETE took away has no
// revision there, but a time. Nothing reaches etcd in another way, so etcd's own revisions would add nothing.

const entry = z.looseObject({
  stage: z.string(),
  verb: z.string(),
  requestURI: z.string(),
  user: z.looseObject({ username: z.string() }),
  objectRef: z
    .looseObject({
      resource: z.string().default(""),
      namespace: z.string().default(""),
      name: z.string().default(""),
      subresource: z.string().optional(),
    })
    .optional(),
  responseStatus: z.looseObject({ code: z.number().optional() }).optional(),
  requestReceivedTimestamp: z.string(),
  stageTimestamp: z.string(),
  requestObject: z.unknown().optional(),
  responseObject: z.unknown().optional(),
});

const stored = z.looseObject({
  metadata: z.looseObject({ name: z.string(), uid: z.string(), resourceVersion: z.string() }),
});
export type Stored = z.infer<typeof stored>;

/** One call that was answered. */
export type Call = {
  readonly user: string;
  readonly verb: string;
  /** elevationrequests/status */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly code: number;
  readonly dryRun: boolean;
  /** When it reached the API server, and when it was answered. */
  readonly from: number;
  readonly to: number;
};
export type Revision = Call & { readonly uid: string; readonly revision: number; readonly object: Stored };
type Removal = Call & { readonly uid: string };
export type History = {
  readonly calls: readonly Call[];
  /** Each state of each object of these kinds, oldest first. */
  readonly revisions: (resource: string) => ReadonlyMap<string, readonly Revision[]>;
  readonly removals: ReadonlyMap<string, Removal>;
  /** Writes whose caller hung up: whether they were carried out only what comes after can tell. */
  readonly unanswered: readonly Unanswered[];
};
export type Unanswered = Call & { readonly body: unknown };

export function historyOf(auditLog: string): History {
  const calls: Call[] = [];
  const removals = new Map<string, Removal>();
  const byResource = new Map<string, Map<string, Revision[]>>();
  // a DELETE whose caller hung up may have been carried out: the next read that finds nothing says so
  const deletes: Removal[] = [];
  const unanswered: Unanswered[] = [];
  const missed = ({ resource, namespace, name, to }: Call): void => {
    for (const removal of deletes)
      if (removal.resource === resource && removal.namespace === namespace && removal.name === name)
        if (!removals.has(removal.uid)) removals.set(removal.uid, { ...removal, to });
  };
  for (const line of auditLog.split("\n")) {
    if (line === "") continue;
    if (isMereRead(line)) {
      if (deletes.length > 0 && isMiss(line)) missed(callOf(entry.parse(JSON.parse(line))));
      continue;
    }
    const read = entry.parse(JSON.parse(line));
    if (read.stage !== "ResponseComplete" || read.objectRef === undefined) continue;
    const call = callOf(read);
    calls.push(call);
    if (call.code >= 500 && !call.dryRun) unanswered.push({ ...call, body: read.requestObject });
    if (call.dryRun || call.code >= 300 || ["get", "list", "watch"].includes(call.verb)) continue;
    if (call.verb.startsWith("delete")) {
      for (const uid of removedBy(read.responseObject)) removals.set(uid, { ...call, uid });
      const uid = call.code >= 500 ? condition.safeParse(read.requestObject).data?.preconditions.uid : undefined;
      if (uid !== undefined) deletes.push({ ...call, uid });
      continue;
    }
    const object = stored.safeParse(read.responseObject).data;
    if (object === undefined) continue;
    const { uid, resourceVersion, name } = object.metadata;
    const resource = read.objectRef.resource;
    const objects = byResource.get(resource) ?? new Map<string, Revision[]>();
    byResource.set(resource, objects);
    const seen = objects.get(uid) ?? [];
    objects.set(uid, seen);
    seen.push({ ...call, name, uid, revision: Number(resourceVersion), object });
  }
  return { calls, removals, unanswered, revisions: (resource) => inOrder(byResource.get(resource)) };
}

/** Most lines are: they are not even parsed. What people try to do with Pods says who has access. */
const isMereRead = (line: string): boolean =>
  ["get", "list", "watch"].includes(/"verb":"(\w+)"/.exec(line)?.[1] ?? "") && !line.includes('"resource":"pods"');

const isMiss = (line: string): boolean =>
  line.includes('"verb":"get"') && line.includes('"code":404') && line.includes('"stage":"ResponseComplete"');
const condition = z.looseObject({ preconditions: z.looseObject({ uid: z.string() }) });

function callOf(read: z.infer<typeof entry>): Call {
  const { resource = "", subresource, namespace = "", name = "" } = read.objectRef ?? {};
  const options = z.looseObject({ dryRun: z.array(z.string()).optional() }).safeParse(read.requestObject).data;
  return {
    user: read.user.username,
    verb: read.verb,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    code: read.responseStatus?.code ?? 0,
    dryRun: read.requestURI.includes("dryRun=All") || options?.dryRun !== undefined,
    from: timeOf(read.requestReceivedTimestamp),
    to: timeOf(read.stageTimestamp),
  };
}

/** In milliseconds; the audit log has microseconds. */
const timeOf = (text: string): number => {
  const time = parseInstant(text.replace(/(\.\d{3})\d*Z$/, "$1Z"));
  if (time === instant(0)) throw new Error(`no time: ${text}`);
  return time;
};

/** A DELETE is answered by a Status that names what is gone; one of many by the list of what was there. */
function removedBy(answer: unknown): readonly string[] {
  const uid = z.looseObject({ uid: z.string() });
  const status = z.looseObject({ kind: z.literal("Status"), details: uid }).safeParse(answer).data;
  if (status !== undefined) return [status.details.uid];
  const list = z.looseObject({ items: z.array(z.looseObject({ metadata: uid })) }).safeParse(answer).data;
  return list?.items.map(({ metadata }) => metadata.uid) ?? [];
}

/** By revision, each once: a patch that changes nothing stores nothing. */
function inOrder(objects: ReadonlyMap<string, readonly Revision[]> = new Map()): Map<string, readonly Revision[]> {
  const ordered = [...objects].map(([uid, seen]): [string, readonly Revision[]] => {
    const byRevision = new Map<number, Revision>();
    for (const revision of seen.toSorted((a, b) => a.from - b.from))
      if (!byRevision.has(revision.revision)) byRevision.set(revision.revision, revision);
    return [uid, [...byRevision.values()].toSorted((a, b) => a.revision - b.revision)];
  });
  return new Map(ordered);
}

/** Bindings and steps' Events that were made a second time, though each is one. */
export function madeTwice(auditLog: string): readonly string[] {
  const history = historyOf(auditLog);
  const firsts = (resource: string): readonly Revision[] =>
    [...history.revisions(resource).values()].flatMap((states) => states.slice(0, 1));
  const event = z.looseObject({
    action: z.string(),
    note: z.string(),
    regarding: z.looseObject({ uid: z.string().optional() }),
  });
  const made = [
    ...firsts("rolebindings").map(({ namespace, name }) => `binding ${namespace}/${name}`),
    ...firsts("events").flatMap(({ user, object }) => {
      const seen = user.startsWith("system:serviceaccount:elevate-system:") ? event.parse(object) : undefined;
      if (seen?.regarding.uid === undefined) return []; // of kube-elevate itself each replica tells
      return [`Event ${seen.action} of ${seen.regarding.uid}: ${seen.note}`];
    }),
  ];
  return made.filter((what, index) => made.indexOf(what) !== index);
}

/** Lines that tell a write by an account of ours; reviews and rehearsals change nothing. */
export const writesOf = (auditLog: string): readonly string[] =>
  auditLog
    .split("\n")
    .filter(
      (line) =>
        /"verb":"(create|patch|update|delete)"/.test(line) &&
        line.includes("system:serviceaccount:elevate-system:") &&
        !/dryRun=All|subjectaccessreviews/.test(line),
    );
