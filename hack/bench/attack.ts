import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type Answers, attacks, type Target } from "./hostile-clients.ts";

type Order = { readonly name: string; readonly at: Target; readonly until: number };

/** Plays one of hostile-clients.ts in a thread of its own, so that it slows nobody here but by what the machine has. */
export async function attack(name: string, at: Target, until: number): Promise<Answers> {
  const { promise, resolve, reject } = Promise.withResolvers<Answers>();
  const worker = new Worker(new URL(import.meta.url), { workerData: { name, at, until } satisfies Order });
  worker.once("message", resolve).once("error", reject);
  try {
    return await promise;
  } finally {
    await worker.terminate();
  }
}

if (!isMainThread && isOrder(workerData)) {
  const { name, at, until } = workerData;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node's has no origin
  parentPort?.postMessage((await attacks[name]?.(at, until)) ?? new Map());
}

function isOrder(value: unknown): value is Order {
  return typeof value === "object" && value !== null && "until" in value && "at" in value;
}
