import type { Ceremony, Outcome } from "../../api/v1alpha1/ceremony.ts";
import type { Instant } from "../../domain/time.ts";
import type { Endpoint } from "../endpoint.ts";
import { denied, exitCodes, Failure } from "../errors.ts";
import { exactly } from "../words.ts";
import type { World } from "../world.ts";
import { addressOf, outcomeOf } from "./address.ts";
import { servePage } from "./local-page.ts";

/** One of a union without what is the plugin's own to fill in. */
type Asked<T> = T extends Ceremony ? Omit<T, "state" | "port"> : never;

type How = {
  readonly pageURL: string;
  /** What the page shows, for a person to compare: the name of the request or authenticator. */
  readonly shows: string;
  readonly until: Instant;
  readonly endpoint: Endpoint;
  /** The answer is pasted, though there may be a browser here. */
  readonly paste: boolean;
};

/** Sends a person with this to the page where her key is, and returns with what the key said. */
export async function askKey(world: World, asked: Asked<Ceremony>, how: How): Promise<Outcome> {
  const state = Buffer.from(world.randomBytes(16)).toString("base64url");
  const { browser } = world;
  if (how.paste || browser === undefined) return pasted(world, { ...asked, state }, how);
  const listener = await world.listen(state, Math.max(0, how.until - world.clock()));
  let page: { close(): void } | undefined;
  try {
    page = await localPage(how);
    const address = addressOf(how.pageURL, { ...asked, state, port: listener.port });
    const opened = await browser.open(address);
    const { origin } = new URL(how.pageURL);
    world.talk.say(`Opening ${origin} in your browser: use your security key or passkey there.`);
    world.talk.say(
      opened ? "Where no window opens, open this address:" : "No window could be opened. Open this address:",
    );
    world.talk.address(address);
    world.talk.say(`Waiting, ${exactly(how.until - world.clock())} left. Ctrl-C gives up; then ask again`);
    const outcome = await listener.outcome;
    if (outcome === undefined) throw tooLate(asked.kind, how);
    return outcome;
  } finally {
    listener.close();
    page?.close();
  }
}

const triesMax = 3;

async function pasted(world: World, ceremony: Ceremony, { pageURL, shows }: How): Promise<Outcome> {
  if (isLocal(pageURL))
    throw new Failure(
      `the page of this cluster is ${pageURL}, for development: use it where your browser is, without --paste`,
    );
  const { talk, browser } = world;
  talk.say(
    browser === undefined
      ? "No browser on this machine. Open this address where your key is (copied to your clipboard as well,"
      : "Open this address where your key is (copied to your clipboard as well,",
  );
  talk.say(`if your terminal allows it); check that the page shows ${shows}:`);
  talk.address(addressOf(pageURL, ceremony));
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const typed = await talk.pasted("Paste here what the page answers:");
    if (typed === undefined) break;
    const outcome = outcomeOf(typed, ceremony.state);
    if (outcome !== undefined) return outcome;
    if (tries < triesMax) talk.say("That is not what the page answers to this. Copy it whole, and paste it again");
  }
  throw denied("ProofRejected", "nothing was pasted that the page answers");
}

const tooLate = (kind: Ceremony["kind"], { shows }: How): Failure =>
  kind === "assert"
    ? new Failure(`no key answered in time, ${shows} waits no longer`, {
        reason: "DeadlinePassed",
        exitCode: exitCodes.ended,
      })
    : new Failure(
        "no key answered in time: nothing is set up yet. Close the page, and begin again (a ticket is still good)",
      );

/** Served by ourselves, for development; all others are https. */
const isLocal = (pageURL: string): boolean => new URL(pageURL).protocol === "http:";

async function localPage({ pageURL, endpoint }: How): Promise<{ close(): void } | undefined> {
  return isLocal(pageURL) ? servePage(endpoint, Number(new URL(pageURL).port)) : undefined;
}
