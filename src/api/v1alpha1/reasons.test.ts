import { expect, test } from "vitest";
import {
  endingReasons,
  endpointReasons,
  persistenceReasons,
  policyReasons,
  progressReasons,
  refusalReasons,
  troubleReasons,
} from "./reasons.ts";

const own = [progressReasons, endingReasons, refusalReasons, endpointReasons, troubleReasons].flat();

test("every word says one thing: it stands in one list, once", () => {
  expect(own.length).toBeGreaterThan(40);
  expect(new Set(own).size).toBe(own.length);
});

test("every word is one that the CRD takes as a reason", () => {
  expect(
    [...own, ...policyReasons, ...persistenceReasons].filter((word) => !/^[A-Z][A-Za-z0-9]{1,63}$/.test(word)),
  ).toEqual([]);
});
