import { request } from "node:https";
import { failure, type Failure as Status } from "../api/v1alpha1/wire.ts";
import { Failure, Interrupted } from "./errors.ts";

// The verifier's endpoint, over HTTPS alone. The trust ConfigMap says by which certificate it is known; nothing is sent
// before the handshake with that one is done, redirects are not followed, and no setting of Node's turns this off.

export type Answer =
  | { readonly ok: true; readonly body: unknown; readonly date: string | undefined }
  | { readonly ok: false; readonly status: Status; readonly date: string | undefined };

export type Endpoint = {
  readonly url: string;
  /** What it holds against us is an answer; that nobody answers is a Failure. */
  post(path: string, body: object): Promise<Answer>;
  /** A file of the page where keys are used, with the headers that it needs. */
  file(path: string): Promise<File>;
  /** Whether somebody answers there, and its `Date`. */
  reach(): Promise<string | undefined>;
};

export type File = { readonly body: string; readonly headers: { readonly [name: string]: string } };
export type Place = { readonly url: string; readonly ca: string | undefined };

const waitMs = 30_000; // it answers within 20 s, waiting included

export function endpointAt({ url, ca }: Place, signal: AbortSignal): Endpoint {
  const base = URL.parse(url);
  if (base?.protocol !== "https:" || base.username !== "" || base.password !== "" || base.search !== "")
    throw new Failure(`the endpoint ${url} is no https address`);
  const send = async (method: "GET" | "POST", path: string, body?: string): Promise<Response> => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const sent = request(
      `${url.replace(/\/+$/, "")}${path}`,
      {
        method,
        agent: false,
        ...(ca === undefined ? {} : { ca }),
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        signal: AbortSignal.any([signal, AbortSignal.timeout(waitMs)]),
        headers:
          body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({
            code: response.statusCode ?? 0,
            date: response.headers.date,
            headers: response.headersDistinct,
            text: Buffer.concat(chunks).toString("utf8"),
          });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
    try {
      return await promise;
    } catch (cause) {
      if (signal.aborted) throw new Interrupted();
      throw unreachable(url, cause, ca !== undefined);
    }
  };
  return {
    url,
    post: async (path, body) => answered(url, await send("POST", path, JSON.stringify(body))),
    file: async (path) => fileOf(url, await send("GET", path)),
    reach: async () => (await send("GET", "/")).date,
  };
}

type Response = {
  readonly code: number;
  readonly date: string | undefined;
  readonly headers: NodeJS.Dict<string[]>;
  readonly text: string;
};

const pageHeaders = ["content-type", "content-security-policy", "permissions-policy", "referrer-policy"];

function fileOf(url: string, { code, headers, text }: Response): File {
  if (code !== 200) throw new Failure(`${url} serves no page where keys are used. See: kubectl elevate doctor`);
  const kept = pageHeaders.map((name): [string, string] => [name, headers[name]?.[0] ?? ""]);
  return { body: text, headers: Object.fromEntries(kept) };
}

function answered(url: string, { code, date, text }: Response): Answer {
  const body = parsed(text);
  if (code >= 200 && code < 300 && body !== undefined) return { ok: true, body, date };
  const status = failure.safeParse(body);
  if (status.success) return { ok: false, status: status.data, date };
  throw new Failure(
    `${url} answers ${String(code)}, not as a verifier of kube-elevate does. See: kubectl elevate doctor`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** OpenSSL's codes for a certificate that is another's, expired, or for another name. */
const certificateCodes = /CERT|SIGNED|ISSUER|VERIFY|CRL/;

function unreachable(url: string, cause: unknown, pinned: boolean): Failure {
  const name = cause instanceof Error ? cause.name : "";
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (certificateCodes.test(code)) {
    const voucher = pinned ? "the ConfigMap kube-elevate-trust vouches for" : "this machine trusts";
    const [wrong = ""] = message.split(";"); // Node goes on with advice about Node
    return new Failure(
      `the certificate of ${url} is none that ${voucher} (${wrong}).\n  Nothing was sent. See: kubectl elevate doctor`,
    );
  }
  const why = name === "TimeoutError" || name === "AbortError" ? `no answer in ${String(waitMs / 1000)}s` : message;
  return new Failure(`${url} cannot be reached (${why}).\n  See: kubectl elevate doctor`);
}
