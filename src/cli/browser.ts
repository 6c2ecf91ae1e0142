import type { Browser } from "./world.ts";

/** The browser of this machine, by what this environment says; undefined over SSH and without a display. */
export function browserOf(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): Browser | undefined {
  const isRemote = isSet(env["SSH_CONNECTION"]) || isSet(env["SSH_TTY"]);
  const hasDisplay =
    platform === "darwin" || platform === "win32" || isSet(env["DISPLAY"]) || isSet(env["WAYLAND_DISPLAY"]);
  return isRemote || !hasDisplay ? undefined : { open };
}

const isSet = (text: string | undefined): boolean => text !== undefined && text !== "";

/** The library is loaded only when a key is asked for. That no window opened may be seen by the person alone. */
async function open(address: string): Promise<boolean> {
  const { default: start } = await import("open");
  try {
    const child = await start(address);
    child.once("error", () => undefined);
    return true;
  } catch {
    return false;
  }
}
