import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ceremony } from "../../src/api/v1alpha1/ceremony.ts";
import { addressOf, outcomeOf } from "../../src/cli/key/address.ts";
import { listenOnce } from "../../src/cli/key/listener.ts";
import { altered } from "./support/altered.ts";
import { confirmCeremony, enrollCeremony, requestCeremony } from "./support/ceremonies.ts";
import { isMissing, type Tab, useChromium } from "./support/chromium.ts";
import { type Served, serve, servePageAsHost, servePageAsVerifier } from "./support/page-server.ts";

// The page as the verifier serves it, in Chromium; the plugin's side of it is played by addresses that it would write.

const startAgain = /start again in your terminal/;
const status = (page: Page) => page.getByRole("status");
const theButton = (page: Page) => page.getByRole("button");
const answer = (page: Page) => page.getByRole("textbox", { name: "Answer to paste" });

describe.skipIf(isMissing)("the page where a key is used", () => {
  const chromium = useChromium();
  let served: Served;
  beforeAll(async () => {
    served = await servePageAsVerifier();
  });
  afterAll(() => {
    served.close();
  });
  const open = async ({ page }: Tab, ceremony: Ceremony): Promise<void> => {
    await page.goto("about:blank"); // so that nothing of the page before is taken for this one's
    await page.goto(addressOf(served.url, ceremony));
  };
  /** A tab whose key is enrolled, and the credential's id. */
  const enrolled = async (): Promise<{ readonly tab: Tab; readonly id: string }> => {
    const tab = await chromium.open({ permissions: ["clipboard-read", "clipboard-write"] });
    const ceremony = enrollCeremony();
    await open(tab, ceremony);
    await theButton(tab.page).click();
    return { tab, id: (await pasted(tab, ceremony))?.webauthn?.id ?? "" };
  };

  test("a key is enrolled, proves, and confirms what else its owner enrolls; by keyboard, with roles and names", async () => {
    const { tab, id } = await enrolled();
    const { page } = tab;
    expect(id).not.toBe("");

    const request = requestCeremony([id]);
    await page.goto(addressOf(served.url, request)); // in the same window, which shows the last answer still
    await page.getByRole("heading", { level: 1, name: "Do you ask for this access?" }).waitFor();
    const facts = [await page.getByRole("term").allInnerTexts(), await page.getByRole("definition").allInnerTexts()];
    expect(facts).toEqual([
      ["Cluster", "Namespace", "Role", "For", "Because", "As", "Request"],
      [
        "prod-eu",
        "payments",
        "ClusterRole/pod-debugger",
        "30m",
        "INC-4312 checkout pods crash-looping",
        "oidc:alice@example.com",
        "payments-debug-7k2mx",
      ],
    ]);
    expect(await page.getByText("Development: a key that is enrolled here").isVisible()).toBe(true);
    expect(await status(page).innerText()).toBe("Your key signs exactly this, for this once.");
    expect(await focused(page)).toBe("Use my security key or passkey");
    expect(await description(page)).toMatch(/^Cluster prod-eu Namespace payments .* Your key signs exactly this/);
    await page.keyboard.press("Enter");
    expect(await pasted(tab, request)).toMatchObject({ webauthn: { id } });
    expect(await status(page).innerText()).toBe("Done. Your terminal waits for the text below.");
    expect(await focused(page)).toBe("Answer to paste");
    const selected = await page.evaluate(() => String(getSelection()));
    expect(selected).toBe(await answer(page).inputValue());
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Copy");
    await page.keyboard.press("Enter");
    await page.getByText("Copied.").waitFor();
    expect(await page.evaluate(async () => navigator.clipboard.readText())).toBe(selected);

    const app = confirmCeremony([id]);
    await open(tab, app);
    await theButton(page).click();
    expect(await pasted(tab, app)).toMatchObject({ existing: { id } });

    const further = enrollCeremony([id]);
    await open(tab, further);
    await page.getByRole("button", { name: "First, use a key that you have" }).click();
    await page.getByText("Confirmed by a key that you have.").waitFor();
    expect(await focused(page)).toBe("Now enroll the new key");
    await tab.key.replace();
    await page.keyboard.press("Enter");
    const made = await pasted(tab, further);
    expect([made?.existing?.id, made?.webauthn?.id === id, made?.webauthn?.id]).toEqual([
      id,
      false,
      expect.stringMatching(/^[\w-]{20,}$/),
    ]);
  });

  test("the answer goes back to this machine alone, and neither stays in the window's history", async () => {
    const { tab, id } = await enrolled();
    const { page, asked } = tab;
    const stop = new AbortController();
    const ceremony = requestCeremony([id]);
    const listener = await listenOnce(ceremony.state, 60_000, stop.signal);
    try {
      await open(tab, { ...ceremony, port: listener.port });
      await theButton(page).click();
      expect(await listener.outcome).toMatchObject({ webauthn: { id } });
      await page.getByText("Done. Go back to your terminal: you may close this window.").waitFor();
      const back = `http://127.0.0.1:${String(listener.port)}/`;
      expect(page.url()).toBe(`${served.url}/`);
      const session = await page.context().newCDPSession(page);
      const { entries } = await session.send("Page.getNavigationHistory");
      expect(entries.map(({ url }) => url).filter((url) => url !== "about:blank")).toEqual([
        `${served.url}/`, // of the enrollment
        `${served.url}/`,
      ]);
      const elsewhere = asked.filter((url) => !url.startsWith(`${served.url}/`) && !url.startsWith(back));
      expect([asked.length > 3, elsewhere]).toEqual([true, []]);
    } finally {
      listener.close();
    }
  });

  test("WA18: an address with a URL, a host or another port in it: nothing is asked of the key, nothing leaves", async () => {
    const { tab, id } = await enrolled();
    const { page, key, asked } = tab;
    const before = await key.signCounts();
    const elsewhere = await serve((request, response) => {
      response.writeHead(200, { "access-control-allow-origin": "*" }).end(request.url);
    });
    const host = await servePageAsHost();
    try {
      const url = `${elsewhere.url}/steal`;
      for (const changed of [
        { url },
        { callback: url },
        { redirect_uri: url },
        { host: `localhost:${String(elsewhere.port)}` },
        { port: `${String(elsewhere.port)}/steal` },
        { port: 80 },
        { port: 65_536 },
        { state: `x&next=${url}` },
        { codeVerifier: "A".repeat(43) },
      ]) {
        await page.goto(addressOf(served.url, altered(requestCeremony([id]), changed)));
        await page.getByText(/incomplete or was changed/).waitFor();
        expect(await theButton(page).count()).toBe(0);
      }
      for (const query of ["?callback=", "?port=80&redirect_uri="]) {
        await page.goto(`${served.url}/${query}${url}`).catch(() => undefined);
        expect(await theButton(page).count()).toBe(0);
      }
      expect(await key.signCounts()).toEqual(before);
      expect(asked.filter((one) => one.startsWith(elsewhere.url))).toEqual([]);
      // by connect-src 'none', whatever the script would do; in the page itself too, for hosts that set no header
      for (const at of [served, host]) {
        const headers = (await page.goto(at.url))?.headers() ?? {};
        const policy = at === served ? /connect-src 'none';frame-ancestors 'none'/ : /^$/;
        expect(headers["content-security-policy"] ?? "").toMatch(policy);
        const sent = page.evaluate(async (to) => (await fetch(to)).status, url);
        await expect(sent).rejects.toThrow(/Failed to fetch/);
      }
      expect(asked.some((one) => new URL(one).origin === elsewhere.url)).toBe(false);
    } finally {
      elsewhere.close();
      host.close();
    }
  });

  test("WA19: another justification, role, duration or person than what is signed: a sentence, and no key is asked", async () => {
    const { tab, id } = await enrolled();
    const { page, key } = tab;
    const before = await key.signCounts();
    const { request, offer, ...rest } = requestCeremony([id]);
    const spec = (changed: object) => ({ request: { ...request, spec: { ...request.spec, ...changed } } });
    for (const changed of [
      spec({ justification: "INC-1 nothing special" }),
      spec({ requester: { username: "bob" } }),
      { offer: { ...offer, roleRef: { kind: "Role", name: "viewer" } } },
      { offer: { ...offer, methods: [{ method: "WebAuthn", duration: "1m" }] } },
    ]) {
      await page.goto(addressOf(served.url, altered({ ...rest, request, offer }, changed)));
      await page.getByText(startAgain).waitFor();
      expect(await theButton(page).count()).toBe(0);
      expect(await page.getByRole("definition").count()).toBe(0);
    }
    expect(await key.signCounts()).toEqual(before);
  });

  test("cancelled, another's key, enrolled already, another relying party: each has its sentence, and can be tried again", async () => {
    const { tab, id } = await enrolled();
    const { page, key } = tab;
    const ceremony = requestCeremony([id]);
    await open(tab, ceremony);
    await key.recognizes(false);
    await theButton(page).click();
    await page.getByText(/^Nothing was proven: it was cancelled/).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("status"); // read out, wherever the focus was
    await key.recognizes(true);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await pasted(tab, ceremony)).toMatchObject({ webauthn: { id } });

    await open(tab, requestCeremony(["AAAAAAAAAAAAAAAAAAAAAA"]));
    await theButton(page).click();
    await page.getByText(/A key that you have not enrolled on this cluster does not answer here/).waitFor();

    const again = enrollCeremony();
    const excludeCredentials = [{ id, type: "public-key" as const, transports: ["internal"] }];
    await open(tab, { ...again, options: { ...again.options, excludeCredentials } });
    await theButton(page).click();
    await page.getByText("This key is enrolled already. Try again with another one.").waitFor();

    for (const rpId of ["example.com", "sub.localhost"]) {
      const other = requestCeremony([id]);
      await open(tab, { ...other, options: { ...other.options, rpId } });
      await theButton(page).click();
      await page.getByText(/^Keys of this cluster are not for this page\./).waitFor();
    }
  });

  test("WA16: shown inside of another page nothing is asked of a key; by the verifier it is not even shown there", async () => {
    const host = await servePageAsHost();
    const outer = await serve((request, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end(`<!doctype html>${framing(request.url === "/verifier" ? served : host)}`);
    });
    const { page } = await chromium.open();
    try {
      await page.goto(outer.url);
      await page.frameLocator("iframe").getByText("This page is shown inside of another one.").waitFor();
      expect(await page.frameLocator("iframe").getByRole("button").count()).toBe(0);
      await page.goto(`${outer.url}/verifier`);
      await expect.poll(() => page.frames().at(1)?.url()).toBe("chrome-error://chromewebdata/");
    } finally {
      host.close();
      outer.close();
    }
  });

  test("nothing asked, half an address, too late, a browser that knows no keys: each has its sentence, and no button", async () => {
    const { page } = await chromium.open();
    await page.goto(served.url);
    await page.getByText(/^Nothing is asked here\./).waitFor();
    await page.goto(addressOf(served.url, requestCeremony([])).slice(0, -9));
    await page.getByText(/^This address is incomplete or was changed\./).waitFor();
    const { offer, options: _, ...rest } = requestCeremony([]);
    const deadlineTime = new Date(Date.now() - 1000).toISOString();
    await page.goto(addressOf(served.url, requestCeremony([], { ...rest, offer: { ...offer, deadlineTime } })));
    await page.getByText("This request waited for you long enough, and is over.").waitFor();
    expect(await theButton(page).count()).toBe(0);
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, "PublicKeyCredential"));
    await page.goto(addressOf(served.url, requestCeremony([])));
    await page.getByText(/^This browser knows no security keys and passkeys here/).waitFor();
    expect(await theButton(page).count()).toBe(0);
  });
});

/** The name of what has the focus, as a screen reader says it. */
const focused = async (page: Page): Promise<string> =>
  page.evaluate(() => {
    const { activeElement: element } = document;
    return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
  });

const pasted = async ({ page }: Tab, { state }: Ceremony) => {
  await answer(page).waitFor();
  return outcomeOf(await answer(page).inputValue(), state);
};

const framing = (at: Served): string => {
  const address = addressOf(at.url, requestCeremony(["AAAAAAAAAAAAAAAAAAAAAA"]));
  return `<iframe allow="publickey-credentials-get *" src="${address}"></iframe>`;
};

/** What a screen reader says of the button besides its name. */
async function description(page: Page): Promise<unknown> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const text: unknown = nodes.find(({ role }) => role?.value === "button")?.description?.value;
  return typeof text === "string" ? text.replaceAll(/\s+/g, " ") : text;
}
