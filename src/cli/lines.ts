/** Reads a stream line by line, and no sooner than it is asked: what nobody asks for stays unread. */
export function lineReader(stream: AsyncIterable<unknown>): () => Promise<string | undefined> {
  let rest = "";
  let chunks: AsyncIterator<unknown, unknown> | undefined;
  return async () => {
    for (;;) {
      const end = rest.indexOf("\n");
      if (end >= 0) {
        const line = rest.slice(0, end).replace(/\r$/, "");
        rest = rest.slice(end + 1);
        return line;
      }
      chunks ??= stream[Symbol.asyncIterator]();
      const { done = false, value }: IteratorResult<unknown, unknown> = await chunks.next();
      if (done) {
        const last = rest;
        rest = "";
        return last === "" ? undefined : last;
      }
      rest += Buffer.isBuffer(value) ? value.toString("utf8") : String(value);
    }
  };
}
