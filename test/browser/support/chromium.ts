import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";

// Chromium with a security key of its own (WebAuthn.addVirtualAuthenticator of the DevTools protocol), so that what a
// browser insists on is not imitated by us.

const names = ["chromium", "chromium-browser", "google-chrome"];

/** $KUBE_ELEVATE_CHROMIUM, or the first that is on the PATH. */
function findChromium({ KUBE_ELEVATE_CHROMIUM: given = "", PATH = "" }: NodeJS.ProcessEnv): string | undefined {
  if (given !== "") return given;
  const paths = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return paths.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const found = findChromium(process.env);

/** For `describe.skipIf`: without a Chromium these suites are left out, and say so. */
export const isMissing = found === undefined;
if (isMissing)
  process.stderr.write(
    "tests in a browser are skipped: no Chromium is found. Put one on the PATH (apt-get install chromium), or name it: KUBE_ELEVATE_CHROMIUM=path\n",
  );

export type Tab = {
  readonly page: Page;
  readonly key: VirtualKey;
  /** Every address that anything in this browser has asked for. */
  readonly asked: readonly string[];
};

/**
 * One browser for the tests of this suite, with these arguments besides its own. Each tab is of a browser profile of its
 * own, with a key of its own.
 */
export function useChromium(args: () => readonly string[] = () => []): {
  open(options?: Parameters<Browser["newContext"]>[0]): Promise<Tab>;
} {
  let browser: Browser | undefined;
  const contexts: BrowserContext[] = [];
  beforeAll(async () => {
    browser = await launch(args());
  });
  afterAll(async () => {
    await Promise.all(contexts.map(async (context) => context.close()));
    await browser?.close();
  });
  return {
    async open(options = {}) {
      if (browser === undefined) throw new Error("the browser is not there before the tests run");
      const context = await browser.newContext(options);
      contexts.push(context);
      const asked: string[] = [];
      context.on("request", (request) => asked.push(request.url()));
      const page = await context.newPage();
      return { page, key: await virtualKey(page), asked };
    },
  };
}

async function launch(args: readonly string[]): Promise<Browser> {
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : []; // Chromium starts none as root
  return chromium.launch({
    ...(found !== undefined && { executablePath: found }),
    args: [...sandbox, "--disable-dev-shm-usage", ...args],
  });
}

export type VirtualKey = {
  /** Whether its owner is recognized, by finger or PIN. */
  recognizes(owner: boolean): Promise<void>;
  /** Whether somebody touches it. */
  touched(touched: boolean): Promise<void>;
  /** How often it has signed, of each credential in it. */
  signCounts(): Promise<readonly number[]>;
  /** Taken out, and another one put in. */
  replace(): Promise<void>;
};

async function virtualKey(page: Page): Promise<VirtualKey> {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable", { enableUI: false });
  const add = async (): Promise<string> => {
    const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return authenticatorId;
  };
  let authenticatorId = await add();
  return {
    async recognizes(isUserVerified) {
      await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
    },
    async touched(enabled) {
      await session.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled });
    },
    async signCounts() {
      const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
      return credentials.map(({ signCount }) => signCount);
    },
    async replace() {
      await session.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
      authenticatorId = await add();
    },
  };
}
