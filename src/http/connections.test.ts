import { Socket } from "node:net";
import { expect, test } from "vitest";
import { boundConnections } from "./connections.ts";

const from = (remoteAddress: string, remotePort: number): Socket =>
  Object.defineProperties(new Socket(), { remoteAddress: { value: remoteAddress }, remotePort: { value: remotePort } });

test("HT02: who has most connections loses his oldest, and who has one keeps it, however long it waits", () => {
  const { opened } = boundConnections(4);
  const honest = from("10.0.0.1", 1);
  const his = [1, 2, 3, 4, 5].map((port) => from("10.0.0.2", port));
  for (const socket of [honest, ...his]) opened(socket);
  expect(honest.destroyed).toBe(false);
  expect(his.map(({ destroyed }) => destroyed)).toEqual([true, true, false, false, false]);
  const late = from("10.0.0.3", 1);
  opened(late);
  expect([honest, late, ...his].map(({ destroyed }) => destroyed)).toEqual([
    false,
    false,
    true,
    true,
    true,
    false,
    false,
  ]);
});

test("HT02: the addresses of one IPv6 network count as one, those that stand for IPv4 do not", () => {
  const { opened } = boundConnections(3);
  const honest = ["2001:db8:1::1", "::ffff:10.0.0.1"].map((address) => from(address, 1));
  const his = ["2001:db8:2:1::1", "2001:db8:2:2::2", "2001:db8:2:3::3"].map((address) => from(address, 1));
  for (const socket of [...honest, ...his]) opened(socket);
  expect([...honest, ...his].map(({ destroyed }) => destroyed)).toEqual([false, false, true, true, false]);
});

test("HT02: of several requests on one connection the first answer leaves it as safe as it was", () => {
  const { opened, answering } = boundConnections(1);
  const [asking, next, last] = [from("10.0.0.1", 1), from("10.0.0.2", 1), from("10.0.0.3", 1)];
  opened(asking);
  const [first, second] = [answering(asking), answering(asking)];
  first();
  opened(next);
  expect([asking.destroyed, next.destroyed]).toEqual([false, true]);
  second();
  opened(last);
  expect([asking.destroyed, last.destroyed]).toEqual([true, false]);
});
