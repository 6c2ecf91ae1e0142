import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { own } from "./layout.ts";

const claimName = "cluster.pid";

/**
 * Makes `dir` ours until the returned function is called. What an earlier cluster left there is no obstacle; refuses while
 * another one runs there, and where somebody else's files bear the names that a control plane takes.
 */
export async function claim(dir: string): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, claimName);
  const there = await readdir(dir);
  const foreign = there.filter((name) => own.has(name));
  if (there.includes(claimName)) {
    const pid = Number(await readFile(path, "utf8"));
    if (pid > 0 && runs(pid)) throw new Error(`a cluster runs in ${dir} already (process ${pid}): name another folder`);
    await rm(path, { force: true });
  } else if (foreign.length > 0) {
    throw new Error(`${dir} holds ${foreign.join(", ")}, which no cluster made: name another folder`);
  }
  await writeFile(path, `${process.pid}\n`, { flag: "wx" }).catch((error: unknown) => {
    throw new Error(`another cluster starts in ${dir} at this moment: name another folder`, { cause: error });
  });
  // An empty file says that the folder is a cluster's, and free.
  return () => writeFile(path, "");
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
