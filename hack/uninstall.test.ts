import { expect, test } from "vitest";
import { objection, uninstallLines } from "./uninstall.ts";

test("README says how to remove it: access first, then admission, then the rest, each line a command", () => {
  const { removal, cure } = uninstallLines();
  expect(removal.filter((line) => !line.startsWith("kubectl "))).toEqual([]);
  const places = ["elevpol --all", "rolebindings -A", "wait elev", "-k config/admission", "-k config/default"].map(
    (what) => removal.findIndex((line) => line.includes(what)),
  );
  expect(places[0]).toBe(0);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(removal).toContain(cure);
});

test("nothing is removed without a cluster that is named and a yes", () => {
  expect(objection("yes", "/some/kubeconfig")).toBeUndefined();
  for (const confirm of [undefined, "", "no", "YES", "y"])
    expect(objection(confirm, "/some/kubeconfig")).toContain("CONFIRM=yes");
  for (const kubeconfig of [undefined, ""]) expect(objection("yes", kubeconfig)).toContain("KUBECONFIG=path");
});
