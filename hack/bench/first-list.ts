import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { lines } from "../../src/kube/lines.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";

/** To be called again when it has happened: when this user first listed bindings from now on, by the audit log. */
export async function firstListOf({ auditLog }: ControlPlane, user: string): Promise<() => Promise<number>> {
  const { size } = await stat(auditLog);
  return async () => {
    for await (const line of lines(createReadStream(auditLog, { start: size }))) {
      const listed = line.includes('"verb":"list"') && line.includes('"resource":"rolebindings"');
      const [, time] = /"requestReceivedTimestamp":"([^"]+)"/.exec(line) ?? [];
      if (listed && line.includes(`"username":"${user}"`) && time !== undefined) return Date.parse(time);
    }
    throw new Error(`${user} listed no bindings`);
  };
}
