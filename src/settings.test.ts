import { expect, test } from "vitest";
import { helpText, readSettings, versionText } from "./settings.ts";

test("without flags and environment each setting has its default", () => {
  expect(readSettings([], {})).toEqual({
    kubeconfig: "",
    healthPort: 8081,
    endpointPort: 8443,
    bindAddress: "",
    url: "https://verifier.elevate-system.svc",
    clusterName: "kubernetes",
    contact: "",
    pageUrl: "",
    rpId: "",
    tlsCertFile: "",
    tlsKeyFile: "",
    retention: 720 * 3_600_000,
    logLevel: "info",
    identity: "local",
  });
});

test("a flag wins over the environment, the environment over the default", () => {
  const env = { KUBE_ELEVATE_HEALTH_PORT: "9001", KUBE_ELEVATE_ENDPOINT_PORT: "9002", HOSTNAME: "verifier-1" };
  expect(readSettings(["--health-port", "9003", "--contact=#ask = here"], env)).toMatchObject({
    healthPort: 9003,
    endpointPort: 9002,
    contact: "#ask = here",
    identity: "verifier-1",
    logLevel: "info",
  });
});

test.each<[readonly string[], { readonly [name: string]: string }, RegExp]>([
  [["--health-prt", "1"], {}, /^unknown flag --health-prt$/],
  [["--toString", "1"], {}, /^unknown flag --toString$/],
  [["-h"], {}, /^unknown flag -h$/],
  [["verifier"], {}, /^flags alone are taken here/],
  [["--health-port"], {}, /^--health-port takes a value$/],
  [["--health-port", "1", "--health-port=2"], {}, /^--health-port is given twice$/],
  [["--health-port", "65536"], {}, /^--health-port takes a port from 0 to 65535/],
  [["--health-port="], {}, /^--health-port takes a port/],
  [[], { KUBE_ELEVATE_ENDPOINT_PORT: "0x10" }, /^KUBE_ELEVATE_ENDPOINT_PORT takes a port/],
  [["--bind-address", "somewhere"], {}, /^--bind-address takes an IP address or localhost$/],
  [["--url", "http://verifier"], {}, /^--url takes an https URL/],
  [["--url", "https://user:pw@verifier"], {}, /^--url takes an https URL without user/],
  [["--url", "https://verifier/?q"], {}, /^--url takes an https URL/],
  [["--cluster-name", ""], {}, /^--cluster-name takes a name that is not empty$/],
  [["--contact", "a\nb"], {}, /^--contact takes one line/],
  [["--retention", "167h59m"], {}, /^--retention takes a duration of at least 168h, for example 720h$/],
  [[], { KUBE_ELEVATE_RETENTION: "30d" }, /^KUBE_ELEVATE_RETENTION takes a duration of at least 168h/],
  [["--retention="], {}, /^--retention takes a duration of at least 168h/],
  [["--log-level", "loud"], {}, /^--log-level takes one of debug, info, warn, error$/],
  [["--page-url", "http://elevate.example.com"], {}, /^--page-url takes an https URL .*, or http:..localhost:<port>/],
  [["--page-url", "https://elevate.example.com"], {}, /^--page-url and --rp-id go together$/],
  [["--rp-id", "example.com"], {}, /^--page-url and --rp-id go together$/],
  [["--rp-id", "Example.com"], {}, /^--rp-id takes a domain/],
  [
    ["--page-url", "https://elevate.example.com", "--rp-id", "ample.com"],
    {},
    /^--rp-id takes the domain of --page-url/,
  ],
  [["--page-url", "https://example.com", "--rp-id", "elevate.example.com"], {}, /^--rp-id takes the domain of/],
  [
    ["--page-url", "https://elevate.example.com", "--rp-id", "com"],
    {},
    /^--rp-id takes a domain of more than one label/,
  ],
  [["--page-url", "https://10.0.0.1", "--rp-id", "10.0.0.1"], {}, /^--rp-id takes a domain of more than one label/],
  [["--page-url", "http://localhost:99999", "--rp-id", "localhost"], {}, /^--page-url takes an https URL/],
  [["--page-url", "http://localhost:8400", "--rp-id", "example.com"], {}, /^--rp-id takes the domain of/],
  [["--tls-cert-file", "/a.pem"], {}, /^--tls-cert-file and --tls-key-file go together$/],
  [["--tls-key-file", "/a.pem"], {}, /^--tls-cert-file and --tls-key-file go together$/],
  [[], { NODE_TLS_REJECT_UNAUTHORIZED: "0" }, /^NODE_TLS_REJECT_UNAUTHORIZED=0 is refused.*\nUnset it/],
])("%j with %j is refused by its name", (argv, env, mistake) => {
  expect(readSettings(argv, env)).toEqual({ mistake: expect.stringMatching(mistake) as unknown });
});

test.each([
  ["https://elevate.example.com", "elevate.example.com"],
  ["https://elevate.example.com/page/", "example.com"],
  ["http://localhost:8400", "localhost"],
])("keys may be bound to the domain of the page, or one above it: %s, %s", (pageUrl, rpId) => {
  const settings = { pageUrl: pageUrl.replace(/\/$/, ""), rpId };
  expect(readSettings(["--page-url", pageUrl, "--rp-id", rpId], {})).toMatchObject(settings);
});

test("EX36: a record is kept for 168h or longer", () => {
  expect(readSettings(["--retention", "168h"], {})).toMatchObject({ retention: 604_800_000 });
  expect(readSettings([], { KUBE_ELEVATE_RETENTION: "2160h" })).toMatchObject({ retention: 7_776_000_000 });
});

test("a bad value is not repeated: it may be a secret that slipped", () => {
  expect(JSON.stringify(readSettings(["--health-port", "s3cret"], {}))).not.toContain("s3cret");
  expect(JSON.stringify(readSettings(["--s3=cret"], {}))).not.toContain("cret");
});

test("slashes at the end of the URL are left out, a path of an ingress stays", () => {
  expect(readSettings(["--url", "https://elevate.example.com/verifier//"], {})).toMatchObject({
    url: "https://elevate.example.com/verifier",
  });
});

test("the help names every flag with its variable and default", () => {
  const settings = readSettings([], {});
  const flags = helpText().match(/^ {2}--[a-z-]+/gm) ?? [];
  expect(flags).toHaveLength(Object.keys(settings).length);
  expect(helpText()).toMatch(
    /--health-port +port of \/livez and \/readyz \(\$KUBE_ELEVATE_HEALTH_PORT, default 8081\)/,
  );
  expect(versionText()).toMatch(/^\d+\.\d+\.\d+$/);
});
