import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../hack/controlplane/free-port.ts";
import { endpointCAFile, startController, startVerifier, type Verifier } from "../../hack/controlplane/processes.ts";
import { elevationRequest } from "../../src/api/v1alpha1/elevation-request.ts";
import { eventually, useControlPlane } from "../cluster/support/control-plane.ts";
import { codeAt, stepNow } from "../cluster/support/endpoint.ts";
import { type Ended, pluginOf, type Run } from "../cluster/support/plugin.ts";
import { alteredAddress, optionsIn } from "./support/altered.ts";
import { isMissing, type Tab, useChromium } from "./support/chromium.ts";
import { opener } from "./support/opener.ts";
import { serve } from "./support/page-server.ts";

// The key as a person uses it, from end to end: the real plugin, kubectl, API server, verifier and controller, and
// Chromium with a key of its own. The page is the verifier's, at a name whose certificate Chromium is told to take; in the
// last test it is the plugin's, at localhost.

const domain = "elevate.example.test";
const rpId = "example.test";
const people = ["ada", "ben", "cem", "dee"];
const policy = {
  apiVersion: "kube-elevate.dev/v1alpha1",
  kind: "ElevationPolicy",
  metadata: { name: "shop-debug" },
  spec: {
    roleRef: { kind: "ClusterRole", name: "pod-debugger" },
    namespaceSelector: { matchLabels: { env: "prod" } },
    duration: { default: "30m", max: "1h" },
    authentication: { methods: ["WebAuthn", "TOTP"] },
  },
};
const ask = ["request", "shop-debug", "-n", "shop", "-j", "INC-4312 checkout pods crash-looping"];

describe.skipIf(isMissing)("a key, used with Chromium", () => {
  const cluster = useControlPlane({
    installed: "samples",
    users: people.map((name) => ({ name, groups: ["devs"] })),
    invariants: {},
  });
  const elevate: Run = pluginOf(() => cluster.plane);
  let verifier: Verifier;
  let pageURL = "";
  let spki = "";
  let desktop: Awaited<ReturnType<typeof opener>>;

  const start = async (env: Readonly<Record<string, string>>, endpoint: number): Promise<Verifier> =>
    startVerifier(cluster.plane, {
      env: { KUBE_ELEVATE_CLUSTER_NAME: "shop-eu", KUBE_ELEVATE_CONTACT: "#oncall", ...env },
      ports: { health: await freePort(), endpoint },
    });
  beforeAll(async () => {
    const port = await freePort();
    pageURL = `https://${domain}:${String(port)}`;
    await cluster.apply("admin", policy);
    [verifier] = await Promise.all([
      start({ KUBE_ELEVATE_PAGE_URL: pageURL, KUBE_ELEVATE_RP_ID: rpId }, port),
      startController(cluster.plane, { env: { KUBE_ELEVATE_CLUSTER_NAME: "shop-eu" } }),
    ]);
    const { publicKey } = new X509Certificate(await readFile(await endpointCAFile(cluster.plane), "utf8"));
    spki = createHash("sha256")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest("base64");
    desktop = await opener(cluster.plane.dir);
  });
  const chromium = useChromium(() => [
    "--host-resolver-rules=MAP *.example.test 127.0.0.1",
    // as if it came from the internet, from where a browser lets a page reach less of this machine
    `--ip-address-space-overrides=127.0.0.1:${new URL(pageURL).port}=public`,
    `--ignore-certificate-errors-spki-list=${spki}`,
  ]);

  const run = async (user: string, ...args: readonly string[]): Promise<Ended> =>
    elevate(user, args, { input: "" }).ended;
  const atDesktop = (user: string, ...args: readonly string[]) => elevate(user, args, { env: desktop.env });
  type Running = ReturnType<Run>;
  const addressOf = async (running: Running): Promise<string> => {
    const said = await running.sees(/^https?:\S+#\S+\n/m);
    return /^https?:\S+#\S+$/m.exec(said)?.[0] ?? "";
  };
  const touch = async (tab: Tab, running: Running): Promise<Ended> => {
    await open(tab, await addressOf(running));
    await button(tab.page).click();
    return running.ended;
  };
  const mayReadPods = async (user: string): Promise<boolean> =>
    cluster.can(user, { verb: "list", resource: "pods", namespace: "shop" });
  /** Invited by ivy, enrolled with the ticket: a tab that holds the key. */
  const enrolled = async (user: string): Promise<Tab> => {
    const { stdout: ticket } = await run("ivy", "invite", user, "--method", "webauthn");
    const tab = await chromium.open();
    const enrolling = atDesktop(user, "enroll", "webauthn", "--ticket-stdin");
    enrolling.enter(ticket.trim());
    expect(await touch(tab, enrolling)).toMatchObject({
      code: 0,
      stdout: `authenticator.kube-elevate.dev/${hex(user)}.key-1 enrolled\n`,
    });
    return tab;
  };
  const requestIn = async (stdout: string) => {
    const found = await cluster.kubectl("admin", "get", "elev", nameIn(stdout), "-n", "shop", "-o", "json");
    return elevationRequest.parse(JSON.parse(found));
  };

  test("invited, enrolled, asked, touched, allowed, over; a second key and an app, confirmed by a key", async () => {
    expect(await mayReadPods("ada")).toBe(false);
    const tab = await enrolled("ada");
    const asking = atDesktop("ada", ...ask, "--duration", "20s");
    const address = await addressOf(asking);
    const asked = await touch(tab, asking);
    expect(asked.stderr).toMatch(
      /^You ask for {2}ClusterRole\/pod-debugger in namespace shop, for 20s\nAs {11}ada on shop-eu\nOpening https:\/\/elevate\.example\.test:\d+ in your browser: use your security key or passkey there\.\n/,
    );
    expect([asked.code, asked.stdout]).toEqual([
      0,
      expect.stringMatching(/^elevationrequest\.kube-elevate\.dev\/shop-debug-\w{5} active\n$/),
    ]);
    expect(await mayReadPods("ada")).toBe(true);
    expect(await desktop.opened()).toContain(address);
    const { spec: stored, status } = await requestIn(asked.stdout);
    expect(status?.verification).toMatchObject({
      method: "WebAuthn",
      authenticator: `${hex("ada")}.key-1`,
      webauthn: { rpId, origin: pageURL },
    });
    expect(stored.justification).toBe("INC-4312 checkout pods crash-looping");

    const checked = await run("ada", "verify", nameIn(asked.stdout), "-n", "shop");
    expect(checked.code).toBe(0);
    expect(checked.stderr).toMatch(/^ok +a key signed exactly this request, with its user verified,/m);
    expect(checked.stderr).toMatch(/^ok +the verifier sealed it:/m);

    const second = atDesktop("ada", "enroll", "webauthn");
    await open(tab, await addressOf(second));
    await button(tab.page).click();
    await tab.page.getByText("Confirmed by a key that you have.").waitFor();
    await button(tab.page).click();
    await tab.page.getByText("This key is enrolled already.").waitFor();
    await tab.key.replace();
    await button(tab.page).click();
    expect(await second.ended).toMatchObject({
      code: 0,
      stdout: `authenticator.kube-elevate.dev/${hex("ada")}.key-2 enrolled\n`,
    });

    const app = atDesktop("ada", "enroll", "totp");
    const [, seed = ""] = /secret into it: {2}([A-Z2-7]+)\n/.exec(await app.sees(/^https?:/m)) ?? [];
    await open(tab, await addressOf(app));
    await button(tab.page).click(); // by the second key: the first is taken out
    await app.sees(/Code from/);
    app.enter(codeAt(seed, await stepNow()));
    expect(await app.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/\.totp enrolled\n$/) as unknown });

    const spec = { policyName: "shop-debug", duration: "20s", justification: "INC-7 applied" };
    await cluster.apply("ada", {
      apiVersion: "kube-elevate.dev/v1alpha1",
      kind: "ElevationRequest",
      metadata: { name: "applied", namespace: "shop" },
      spec,
    });
    const proving = atDesktop("ada", "prove", "applied", "-n", "shop");
    const proven = await touch(tab, proving);
    expect(proven).toMatchObject({ code: 0, stdout: "elevationrequest.kube-elevate.dev/applied active\n" });
    expect(proven.stderr).toContain("Use your key only if it was you.\n");

    await eventually(async () => !(await mayReadPods("ada")), 40, "the access is over");
    expect((await requestIn(asked.stdout)).status).toMatchObject({ phase: "Expired" });
  }, 180_000);

  test("cancelled, an altered address, another person's key: nothing is proven, and then the right key is taken", async () => {
    const [tab, other] = await Promise.all([enrolled("ben"), enrolled("cem")]);
    const { page } = tab;
    const asking = atDesktop("ben", ...ask);
    const address = await addressOf(asking);
    await open(tab, alteredAddress(address, { spec: { justification: "INC-1 nothing special" } }));
    await page.getByText(/^What this address shows is not what your key would sign\./).waitFor();
    expect(await page.getByRole("button").count()).toBe(0);

    await open(other, address);
    await button(other.page).click();
    await other.page.getByText(/A key that you have not enrolled on this cluster does not answer here/).waitFor();

    await open(tab, address);
    await tab.key.recognizes(false);
    await button(page).click();
    await page.getByText(/^Nothing was proven: it was cancelled/).waitFor();
    await tab.key.recognizes(true);
    await button(page).click();
    expect(await asking.ended).toMatchObject({ code: 0 });
    expect(await mayReadPods("ben")).toBe(true);

    // cem's own page asks cem's key for what ben's request says: ben's terminal hands it in, and it is none of ben's
    const again = atDesktop("ben", ...ask, "--new");
    const mine = atDesktop("cem", ...ask);
    const { challenge: _, ...options } = optionsIn(await addressOf(mine));
    await open(other, alteredAddress(await addressOf(again), { options }));
    await button(other.page).click();
    const refused = await again.ended;
    expect([refused.code, refused.stdout]).toEqual([3, ""]);
    expect(refused.stderr).toContain("error (ProofRejected): this key is none of yours");
    expect(await mayReadPods("cem")).toBe(false);
    mine.kill("SIGINT");
    expect(await mine.ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining("Given up: nothing was proven.") as unknown,
    });
  }, 180_000);

  test("PL13: over SSH and without a display the answer is pasted; rubbish is said to be, and asked for again", async () => {
    const tab = await enrolled("dee");
    const shapes: readonly (readonly [object, string])[] = [
      [{}, "No browser on this machine. Open this address where your key is"],
      [{ ...desktop.env, SSH_CONNECTION: "192.0.2.1 1 192.0.2.2 22" }, "No browser on this machine."],
    ];
    for (const [env, says] of shapes) {
      const asking = elevate("dee", [...ask, "--new"], { env: { ...env } });
      const address = await addressOf(asking);
      expect(await asking.sees(/Paste here what the page answers: /)).toContain(says);
      asking.enter("what the page answers");
      await asking.sees(/That is not what the page answers to this\. Copy it whole, and paste it again/);
      await open(tab, address);
      await button(tab.page).click();
      await tab.page.getByText("Done. Your terminal waits for the text below.").waitFor();
      asking.enter(await tab.page.getByRole("textbox").inputValue());
      expect(await asking.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/ active\n$/) as unknown });
    }
    expect((await desktop.opened()).filter((address) => !address.startsWith(`${pageURL}/#`))).toEqual([]);
  }, 120_000);

  test("HT04: another site's page gets no answer of the endpoint, whatever it posts; it is kept in no frame, and sets no cookie", async () => {
    const { page } = await chromium.open();
    const site = await serve((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end(`<!doctype html><iframe src="${pageURL}/"></iframe>`);
    });
    try {
      await page.goto(site.url);
      await expect.poll(() => page.frames().at(1)?.url()).toBe("chrome-error://chromewebdata/");
      const url = `${pageURL}/v1alpha1/authenticators/${hex("dee")}.key-1/challenge`;
      const posted = async (mode: RequestMode, type: string): Promise<string> =>
        page.evaluate(
          async ([to, how, contentType]) => {
            try {
              const body = JSON.stringify({ codeVerifier: "A".repeat(43) });
              const headers = { "content-type": contentType };
              const answer = await fetch(to, { method: "POST", mode: how, headers, body, credentials: "include" });
              return `${answer.type} ${String(answer.status)} ${await answer.text()}`;
            } catch (error) {
              return String(error);
            }
          },
          [url, mode, type] as const,
        );
      for (const [mode, type] of [
        ["cors", "application/json"],
        ["cors", "text/plain"],
        ["no-cors", "text/plain"],
      ] as const)
        expect([mode, type, await posted(mode, type)]).toEqual([mode, type, "TypeError: Failed to fetch"]);
      expect(await page.context().cookies([pageURL, site.url])).toEqual([]);
      for (const method of ["OPTIONS", "POST"]) {
        const answer = await page.context().request.fetch(new URL(new URL(url).pathname, verifier.endpoint).href, {
          method,
          ignoreHTTPSErrors: true,
          headers: { origin: site.url, "access-control-request-method": "POST" },
        });
        const cors = Object.keys(answer.headers()).filter((name) => /^(access-control-|set-cookie)/.test(name));
        expect([method, answer.ok(), cors]).toEqual([method, false, []]);
      }
    } finally {
      site.close();
    }
  });

  test("for development the plugin serves the page itself, at localhost", async () => {
    const [{ endpoint }, port] = [verifier.ports, await freePort()];
    await verifier.stop("SIGTERM");
    const local = { KUBE_ELEVATE_PAGE_URL: `http://localhost:${String(port)}`, KUBE_ELEVATE_RP_ID: "localhost" };
    verifier = await start(local, endpoint);
    const tab = await enrolled("alice");
    const asking = atDesktop("alice", ...ask);
    await open(tab, await addressOf(asking));
    expect(await tab.page.getByText("Development: a key that is enrolled here").isVisible()).toBe(true);
    await button(tab.page).click();
    const asked = await asking.ended;
    expect(asked).toMatchObject({ code: 0 });
    expect((await requestIn(asked.stdout)).status?.verification).toMatchObject({
      webauthn: { rpId: "localhost", origin: local.KUBE_ELEVATE_PAGE_URL },
    });
    expect(await mayReadPods("alice")).toBe(true);
    const checked = await run("alice", "verify", nameIn(asked.stdout), "-n", "shop");
    expect([checked.code, checked.stderr]).toEqual([0, expect.stringMatching(/development/)]);
    const remote = await elevate("alice", [...ask, "--new"], { input: "" }).ended;
    expect([remote.code, remote.stderr]).toEqual([
      1,
      expect.stringMatching(/for development: use it where your\s+browser\s+is/),
    ]);
  }, 120_000);
});

const nameIn = (stdout: string): string => /\/(\S+) active\n$/.exec(stdout)?.[1] ?? "";
const hex = (text: string): string => Buffer.from(text).toString("hex");
const button = (page: Page) => page.getByRole("button");
const open = async ({ page }: Tab, address: string): Promise<void> => {
  await page.goto("about:blank");
  await page.goto(address);
};
