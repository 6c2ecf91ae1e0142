import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./hack/longest-first.ts";

const cluster = ["test/cluster/**/*.test.ts"];
const browser = ["test/browser/**/*.test.ts"];
/** What plays through each state, order, bit or field: seconds of computing, so not a part of `make check`. */
const enumerated = [
  "test/every-state.test.ts", // whose laws and states the mutants of `make check` are held to as well
  "test/tampering/**/*.test.ts",
  "src/flows/deadline.test.ts",
  "src/mfa/webauthn.test.ts",
];
/** Real sockets and processes of ours, on this machine alone: not a part of `make check` either. */
const loopback = [
  "src/{http,kube,cli/key}/**/*.test.ts",
  "src/main.test.ts",
  "hack/controlplane/**/*.test.ts",
  "test/evidence/recipe.test.ts",
  "hack/bundle/*.test.ts",
  "test/supply-chain.test.ts",
];
/** Twelve processes and as many proxies are too much beside another file: `KUBE_ELEVATE_CRASH_FURTHER=1` has it run. */
const byThemselves =
  process.env["KUBE_ELEVATE_CRASH_FURTHER"] === undefined ? ["test/cluster/crash-further.test.ts"] : [];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          deps: { interopDefault: false }, // imports mean what they mean to Node
          include: ["src/**/*.test.ts", "hack/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...enumerated, ...loopback, ...cluster, ...browser],
          isolate: false, // they share nothing but what they import, so that is loaded once
          pool: "threads",
          testTimeout: 60_000, // what is enumerated takes a second here, and many where others work
        },
      },
      // Each file of `cluster` has a control plane of its own, and those of `browser` have Chromium. Three at a time keep two
      // cores so busy that grants of 12 s are over before a controller has started.
      ...Object.entries({ enumerated, loopback, cluster, browser }).map(([name, include]) => ({
        test: {
          name,
          include,
          deps: { interopDefault: false },
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: Number(process.env["KUBE_ELEVATE_FILES"] ?? 2),
          exclude: byThemselves,
          globalSetup: name === "cluster" || name === "browser" ? ["hack/bundle/for-tests.ts"] : [],
          sequence: { groupOrder: 1 },
          // for the hundreds of processes that they start: sources are read once, and Go collects less often, for memory
          env: { NODE_COMPILE_CACHE: resolve("node_modules/.cache/compiled"), GOGC: "300" },
        },
      })),
    ],
    sequence: { sequencer: LongestFirst },
  },
});
