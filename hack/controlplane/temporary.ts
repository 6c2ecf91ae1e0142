import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlPlane } from "./control-plane.ts";
import { type Options, startControlPlane } from "./start.ts";

/**
 * A control plane in a folder that goes when it stops, and also when we are killed. With KUBE_ELEVATE_KEEP set the folder
 * stays, for reading logs, and is named on stderr.
 */
export async function startTemporaryControlPlane(options: Omit<Options, "dir"> = {}): Promise<ControlPlane> {
  const dir = await mkdtemp(join(tmpdir(), "kube-elevate-"));
  const remove = (process.env["KUBE_ELEVATE_KEEP"] ?? "") === "" ? removal(dir) : naming(dir);
  try {
    const plane = await startControlPlane({ ...options, dir });
    const stop = async (): Promise<void> => {
      await plane.stop();
      await remove();
    };
    return { ...plane, stop };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A shell outlives us for a second: it reads a pipe that ends with us, by which time nothing writes to the folder any more. */
function removal(dir: string): () => Promise<void> {
  const script = 'read -r nothing; sleep 1; rm -rf -- "$0"';
  const shell = spawn("/bin/sh", ["-c", script, dir], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  return async () => {
    shell.kill("SIGKILL");
    await rm(dir, { recursive: true, force: true });
  };
}

function naming(dir: string): () => Promise<void> {
  return async () => console.error(`kept: ${dir}`);
}
