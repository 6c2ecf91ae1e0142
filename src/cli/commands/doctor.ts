import { authenticatorName } from "../../domain/authenticator-name.ts";
import { instant, parseInstant } from "../../domain/time.ts";
import { holdersOfAllVerbs } from "../all-verbs.ts";
import { type ExitCode, exitCodes, Interrupted, KubectlFailure, told } from "../errors.ts";
import { stateOf } from "../factor.ts";
import { othersAsked } from "../others.ts";
import { sceneOf } from "../scene.ts";
import { exactly, roughly } from "../words.ts";
import { clusterCommand, endpointOf, inviteCommand, type Scene, type World } from "../world.ts";

type Finding = { readonly good: boolean; readonly says: string };

/** Why it does not work: each thing that an elevation needs, and its cure. */
export async function doctor(world: World): Promise<ExitCode> {
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    const [first = "", ...rest] = finding.says.split("\n");
    world.talk.result(
      [(finding.good ? "ok" : "wrong").padEnd(7) + first, ...rest.map((line) => `       ${line.trim()}`)].join("\n"),
    );
  };
  const askedAt = world.clock();
  const scene = await check(tell, "the API server", async () => sceneOf(world));
  const answeredAt = world.clock();
  if (scene === undefined) return exitCodes.failed;
  tell(good(`you are ${scene.me.username} on ${scene.clusterName}, in namespace ${scene.here.namespace}`));
  await check(tell, "second factor", async () => {
    tell(await factor(world, scene));
  });
  await check(tell, "policies", async () => {
    tell(await policies(world, scene));
  });
  await check(tell, "webhooks of others", async () => {
    tell(await others(world));
  });
  await check(tell, "verbs * on policies", async () => {
    tell(await allVerbs(world));
  });
  // it told its time somewhere between, which on a slow machine are seconds
  const { serverTime } = scene.me;
  tell(clockAgainst("the API server", Math.min(Math.max(serverTime, askedAt), answeredAt), serverTime));
  await check(tell, "endpoint", async () => {
    const endpoint = endpointOf(world, scene.trust);
    const date = await endpoint.reach();
    const now = world.clock();
    const voucher = (scene.trust["ca.crt"] ?? "") === "" ? "this machine trusts" : "kube-elevate-trust vouches for";
    tell(good(`endpoint ${endpoint.url} answers, with a certificate that ${voucher}`));
    if (date !== undefined) tell(clockAgainst("the endpoint", now, instant(Date.parse(date))));
  });
  return findings.every((finding) => finding.good) ? exitCodes.done : exitCodes.failed;
}

const good = (says: string): Finding => ({ good: true, says });
const wrong = (says: string): Finding => ({ good: false, says });

async function check<T>(
  tell: (finding: Finding) => void,
  what: string,
  look: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    tell(wrong(`${what}: ${withCure(what, error)}`));
    return undefined;
  }
}

/** Elsewhere an error sends its reader to this command; here that would be a circle. */
function withCure(what: string, error: unknown): string {
  const text = told(error).text.replace(/^error: /, "");
  if (error instanceof KubectlFailure && error.status === "Forbidden")
    return `${text}\nClusterRole kube-elevate-requester gives this right: ask whoever gives rights on this cluster`;
  const another = what === "endpoint" ? "Another address: --endpoint URL. Or tell" : "Tell";
  return text.replace("See: kubectl elevate doctor", `${another} whoever runs kube-elevate`);
}

async function factor(world: World, { me, clusterName, contact }: Scene): Promise<Finding> {
  const found = await world.cluster.authenticator(authenticatorName(me.username, "totp"));
  const ask = `Ask ${contact} to run: ${inviteCommand(me.username)}`;
  switch (stateOf(found)) {
    case "none":
      return wrong(`you have no second factor on ${clusterName}\n${ask}`);
    case "invited":
      return wrong(
        `you are invited, but have not set up TOTP yet\nWith your ticket: ${clusterCommand(world, "enroll totp")}`,
      );
    case "disabled":
      return wrong(`your TOTP authenticator is disabled\n${ask}, after deleting the old one`);
    case "usable": {
      const lock = parseInstant(found?.status?.totp?.failures.lockedUntilTime) - world.clock();
      if (lock > 0) return wrong(`your TOTP authenticator is locked, for too many wrong codes\nWait ${exactly(lock)}`);
      const used = found?.status?.lastUsedTime;
      return good(
        `you have TOTP${used === undefined ? "" : `, last used ${roughly(world.clock() - parseInstant(used))} ago`}`,
      );
    }
  }
}

async function policies({ cluster }: World, { here, contact }: Scene): Promise<Finding> {
  const all = await cluster.policies();
  const usable = await cluster.usable(
    all.map(({ metadata }) => metadata.name),
    here.namespace,
  );
  if (usable.length === 0)
    return wrong(
      `there is nothing that you may ask for in namespace ${here.namespace}\nAnother one: -n NAMESPACE. Or ask ${contact}`,
    );
  return good(`in namespace ${here.namespace} you may ask for ${usable.join(", ")}`);
}

async function others({ cluster }: World): Promise<Finding> {
  const asked = await othersAsked(cluster);
  if (asked === undefined)
    return good(
      "whether others can keep a binding from going, only those can look up who may list webhook configurations",
    );
  if (asked.length === 0) return good("nobody else is asked before a binding goes");
  return wrong(
    `others are asked before a binding goes: while one refuses, or does not answer, no access ends\n${asked.join("\n")}\nLet each leave ours out, in its matchConditions: !request.name.startsWith('elevate:')`,
  );
}

async function allVerbs({ cluster }: World): Promise<Finding> {
  const holders = await holdersOfAllVerbs(cluster);
  if (holders === undefined)
    return good(
      "who may use and revoke each policy, by verbs *, only those can look up who may list roles and bindings",
    );
  const says = holders.map((holder) => holder.says);
  if (holders.every(({ everything }) => everything))
    return good(["only who may do everything may use and revoke each policy", ...says].join("\n"));
  return wrong(
    `verbs * on policies are also use and revoke: these hold them\n${says.join("\n")}\nTo write policies ClusterRole kube-elevate-policy-admin is enough`,
  );
}

const offMsMax = 6_000; // more than 5 s off nothing is granted; their times are cut to the second

function clockAgainst(whose: string, ours: number, theirs: number): Finding {
  const off = ours - theirs;
  if (theirs === 0) return good(`the clock of ${whose} cannot be seen from here`);
  if (Math.abs(off) <= offMsMax) return good(`the clock of this machine agrees with that of ${whose}`);
  return wrong(
    `the clock of this machine is ${exactly(Math.abs(off))} ${off > 0 ? "ahead of" : "behind"} that of ${whose}\nSet it by NTP: timedatectl set-ntp true. Codes from this machine fail until then`,
  );
}
