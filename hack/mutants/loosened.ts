/** An expression with one guard taken out of it. */
export type Loosened = { readonly out: string; readonly expression: string };

/**
 * All ways in which one condition of a CEL expression can be taken out so that it refuses less: the whole of it, each part
 * of an `&&`, and each part of an `||` under a `!`. `refuses` "when it holds": a match condition, which lets through what it
 * does not match.
 */
export function loosened(expression: string, refuses: "unless it holds" | "when it holds"): readonly Loosened[] {
  return outs({ text: expression, from: 0, to: expression.length }, refuses === "unless it holds").map(
    ({ from, to, put }) => ({
      out: expression.slice(from, to).replaceAll(/\s+/g, " ").trim(),
      expression: `${expression.slice(0, from)} ${put} ${expression.slice(to)}`,
    }),
  );
}

type Span = { readonly text: string; readonly from: number; readonly to: number };
type Out = { readonly from: number; readonly to: number; readonly put: "true" | "false" };

/** `wanted`: what the span has to be for the whole to let through. */
function outs(whole: Span, wanted: boolean): readonly Out[] {
  const span = trimmed(whole);
  return [{ from: span.from, to: span.to, put: wanted ? "true" : "false" }, ...within(span, wanted)];
}

function within(span: Span, wanted: boolean): readonly Out[] {
  const [condition, yes, no] = ternary(span);
  if (condition !== undefined && yes !== undefined && no !== undefined)
    return [...outs(yes, wanted), ...outs(no, wanted)];
  const either = split(span, "||");
  // one part of an `||` that holds is the whole: of these, only what is in them is taken out
  if (either.length > 1) return either.flatMap((part) => (wanted ? within(trimmed(part), wanted) : outs(part, wanted)));
  const both = split(span, "&&");
  if (both.length > 1) return both.flatMap((part) => (wanted ? outs(part, wanted) : within(trimmed(part), wanted)));
  const first = span.text[span.from];
  if (first === "!") return within(trimmed({ ...span, from: span.from + 1 }), !wanted);
  if (first === "(" && closing(span.text, span.from) === span.to - 1)
    return within(trimmed({ ...span, from: span.from + 1, to: span.to - 1 }), wanted);
  return inMacro(span, wanted);
}

/** `list.all(x, P)` and `list.exists(x, P)`, where that is all there is. */
function inMacro(span: Span, wanted: boolean): readonly Out[] {
  const [head] = /^[^&|]*?\.(?:all|exists)\(\w+,/s.exec(span.text.slice(span.from, span.to)) ?? [];
  if (head === undefined) return [];
  const open = span.from + head.lastIndexOf("(");
  if (closing(span.text, open) !== span.to - 1) return [];
  return within(trimmed({ ...span, from: span.from + head.length, to: span.to - 1 }), wanted);
}

/** Condition and both branches, where the span is `a ? b : c`. */
function ternary(span: Span): readonly Span[] {
  const [question] = places(span, (text, at) => text[at] === "?" && text[at - 1] !== "." && text[at - 1] !== "[");
  if (question === undefined) return [];
  const [colon] = places({ ...span, from: question + 1 }, (text, at) => text[at] === ":");
  if (colon === undefined) return [];
  return [
    { ...span, to: question },
    { ...span, from: question + 1, to: colon },
    { ...span, from: colon + 1 },
  ];
}

function split(span: Span, operator: "&&" | "||"): readonly Span[] {
  const cuts = places(span, (text, at) => text.startsWith(operator, at));
  return [...cuts, span.to].map((to, index) => ({
    ...span,
    from: index === 0 ? span.from : (cuts[index - 1] ?? 0) + operator.length,
    to,
  }));
}

/** Where that is so, outside of brackets and quotes. */
function places({ text, from, to }: Span, is: (text: string, at: number) => boolean): readonly number[] {
  const found: number[] = [];
  for (let at = from; at < to; at++) {
    if (text[at] === "'" || text[at] === '"') at = endOfQuote(text, at);
    else if ("([{".includes(text[at] ?? " ")) at = closing(text, at);
    else if (is(text, at)) found.push(at);
  }
  return found;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const letter = text[at] ?? " ";
    if (letter === "'" || letter === '"') at = endOfQuote(text, at);
    else if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter) && --depth === 0) return at;
  }
  throw new Error(`a bracket is not closed: ${text.slice(open)}`);
}

function endOfQuote(text: string, open: number): number {
  const raw = text[open - 1] === "r";
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === "\\" && !raw) at++;
    else if (text[at] === text[open]) return at;
  }
  throw new Error(`a quote is not closed: ${text.slice(open)}`);
}

function trimmed({ text, from, to }: Span): Span {
  const inside = text.slice(from, to);
  return {
    text,
    from: from + inside.length - inside.trimStart().length,
    to: to - (inside.length - inside.trimEnd().length),
  };
}
