import { defineConfig } from "vitest/config";

const cluster = ["test/cluster/**/*.test.ts"];
const browser = ["test/browser/**/*.test.ts"];
/** Real sockets and processes of ours, on this machine alone, and what flips each bit: seconds, so not a part of `make check`. */
const loopback = [
  "src/{http,kube,cli/key}/**/*.test.ts",
  "src/main.test.ts",
  "hack/controlplane/**/*.test.ts",
  "test/evidence/recipe.test.ts",
  "hack/bundle/*.test.ts",
  "src/mfa/webauthn.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          deps: { interopDefault: false }, // imports mean what they mean to Node
          include: ["src/**/*.test.ts", "hack/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...loopback, ...cluster, ...browser],
          isolate: false, // they share nothing but what they import, so that is loaded once
          pool: "threads",
          testTimeout: 60_000, // what is enumerated takes a second here, and many where others work
        },
      },
      { test: { name: "loopback", deps: { interopDefault: false }, include: loopback, testTimeout: 60_000 } },
      {
        // Each file has a control plane of its own: two at a time are what two cores carry.
        test: {
          name: "cluster",
          deps: { interopDefault: false },
          include: cluster,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 }, // after the quick ones
        },
      },
      {
        // In Chromium, where there is one; one at a time, since it is as heavy as a control plane, and one of them has both.
        test: {
          name: "browser",
          deps: { interopDefault: false },
          include: browser,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
