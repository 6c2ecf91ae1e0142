/** One name is one lock: hex(username), by its UTF-8 bytes, and the slot. */
export function authenticatorName(username: string, slot: string): string {
  const bytes = [...new TextEncoder().encode(username)];
  return `${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}.${slot}`;
}
