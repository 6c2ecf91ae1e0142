import type { World } from "./world.ts";

/** Flags that mean what they mean in kubectl: they are handed on to it. */
export type Flags = {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly cluster?: string;
  readonly user?: string;
  readonly as?: string;
  readonly requestTimeout?: string;
  readonly endpoint?: string;
};

export type Given = {
  readonly namespace: string | undefined;
  readonly context: string | undefined;
  readonly cluster: string | undefined;
  readonly endpoint: string | undefined;
  /** For every run of kubectl; the namespace goes where it belongs. */
  readonly kubectl: readonly string[];
  /** For commands that are offered, in short. */
  readonly repeated: World["given"];
};

export function givenFlags(flags: Flags): Given {
  const { namespace, context, kubeconfig, cluster, user, as, requestTimeout, endpoint } = flags;
  const kubectl = pairs({
    "--context": context,
    "--kubeconfig": kubeconfig,
    "--cluster": cluster,
    "--user": user,
    "--as": as,
    "--request-timeout": requestTimeout,
  });
  const others = [...kubectl, ...pairs({ "--endpoint": endpoint })];
  const repeated = { namespace: pairs({ "-n": namespace }), others };
  return { namespace, context, cluster, endpoint, kubectl, repeated };
}

const pairs = (named: { readonly [flag: string]: string | undefined }): readonly string[] =>
  Object.entries(named).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
