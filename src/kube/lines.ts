/**
 * The lines of a stream, each once it is whole; what comes after the last line break is dropped with the stream. By
 * hand, since readline lets an error of the stream out again as an event that nobody handles.
 */
export async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder(); // a character may lie in two chunks
  let rest = "";
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > lengthMax) throw new Error("a line has no end");
    yield* parts.filter((line) => line !== "");
  }
}

const lengthMax = 8 * 1024 * 1024; // an object has at most 1.5 MiB
