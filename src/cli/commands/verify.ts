import { readFile } from "node:fs/promises";
import { z } from "zod";
import { type ElevationRequest, elevationRequest } from "../../api/v1alpha1/elevation-request.ts";
import { denied, type ExitCode, exitCodes, Failure } from "../errors.ts";
import type { Finding } from "../evidence.ts";
import type { World } from "../world.ts";
import { wrapped } from "../wrap.ts";

export type VerifyOptions = { readonly file: string | undefined; readonly trust: string | undefined };

/** Checks the evidence in a record: of the cluster, or of a file, where no cluster is needed. */
export async function verifyEvidence(
  world: World,
  name: string | undefined,
  { file, trust }: VerifyOptions,
): Promise<ExitCode> {
  if ((name === undefined) === (file === undefined))
    throw new Failure("which record? As in: kubectl elevate verify NAME, or: kubectl elevate verify -f FILE", {
      exitCode: exitCodes.usage,
    });
  const requests = file === undefined ? [await requestNamed(world, name ?? "")] : await requestsIn(file);
  const trusted =
    trust === undefined ? (file === undefined ? await world.cluster.trust() : undefined) : await trustIn(trust);
  const sealKeys = trusted && new Map(Object.entries(trusted).flatMap(sealKeyOf));
  const { checkEvidence } = await import("../evidence.ts");
  const count = { altered: 0, unchecked: 0 };
  for (const request of requests) {
    world.talk.say(headOf(request));
    const findings = await checkEvidence(request, sealKeys);
    for (const finding of findings) world.talk.say(wrapped(lineOf(finding)));
    if (findings.some(({ is }) => is === "bad")) count.altered += 1;
    else if (findings.some(isEvidence)) world.talk.result(verified(request, findings.some(isSeal)));
    else count.unchecked += 1;
  }
  if (count.altered > 0)
    throw denied(
      "RecordTampered",
      `${count.altered === 1 ? "one record does" : `${String(count.altered)} records do`} not hold`,
    );
  if (count.unchecked === requests.length)
    throw new Failure("nothing was altered as far as can be seen, and nothing shows who agreed", {
      exitCode: exitCodes.denied,
    });
  return exitCodes.done;
}

/** That nothing is wrong is no evidence: something must have been checked, a key or a seal. */
const isEvidence = ({ is, says }: Finding): boolean => is === "good" && /^(a key|the verifier) /.test(says);
const isSeal = ({ is, says }: Finding): boolean => is === "good" && says.startsWith("the verifier ");
const verified = ({ metadata }: ElevationRequest, isSealed: boolean): string =>
  plain(`elevationrequest.kube-elevate.dev/${metadata.name} verified${isSealed ? "" : " (seal not checked)"}`);

/** A record may come from anywhere: nothing in it moves the cursor, or ends a line. */
const plain = (text: string): string => text.replaceAll(/\p{C}/gu, "?");
const marks = { good: "ok   ", bad: "wrong", open: "open " } as const;
const lineOf = ({ is, says }: Finding): string => plain(`${marks[is]}  ${says}`);

function headOf({ metadata, spec, status }: ElevationRequest): string {
  const { roleRef, cluster } = status?.offer ?? {};
  const what = roleRef === undefined ? "" : ` asked for ${roleRef.kind}/${roleRef.name} on ${cluster?.name ?? ""}`;
  return plain(`${metadata.name} in ${metadata.namespace}: ${spec.requester.username}${what}`);
}

async function requestNamed({ cluster }: World, name: string): Promise<ElevationRequest> {
  const { namespace } = await cluster.here();
  const found = await cluster.request({ namespace, name });
  if (found !== undefined) return found;
  throw new Failure(`no request ${name} in namespace ${namespace}. Another one: -n NAMESPACE`);
}

const meta = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  resourceVersion: z.string().default(""),
  creationTimestamp: z.string().default(""),
});
const record = elevationRequest.extend({ kind: z.literal("ElevationRequest"), metadata: meta });
const list = z.object({ kind: z.string().regex(/List$/), items: z.array(record) });
const configMap = z.object({ kind: z.literal("ConfigMap"), data: z.record(z.string(), z.string()) });

/** As `kubectl get elev ... -o yaml` or `-o json` writes them: one, or a list. */
async function requestsIn(file: string): Promise<readonly ElevationRequest[]> {
  const value = await read(file);
  const [one, several] = [record.safeParse(value), list.safeParse(value)];
  const found = one.success ? [one.data] : (several.data?.items ?? []);
  if (found.length > 0) return found;
  throw new Failure(`${file} holds no ElevationRequest, as kubectl get elev NAME -o yaml writes it`);
}

async function trustIn(file: string): Promise<{ readonly [key: string]: string }> {
  const found = configMap.safeParse(await read(file));
  if (found.success) return found.data.data;
  throw new Failure(
    `${file} holds no ConfigMap. It is: kubectl get configmap kube-elevate-trust -n elevate-system -o yaml`,
  );
}

async function read(file: string): Promise<unknown> {
  const { load } = await import("js-yaml");
  try {
    return load(await readFile(file, "utf8"));
  } catch (cause) {
    throw new Failure(
      `${file} cannot be read: ${cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "no text"}`,
    );
  }
}

const prefix = "seal-key.";
const sealKeyOf = ([key, pem]: readonly [string, string]): readonly (readonly [string, string])[] =>
  key.startsWith(prefix) ? [[key.slice(prefix.length), pem]] : [];
