import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A desktop without a browser: what the plugin wants opened is written down. xdg-open runs what $BROWSER says. */
export async function opener(
  dir: string,
): Promise<{ readonly env: Readonly<Record<string, string>>; readonly opened: () => Promise<readonly string[]> }> {
  const folder = join(dir, "desktop");
  await mkdir(folder, { recursive: true });
  const [path, file] = [join(folder, "browser"), join(folder, "opened")];
  await writeFile(path, `#!/bin/sh\nprintf '%s\\n' "$1" >> '${file}'\n`, { mode: 0o755 });
  await writeFile(file, "");
  const none = { XDG_DATA_DIRS: folder, XDG_CONFIG_DIRS: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  return {
    env: { DISPLAY: ":99", BROWSER: path, ...none },
    opened: async () => (await readFile(file, "utf8")).split("\n").filter(Boolean),
  };
}
