/** For a phone's camera: two rows of squares in each line of text. Loaded when there is one to draw. */
export async function qrCode(text: string): Promise<string> {
  const { renderUnicodeCompact } = await import("uqr");
  return renderUnicodeCompact(text, { ecc: "L", border: 2 });
}
