import { createHash } from "node:crypto";
import type { AgentOptions, RequestOptions } from "node:https";
import { type ConnectionOptions, createSecureContext } from "node:tls";
import { KubeConfig, type RequestContext } from "@kubernetes/client-node";
import { Agent, type Dispatcher, ProxyAgent } from "undici";

type DispatcherOptions = ReturnType<KubeConfig["createDispatcherOptions"]>;
export type Way = {
  readonly server: string;
  readonly headers: { readonly [name: string]: string };
  readonly answers: Dispatcher;
  readonly streams: Dispatcher;
};

/**
 * The kubeconfig of client-node with the one thing changed that it gets wrong: it makes a new agent, and so a new TLS
 * connection, for each call. Here all calls share one, until the CA, certificate or key that it was made of change.
 * Watches have a second one beside it, without a bound: they are open for minutes, and no ending may wait for one.
 */
export class SharedAgentConfig extends KubeConfig {
  #shared: { readonly madeOf: string; readonly answers: Dispatcher; readonly streams: Dispatcher } | undefined;

  #read: { readonly way: Way; readonly untilMs: number } | undefined;

  /** Says how to reach the API server with token, CA, certificate and key, which rotate, and are read anew each second. */
  async way(): Promise<Way> {
    if (this.#read === undefined || performance.now() > this.#read.untilMs)
      this.#read = { way: await this.#readWay(), untilMs: performance.now() + readEveryMs };
    return this.#read.way;
  }

  /** For who was refused: what is on disk counts at once. */
  readAnew(): void {
    this.#read = undefined;
  }

  /** Throws where the API server's certificate would be taken unseen. Asked whenever a way is made: what is read anew counts. */
  refuseUnchecked(): void {
    const { skipTLSVerify = false, server = "" } = this.getCurrentCluster() ?? {};
    if (skipTLSVerify && new URL(server).protocol !== "http:") throw new Error(unchecked);
  }

  async #readWay(): Promise<Way> {
    this.refuseUnchecked();
    const options: RequestOptions = {};
    await this.applyToHTTPSOptions(options);
    const { answers, streams } = this.#agentsFor(options);
    const server = this.getCurrentCluster()?.server ?? "";
    return { server: server.replace(/\/+$/, ""), headers: headersOf(options), answers, streams };
  }

  /** What client-node's own API classes call, should one ever be used. */
  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    const { headers, answers } = await this.way();
    for (const [name, value] of Object.entries(headers)) context.setHeaderParam(name, value);
    context.setDispatcher(answers);
    if (context.getSignal() === undefined) context.setSignal(AbortSignal.timeout(15_000));
  }

  async close(): Promise<void> {
    const shared = this.#shared;
    this.#shared = undefined;
    this.#read = undefined;
    await Promise.all([shared?.answers.destroy(), shared?.streams.destroy()]);
  }

  #agentsFor(options: RequestOptions): { readonly answers: Dispatcher; readonly streams: Dispatcher } {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of both, ca, cert, key, servername and the like are read
    const made = this.createDispatcherOptions(this.getCurrentCluster(), options as AgentOptions);
    if (made.type === "socks") throw new Error("a SOCKS proxy in the kubeconfig is not supported");
    const madeOf = fingerprint(made);
    if (this.#shared?.madeOf === madeOf) return this.#shared;
    const secureContext = made.type === "agent" ? createSecureContext(made.connect) : undefined; // else one a connection
    const agent = (connections: number | null): Dispatcher => {
      const limits = { ...common, connections };
      if (made.type === "proxy")
        return new ProxyAgent({ ...limits, uri: made.uri, requestTls: tlsOf(made.requestTls) });
      return new Agent({ ...limits, connect: made.type === "agent" ? { ...tlsOf(made.connect), secureContext } : {} });
    };
    const before = this.#shared;
    this.#shared = { madeOf, answers: agent(connectionsMax), streams: agent(null) };
    // what runs there may end; nothing new begins
    void before?.answers.close();
    void before?.streams.close();
    return this.#shared;
  }
}

const unchecked =
  "insecure-skip-tls-verify is refused: the API server's certificate is always checked. Name the authority that signs it in the kubeconfig (certificate-authority)";
const readEveryMs = 1_000; // reading them for each call takes as long as the call

/** More than the controller has passes at once: where a webhook hangs, each holds one, and an ending still finds its own. */
const connectionsMax = 32;

// HTTP/1.1 is as fast here and simpler to reason about. The 5 s tick must find its connection again, and a load
// balancer must not have dropped it silently by then.
const common = { allowH2: false, keepAliveTimeout: 30_000, keepAliveMaxTimeout: 30_000, connectTimeout: 10_000 };

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same options, where undefined may be said of none
const tlsOf = (options: ConnectionOptions) => options as NonNullable<ProxyAgent.Options["requestTls"]>;

function fingerprint(made: DispatcherOptions): string {
  const tls: { readonly [name: string]: unknown } = {
    ...(made.type === "agent" ? made.connect : made.type === "none" ? {} : made.requestTls),
  };
  const parts = Object.entries(tls).map(([name, value]) => [name, Buffer.isBuffer(value) ? value.toString() : value]);
  return createHash("sha256")
    .update(JSON.stringify([made.type, parts]))
    .digest("hex");
}

function headersOf({ headers = {}, auth }: RequestOptions): Way["headers"] {
  const told = Object.entries(headers).map(([name, value]) => [name, String(value).trim()] as const);
  const basic = auth == null ? [] : [["Authorization", `Basic ${Buffer.from(auth).toString("base64")}`] as const];
  return Object.fromEntries([...basic, ...told]);
}
