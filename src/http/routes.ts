import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from "express";
import {
  type ChallengeAnswer,
  type ChallengeBody,
  challengeBody,
  type EnrollmentAnswer,
  type RegisterAnswer,
  type RegisterBody,
  registerBody,
  type VerifyAnswer,
  type VerifyBody,
  verifyBody,
} from "../api/v1alpha1/wire.ts";
import type { Instant } from "../domain/time.ts";
import type { RequestName } from "../flows/challenge.ts";
import type { Refusal } from "../flows/spend.ts";
import { type BodySchema, jsonReader, readBody, typeMistake } from "./body.ts";
import type { Connections } from "./connections.ts";
import { createRings, type Limits, type Rings } from "./limits.ts";
import { type Page, pageRoutes } from "./page.ts";
import { refuse, refuseVerb, toldOf } from "./refusal.ts";

/** The use cases behind the four paths, bound to their ports. What they refuse is told; what they throw is not. */
export type EndpointFlows = {
  challenge(about: RequestName, body: ChallengeBody): Promise<ChallengeAnswer | Refusal>;
  prove(about: RequestName, body: VerifyBody): Promise<VerifyAnswer | Refusal>;
  enrollmentOptions(name: string, body: ChallengeBody): Promise<EnrollmentAnswer | Refusal>;
  register(name: string, body: RegisterBody): Promise<RegisterAnswer | Refusal>;
};

/** As pino has it. */
type EndpointLog = {
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

export type RouteOptions = {
  readonly flows: EndpointFlows;
  readonly clock: () => Instant;
  readonly log: EndpointLog;
  readonly newId: () => string;
  /** Whether an error says that the API server could not be reached: then the caller tries again. */
  readonly unreachable: (error: unknown) => boolean;
  readonly limits: Limits;
  readonly page: Page;
};

// Regular expressions over the path as it came, not decoded: what is escaped, doubled or dotted matches nothing.
const dnsLabel = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?";
const namespace = `(?=[^/]{1,63}/)(?<namespace>${dnsLabel})`;
const name = `(?=[^/]{1,63}/)(?<name>${dnsLabel}(?:\\.${dnsLabel})*)`;
const authenticator = "(?<name>(?:[0-9a-f]{2}){1,110}\\.(?:totp|key-[1-9]))";
const requestPath = (action: string): RegExp =>
  new RegExp(`^/v1alpha1/namespaces/${namespace}/elevationrequests/${name}/${action}$`);
const authenticatorPath = (action: string): RegExp =>
  new RegExp(`^/v1alpha1/authenticators/${authenticator}/${action}$`);

/** The paths of the endpoint, each with its limits; everything that is refused is refused with a Status. */
export function createRoutes(
  options: RouteOptions,
  connections: Connections,
): { readonly router: Router; readonly rings: Rings } {
  const { flows, limits } = options;
  const rings = createRings(limits, connections, objectOf);
  const router = Router({ caseSensitive: true, strict: true });
  const guards: readonly RequestHandler[] = [typed, jsonReader(limits.bodyBytes), rings.perCodeVerifier];
  const route = <B>(path: RegExp, schema: BodySchema<B>, status: number, flow: Flow<B>): void => {
    router.post(path, ...guards, handler(options, rings, schema, status, flow));
    router.all(path, (_request, response) => refuseVerb(response, "POST"));
  };

  router.use(...rings.outer, oneHost, pageRoutes(options.page));
  route(requestPath("challenge"), challengeBody, 200, (request, body) => flows.challenge(requestOf(request), body));
  route(requestPath("verify"), verifyBody, 200, (request, body) => flows.prove(requestOf(request), body));
  route(authenticatorPath("challenge"), challengeBody, 200, (request, body) =>
    flows.enrollmentOptions(param(request, "name"), body),
  );
  route(authenticatorPath("register"), registerBody, 201, (request, body) =>
    flows.register(param(request, "name"), body),
  );
  router.use((_request, response) => refuse(response, { reason: "NotFound", message: "nothing is at this path" }));
  router.use(failureHandler(options));
  return { router, rings };
}

type Flow<B> = (request: Request, body: B) => Promise<object | Refusal>;

const typed: RequestHandler = (request, response, next) => {
  const mistake = typeMistake(request);
  if (mistake === undefined) next();
  else refuse(response, mistake);
};

/** Nothing here looks at the host. Who names two, or none, may be understood by a proxy before us in another way. */
const oneHost: RequestHandler = (request, response, next) => {
  if (request.headersDistinct["host"]?.length === 1) next();
  else refuse(response, { reason: "BadRequest", message: "a request names one host" });
};

function handler<B>(
  { clock, limits: { strangerMs } }: RouteOptions,
  { inFlight }: Rings,
  schema: BodySchema<B>,
  status: number,
  flow: Flow<B>,
): RequestHandler {
  return async (request: Request, response: Response): Promise<void> => {
    const body = readBody(schema, request.body);
    if ("reason" in body) {
      refuse(response, body);
      return;
    }
    await inFlight(request, response, async () => {
      const begunMs = performance.now();
      const answer = await flow(request, body.value);
      if (isRefusal(answer) && answer.reason === "CallerUnknown")
        await sleep(strangerMs - ((performance.now() - begunMs) % strangerMs));
      if (isRefusal(answer)) refuse(response, toldOf(answer, clock()));
      else response.status(status).json(answer);
    });
  };
}

/** An answer may hold a reason, that of the request's end; a sentence stands in refusals alone. */
function isRefusal(answer: object | Refusal): answer is Refusal {
  return "reason" in answer && "message" in answer;
}

/** The one place of the endpoint that catches. Nobody outside is told what an unexpected error says. */
function failureHandler({ log, newId, unreachable }: RouteOptions): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const id = newId();
    log.error({ err: error, id, verb: request.method, path: request.path }, "a request could not be answered");
    if (unreachable(error)) {
      const message = "the API server cannot be reached from here: try again in a moment";
      refuse(response, { reason: "ServiceUnavailable", message, retryAfterSeconds: 2 });
    } else
      refuse(response, { reason: "InternalError", message: `an error on our side: its number in the log is ${id}` });
  };
}

const param = (request: Request, key: string): string => {
  const value = request.params[key];
  return typeof value === "string" ? value : "";
};
const objectOf = (request: Request): string => `${param(request, "namespace")}/${param(request, "name")}`;
const requestOf = (request: Request): RequestName => ({
  namespace: param(request, "namespace"),
  name: param(request, "name"),
});
