import type { Outcome } from "../flows/ports.ts";
import type { KubeClient } from "./client.ts";
import { removal } from "./removal.ts";

export type Insisting = (path: string, uid: string) => Promise<Outcome>;

const defaultTimes = {
  /** What gets no answer within this has failed: that is told of, and tried again. */
  answerMs: 2_000,
  /** Of a further try, which is for when what hung no longer does. */
  againMs: 1_000,
  /** The API server waits up to 30 s for a webhook, and gives up with us: one that is slow and means yes needs all of it. */
  patientMs: 35_000,
};
const patientMax = 8; // they hold connections and places at the API server that other endings need

/**
 * DELETE where others are asked, who may be slow, or never answer. Nobody waits long for it, so that an ending that hangs
 * is known to and holds up no other one; but of each object one DELETE goes on behind, and shorter ones come after it.
 */
export function createInsisting(client: KubeClient, times: Partial<typeof defaultTimes> = {}): Insisting {
  const { answerMs, againMs, patientMs } = { ...defaultTimes, ...times };
  const patient = new Map<string, Promise<Outcome>>();
  return async (path, uid) => {
    if (patient.has(uid)) return removal(client, path, { uid }, againMs);
    if (patient.size >= patientMax) return removal(client, path, { uid }, answerMs);
    const asked = removal(client, path, { uid }, patientMs).finally(() => patient.delete(uid));
    patient.set(uid, asked);
    return within(answerMs, asked, `DELETE ${path} is not answered yet`);
  };
}

/** What comes later, and whether it fails, is nobody's business any more. */
async function within<T>(ms: number, answer: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
