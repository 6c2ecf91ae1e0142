import { readFile } from "node:fs/promises";
import { Agent, request } from "node:https";

export interface Answer {
  readonly code: number;
  /** The JSON of the answer, or its text where it is none. */
  readonly body: unknown;
}

export type Ask = (
  token: string,
  method: string,
  path: string,
  body?: unknown,
  contentType?: string,
) => Promise<Answer>;

/** Asks the API server directly, over connections that are kept; rejects when it cannot be reached. */
export function asking(server: string, caFile: string): { readonly ask: Ask; readonly close: () => void } {
  const agent = new Agent({ keepAlive: true });
  let ca = "";
  const ask: Ask = async (token, method, path, body, contentType = "application/json") => {
    ca ||= await readFile(caFile, "utf8");
    const payload = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      accept: "application/json",
      "content-type": contentType,
      // Node adds none to a DELETE, whose body would then be read as the beginning of the next request.
      "content-length": Buffer.byteLength(payload),
    };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, server), { method, agent, ca, headers, timeout: 30_000 }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => (text += part));
        response.on("error", reject);
        response.on("end", () => resolve({ code: response.statusCode ?? 0, body: parsed(text) }));
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer to ${method} ${path} within 30 s`)));
      sent.on("error", reject);
      sent.end(payload);
    });
  };
  return { ask, close: () => agent.destroy() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
