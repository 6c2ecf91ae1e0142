import { expect, test } from "vitest";
import { loosened } from "./loosened.ts";

const expressions = (text: string, refuses: Parameters<typeof loosened>[1] = "unless it holds"): readonly string[] =>
  loosened(text, refuses).map(({ expression }) => expression.replaceAll(/\s+/g, " ").trim());

test("each part of an && is taken out, and each part of an || under a !", () => {
  expect(expressions("a && b.c('&&') == 1")).toEqual(["true", "true && b.c('&&') == 1", "a && true"]);
  expect(expressions("a || (b && c)")).toEqual(["true", "a || ( true && c)", "a || (b && true )"]);
  expect(expressions("!(a || b)")).toEqual(["true", "!( false || b)", "!(a || false )"]);
  expect(expressions("!a")).toEqual(["true"]);
});

test("both branches of a condition, and what is in a macro", () => {
  expect(expressions("x ? a && b : c")).toEqual([
    "true",
    "x ? true : c",
    "x ? true && b : c",
    "x ? a && true : c",
    "x ? a && b : true",
  ]);
  expect(expressions("l.all(k, k in m && m[k] == l[k])")).toEqual([
    "true",
    "l.all(k, true && m[k] == l[k])",
    "l.all(k, k in m && true )",
  ]);
  expect(expressions("o.?a.orValue('x ? y : z') == r'\\p{L}'")).toEqual(["true"]);
});

test("of a match condition, what would match no more", () => {
  expect(expressions("(u == 'c' && v) || [a, b].exists(o, o.x || o.y)", "when it holds")).toEqual([
    "false",
    "false || [a, b].exists(o, o.x || o.y)",
    "(u == 'c' && v) || false",
    "(u == 'c' && v) || [a, b].exists(o, false || o.y)",
    "(u == 'c' && v) || [a, b].exists(o, o.x || false )",
  ]);
});
