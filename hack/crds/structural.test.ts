import { expect, test } from "vitest";
import { z } from "zod";
import { structuralSchema } from "./structural.ts";

test("what a structural schema can say is kept, with what zod's own meta adds", () => {
  const schema = z.object({
    size: z.int().min(1).describe("How large."),
    name: z
      .string()
      .max(9)
      .regex(/^[a-z]+$/)
      .optional()
      .describe("How called.")
      .meta({ "x-kubernetes-validations": [] }),
    tags: z.record(z.string(), z.string().max(3)).optional().describe("What else."),
  });
  expect(structuralSchema(schema)).toEqual({
    type: "object",
    required: ["size"],
    properties: {
      size: { type: "integer", format: "int64", description: "How large.", minimum: 1 },
      name: {
        type: "string",
        description: "How called.",
        maxLength: 9,
        pattern: "^[a-z]+$",
        "x-kubernetes-validations": [],
      },
      tags: { type: "object", description: "What else.", additionalProperties: { type: "string", maxLength: 3 } },
    },
  });
});

test.each<[string, z.ZodType]>([
  ["a refinement", z.string().refine((text) => text !== "x")],
  ["a transformation", z.string().transform(Number)],
  ["a union", z.union([z.string(), z.int()])],
  [
    "a discriminated union",
    z.discriminatedUnion("a", [z.object({ a: z.literal("b") }), z.object({ a: z.literal("c") })]),
  ],
  ["a strict object", z.strictObject({ a: z.string().describe("A.") })],
  ["a default", z.string().default("x")],
  ["readonly", z.array(z.string()).readonly()],
  ["null", z.string().nullable()],
  ["any", z.unknown()],
  ["two patterns", z.string().regex(/a/).regex(/b/)],
])("%s would vanish, or be refused by the API server: it throws", (_, schema) => {
  expect(() => structuralSchema(z.object({ field: schema.describe("It.") }))).toThrow(
    /no structural form|not a schema/,
  );
});

test("a field that says nothing of itself throws, however deep it stands", () => {
  const deep = z.object({ list: z.array(z.object({ silent: z.string() })).describe("A list.") });
  expect(() => structuralSchema(deep)).toThrow(".list[].silent: no description");
});
