import { afterAll, beforeAll } from "vitest";
import type { ControlPlane } from "../../../hack/controlplane/control-plane.ts";
import { type Contents, startPreparedControlPlane } from "../../../hack/controlplane/prepared.ts";
import { startTemporaryControlPlane } from "../../../hack/controlplane/temporary.ts";
import type { User } from "../../../hack/controlplane/users.ts";
import { checkInvariants, type InvariantOptions } from "./invariants.ts";

export { eventually } from "../../../hack/controlplane/eventually.ts";

export interface Cluster {
  /** There once the tests of the file run. */
  readonly plane: ControlPlane;
  /** Runs kubectl as this user and returns what it prints; rejects when it fails. */
  readonly kubectl: (user: string, ...args: readonly string[]) => Promise<string>;
  /** Runs kubectl as this user and returns what it complains of; rejects when it succeeds. */
  readonly refused: (user: string, ...args: readonly string[]) => Promise<string>;
  /** Applies these objects as this user. */
  readonly apply: (user: string, ...objects: readonly object[]) => Promise<string>;
  /** Whether the API server lets this user do this now, by asking it as this user. */
  readonly can: (user: string, question: Attributes) => Promise<boolean>;
}

/** What a SelfSubjectAccessReview asks about. */
interface Attributes {
  readonly verb: string;
  readonly resource: string;
  readonly group?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

interface Options {
  /** People besides admin, alice, bob, sre, ivy and pat. */
  readonly users?: readonly User[];
  /** config/default is applied and in force; with "samples" config/samples too. By default "default". */
  readonly installed?: "nothing" | Contents;
  /** After the tests of the file the history of this control plane is checked against these, but for what it excepts. */
  readonly invariants?: InvariantOptions;
}

/** Gives a test file one control plane, started before its tests and gone after them. Call it once, at the top of the file. */
export function useControlPlane({ users = [], installed = "default", invariants }: Options = {}): Cluster {
  let started: ControlPlane | undefined;
  const plane = (): ControlPlane => {
    if (started === undefined) throw new Error("the control plane is not there before the tests run");
    return started;
  };
  beforeAll(async () => {
    const options = { users, log: (line: string) => process.stderr.write(`${line}\n`) };
    started = await (installed === "nothing"
      ? startTemporaryControlPlane(options)
      : startPreparedControlPlane(installed, options));
  }, 600_000);
  afterAll(async () => {
    const wrong = started === undefined || invariants === undefined ? [] : await checkInvariants(started, invariants);
    await started?.stop();
    if (wrong.length > 0) throw new Error(`the history does not hold:\n${wrong.join("\n")}`);
  });
  return {
    get plane() {
      return plane();
    },
    kubectl: async (user, ...args) => (await plane().run(user, args)).stdout,
    refused: async (user, ...args) => {
      const { code, stdout, stderr } = await plane().run(user, args, { check: false });
      if (code === 0) throw new Error(`kubectl ${args.join(" ")} as ${user} was not refused: ${stdout}`);
      return stderr;
    },
    apply: async (user, ...items) => {
      // One by itself: of what is in a List kubectl asks for what admission would fill in.
      const input = JSON.stringify(items.length === 1 ? items[0] : { apiVersion: "v1", kind: "List", items });
      return (await plane().run(user, ["apply", "-f", "-"], { input })).stdout;
    },
    can: (user, question) => isAllowed(plane(), user, question),
  };
}

async function isAllowed({ ask }: ControlPlane, user: string, resourceAttributes: Attributes): Promise<boolean> {
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes },
  };
  const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  const { code, body } = await ask(user, "POST", path, review);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API server's own answer, looked at field by field
  const { status } = body as { status?: { allowed?: unknown } };
  if (code !== 201 || typeof status?.allowed !== "boolean") throw new Error(`no answer to a review: ${code}`);
  return status.allowed;
}
