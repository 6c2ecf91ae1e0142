import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "esbuild";

/**
 * Leaves out of a bundle what packages ask for and this product never reaches: that is most of its memory. Each line says
 * why it is never reached; `bundle.test.ts` holds what is left.
 */
export function onlyWhatIsUsed(root: string): Plugin {
  return {
    name: "only what is used",
    setup(build) {
      build.onLoad({ filter: /^/, namespace: ours }, ({ pluginData }) => ({
        contents: String(pluginData),
        resolveDir: root,
      }));
      for (const { of, by, is } of instead(root))
        build.onResolve({ filter: of }, ({ path, importer, kind }) => {
          const applies = by === "an import" ? kind === "import-statement" : by === "all" || packageOf(importer) === by;
          return applies ? { path: `${path} for ${by}`, namespace: ours, pluginData: is } : undefined;
        });
      // The files of client-node define things and do nothing else, which it does not say.
      build.onResolve({ filter: /^@kubernetes\/client-node$/ }, ({ path }) => ({
        path: join(root, "node_modules", path, "dist/index.js"),
        sideEffects: false,
      }));
      build.onResolve({ filter: /^\..*\.js$/ }, ({ path, resolveDir, importer }) =>
        packageOf(importer) === "@kubernetes/client-node"
          ? { path: join(resolveDir, path), sideEffects: false }
          : undefined,
      );
    },
  };
}

/** The package that a file is of; "": of none. */
export function packageOf(path: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? "";
}

const ours = "instead";

/** What an importer is given (`is`) where it asks for `of`. */
type Instead = { readonly of: RegExp; readonly by: string; readonly is: string };

const instead = (root: string): readonly Instead[] => [
  // src/kube/operator.ts puts ours in the place of what the constructor makes, and overrides all that uses the rest.
  {
    of: /^@kubernetes\/client-node$/,
    by: "@dot-i/k8s-operator",
    is: "exports.KubeConfig = class { loadFromDefault() {} makeApiClient() {} };",
  },
  { of: /^gaxios$/, by: "@dot-i/k8s-operator", is: "" },
  // All that src/kube and client-node name of it; its own index loads fetch, WebSocket, caches and mocks as well.
  {
    of: /^undici$/,
    by: "all",
    is: `require("undici/lib/dispatcher/dispatcher").prototype.request = require("undici/lib/api/api-request");
      exports.Agent = require("undici/lib/dispatcher/agent");
      exports.ProxyAgent = require("undici/lib/dispatcher/proxy-agent");`,
  },
  // src/kube/shared-agent.ts refuses a SOCKS proxy.
  { of: /^socks(-proxy-agent)?$/, by: "@kubernetes/client-node", is: "exports.SocksProxyAgent = class {};" },
  // src/kube speaks HTTP/1.1 alone; undici itself makes do with this where Node has no http2.
  { of: /^node:http2$/, by: "undici", is: "exports.constants = {};" },
  // src/mfa/webauthn.ts lets no attestation through, so no certificate is parsed; of ASN.1 a signature by ES256 alone is.
  {
    of: /^@peculiar\/asn1-(schema|ecc)$/,
    by: "@simplewebauthn/server",
    is: `const ours = require("./hack/bundle/ecdsa-signature.ts");
      exports.AsnParser = ours.AsnParser;
      exports.ECDSASigValue = ours.ECDSASigValue;`,
  },
  { of: /^@peculiar\//, by: "@simplewebauthn/server", is: "" },
  // src/http/body.ts takes UTF-8 alone.
  { of: /\/tables\/.*\.json$/, by: "iconv-lite", is: "" },
  { of: /^\.\/db\.json$/, by: "mime-db", is: `module.exports = ${JSON.stringify(mediaTypes(root))};` },
  // An import asks Node for all its names, WebSocket among them, and so loads its own undici; a require does not.
  { of: /^(node:)?http$/, by: "an import", is: 'module.exports = require("node:http");' },
];

/** What a page and an endpoint answer with, of the 2,000 that are known. */
function mediaTypes(root: string): object {
  const known: unknown = JSON.parse(readFileSync(join(root, "node_modules/mime-db/db.json"), "utf8"));
  const answers = /^(application\/json|text\/(html|css|javascript|plain))$/;
  return Object.fromEntries(Object.entries(known ?? {}).filter(([type]) => answers.test(type)));
}
