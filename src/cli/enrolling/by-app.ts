import type { RegisterBody } from "../../api/v1alpha1/wire.ts";
import type { Enrolling } from "../commands/enroll.ts";
import { denied, Failure } from "../errors.ts";
import { qrCode } from "../qr.ts";
import { clusterCommand, type Scene, type World } from "../world.ts";
import type { Opened } from "./opened.ts";
import { refusedEnrollment } from "./refused.ts";

type ByApp = Enrolling & { readonly existing: () => Promise<RegisterBody["existing"]> };

const triesMax = 3;

/** Shows the seed once, then takes a code that proves the app has it. */
export async function enrollByApp(world: World, scene: Scene, one: Opened, given: ByApp): Promise<void> {
  const { talk } = world;
  const { offered, existing, register } = given;
  const { totp } = offered;
  if (totp === undefined) throw new Failure("the endpoint shows no secret for an app. See: kubectl elevate doctor");
  talk.say(`Setting up TOTP for ${scene.me.username} on ${scene.clusterName}.`);
  if (totp.shownBefore === true) talk.say(shownBefore(one));
  talk.say("Scan this with an authenticator app on your phone:");
  talk.picture(await qrCode(totp.uri, talk.coloured));
  talk.say(`or type this secret into it:  ${totp.secret}`);
  talk.say(`or open this address there:   ${totp.uri}`);
  talk.say("It is not shown again once a code of it is confirmed. Keep it nowhere else.");
  const confirmation = await existing();
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const typed = await talk.secret("Code from your authenticator app:");
    if (typed === undefined) break;
    const code = typed.replaceAll(/\s/g, "");
    if (!/^[0-9]{6}$/.test(code)) {
      talk.say("A code has six digits.");
      continue;
    }
    const proof = confirmation === undefined ? {} : { existing: confirmation };
    const answer = await register({ totp: { code }, ...proof });
    if (answer.ok) return;
    if (answer.status.reason !== "ProofRejected") throw refusedEnrollment(scene, answer.status);
    talk.say("That code is not right. Wait for the next one, and try that");
  }
  throw denied(
    "ProofRejected",
    `no right code was given. Is the clock of your phone right?\n  With the same ticket: ${clusterCommand(world, "enroll totp")}`,
  );
}

/** Said before the picture: what was scanned once is in the app, and nobody reads on. */
function shownBefore({ invitedBy }: Opened): string {
  const anew = invitedBy === undefined ? "begin anew" : `have ${invitedBy} invite you anew`;
  return [
    "warning: this secret was shown before. If that was not you, stop here (Ctrl-C) and",
    `  ${anew}: whoever saw it can make your codes, for good.`,
  ].join("\n");
}
