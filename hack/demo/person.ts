import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import type { ControlPlane } from "../controlplane/control-plane.ts";

export type Answer = { readonly code: number; readonly stdout: string; readonly stderr: string };
/** Reads what the command says on stderr so far, and returns the next line to type, or undefined to go on listening. */
export type Typing = (said: string) => string | undefined | Promise<string | undefined>;

/** Somebody at a terminal: types a command, and sees what it prints. */
export type Person = (command: string, typing?: Typing, firstLine?: string) => Promise<Answer>;

/** `print` shows the command as it is typed, then all that comes back. */
export function person(plane: ControlPlane, user: string, print: (text: string) => void): Person {
  return async (command, typing, firstLine) => {
    print(`\n${user}$ ${command}\n`);
    const child = spawn("bash", ["-c", command], { env: { ...plane.envOf(user), TZ: "UTC" } });
    let said = "";
    let typed = 0;
    let listening = Promise.resolve();
    const listen = async (): Promise<void> => {
      const heard = said.length;
      const line = await typing?.(said.slice(typed, heard));
      if (line === undefined) return;
      typed = heard;
      child.stdin.write(`${line}\n`);
    };
    child.stdout.on("data", (chunk: Buffer) => print(chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => {
      print(chunk.toString());
      said += chunk.toString();
      listening = listening.then(listen);
    });
    child.stdin.on("error", () => undefined); // a command may end without reading what is typed
    if (firstLine !== undefined) child.stdin.write(`${firstLine}\n`);
    if (typing === undefined) child.stdin.end();
    const exited = new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        resolve(code ?? 128);
      });
    });
    const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
    await listening;
    return { code, stdout, stderr };
  };
}
