/** For a phone's camera: two rows of squares in each line of text, white on black in any terminal that has colours. Loaded when there is one to draw. */
export async function qrCode(text: string, coloured: boolean): Promise<string> {
  const { renderUnicodeCompact } = await import("uqr");
  const rows = renderUnicodeCompact(text, { ecc: "L", border: 2 }).split("\n");
  return rows.map((row) => (coloured ? `\u001B[40;97m${row}\u001B[0m` : row)).join("\n");
}
