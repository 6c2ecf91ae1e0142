import { expect, test } from "vitest";
import { createShares } from "./shares.ts";

/** By their first letter. */
function waiting(...ids: readonly string[]) {
  const shares = createShares();
  for (const id of ids) shares.add(id, id.slice(0, 1));
  return shares;
}
const all = ({ take }: ReturnType<typeof waiting>): string => {
  const taken: string[] = [];
  for (let id = take(); id !== undefined; id = take()) taken.push(id);
  return taken.join(" ");
};

test("shares take turns, and within one the first comes first", () => {
  const shares = waiting("a1", "a2", "a3", "b1", "a4", "b2", "c1");
  expect(shares.size()).toBe(7);
  expect(all(shares)).toBe("a1 b1 c1 a2 b2 a3 a4");
  expect(shares.size()).toBe(0);
});

test("who comes later waits for one of each other share, and no more", () => {
  const shares = waiting("a1", "a2", "a3", "a4");
  expect([shares.take(), shares.take()]).toEqual(["a1", "a2"]);
  shares.add("b1", "b");
  expect(all(shares)).toBe("a3 b1 a4");
});

test("what waits already keeps its place; what is taken back waits no more, and its share has no turn", () => {
  const shares = waiting("a1", "b1", "a2");
  shares.add("a1", "z");
  expect([shares.delete("b1"), shares.delete("b1"), shares.size()]).toEqual([true, false, 2]);
  expect(all(shares)).toBe("a1 a2");
});
