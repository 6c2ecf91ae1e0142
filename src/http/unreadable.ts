import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { statusOf } from "./refusal.ts";

/**
 * What is no HTTP, or not whole in its time, never becomes a request: it is told so as any other, and its connection is
 * closed. Node's own words for what is wrong are not passed on.
 */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  const { code: word = "" } = error;
  const isTold = word.startsWith("HPE_") || word === "ERR_HTTP_REQUEST_TIMEOUT";
  if (!isTold || !socket.writable) {
    socket.destroy(); // not even TLS, or gone
    return;
  }
  const [code, told] = wrong[word] ?? [400, { reason: "BadRequest", message: "this is no HTTP request" }];
  const body = JSON.stringify(statusOf(code, told));
  const head = [
    `HTTP/1.1 ${String(code)} ${STATUS_CODES[code] ?? ""}`,
    "Connection: close",
    "Cache-Control: no-store",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${String(Buffer.byteLength(body))}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

// Kubernetes has no words for these two.
const wrong: { readonly [code: string]: readonly [number, { readonly message: string }] } = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, { message: "the request did not arrive whole in its time" }],
  HPE_HEADER_OVERFLOW: [431, { message: "the path or the headers are too long" }],
};
