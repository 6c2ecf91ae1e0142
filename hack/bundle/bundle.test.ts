import { expect, test } from "vitest";
import { planBundle } from "./bundle.ts";
import { packageOf } from "./only-what-is-used.ts";

// What a process loads is most of what it weighs. These are the packages that weigh: whatever joins them must be worth it.

const shared = ["pino", "zod", "@kubernetes/client-node", "undici"];
const heavy = [
  ...shared,
  "@dot-i/k8s-operator",
  "gaxios",
  "express",
  "otplib",
  "@simplewebauthn/server",
  "@peculiar/x509",
];
const neverUsed =
  /client-node\/dist\/gen\/(models|apis\/\w+Api)|zod\/v4\/locales\/(?!en)|undici\/(index|lib\/(mock|cache))/;

test("each process loads the packages that it runs, and no other", async () => {
  const { outputs } = await planBundle();
  const entry = (name: string): string =>
    Object.keys(outputs).find((path) => outputs[path]?.entryPoint === `src/${name}.ts`) ?? "";
  const loaded = (path: string, seen = new Set<string>()): ReadonlySet<string> => {
    if (!seen.has(path)) {
      seen.add(path);
      for (const { path: next, kind } of outputs[path]?.imports ?? [])
        if (kind === "import-statement") loaded(next, seen);
    }
    return seen;
  };
  const filesOf = (process: string): readonly string[] =>
    [...loaded(entry("main")), ...loaded(entry(`processes/${process}`))].flatMap((path) =>
      Object.entries(outputs[path]?.inputs ?? {}).flatMap(([file, { bytesInOutput }]) =>
        bytesInOutput > 0 ? [file] : [],
      ),
    );
  const heavyOf = (process: string): readonly string[] => {
    const packages = new Set(filesOf(process).map(packageOf));
    return heavy.filter((name) => packages.has(name));
  };
  expect(heavyOf("sweep")).toEqual(shared);
  expect(heavyOf("controller")).toEqual([...shared, "@dot-i/k8s-operator"]);
  expect(heavyOf("verifier")).toEqual([...shared, "express", "otplib", "@simplewebauthn/server"]);
  for (const process of ["controller", "verifier", "sweep"])
    expect(filesOf(process).filter((file) => neverUsed.test(file))).toEqual([]);
});
