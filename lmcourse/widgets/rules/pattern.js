// Reading a pattern of named axes: einops.parsing.ParsedExpression, with the place of every name. Node tests hold it
// against einops' own messages on golden vectors.

/** What einops refuses: its message, the part of the pattern that is to blame, and what would probably help. */
export class PatternError extends Error {
  /**
   * @param {string} message
   * @param {number[]} place  where the part to blame starts and ends
   * @param {string} fix  in words
   * @param {{ replace?: string, operation?: string, sizes?: Record<string, number> } | null} [change]  the same, done
   */
  constructor(message, [start, end], fix, change = null) {
    super(message);
    Object.assign(this, { start, end, fix, change });
  }
}

export const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
/** An axis that is a number has a value, all others have a name. */
export const isName = (axis) => axis.value === undefined;
export const place = (axis) => [axis.start, axis.end];

const DOTS = "Expression may contain dots only inside ellipsis (...)";

function checkDots(text, at) {
  if (!text.includes(".")) return;
  const dots = [at + text.indexOf("."), at + text.lastIndexOf(".") + 1];
  if (!text.includes("..."))
    throw new PatternError(DOTS, dots, "An ellipsis is three dots with spaces around it: write ... here.");
  if (text.split("...").length !== 2 || text.split(".").length !== 4)
    throw new PatternError(`${DOTS}; only one ellipsis for tensor `, dots, "Keep one ellipsis of three dots a tensor.");
}

/** One side while it is read: what is found goes into `composition`, or into the group that is open. */
class Side {
  composition = [];
  axes = [];
  names = new Set();
  ellipsis = null;
  parenthesized = false;
  #group = null;
  #groupStart = 0;
  #rules;

  constructor(whole, rules) {
    this.whole = whole;
    this.#rules = rules;
  }

  open(here) {
    if (this.#group !== null)
      throw new PatternError(
        "Axis composition is one-level (brackets inside brackets not allowed)",
        [here, here + 1],
        "Remove the inner parentheses: (a (b c)) is (a b c).",
      );
    this.#group = [];
    this.#groupStart = here;
  }

  close(here) {
    if (this.#group === null)
      throw new PatternError(
        "Brackets are not balanced",
        [here, here + 1],
        "Remove this parenthesis or open one before it.",
      );
    this.composition.push(this.#group);
    this.#group = null;
  }

  finish(text) {
    if (this.#group === null) return;
    throw new PatternError(
      `Imbalanced parentheses in expression: "${text.replace("...", "…")}"`,
      [this.#groupStart, this.#groupStart + 1],
      "Close this parenthesis.",
    );
  }

  add(name, start, end) {
    this.#checkFresh(name, [start, end]);
    if (name === "…") return this.#addEllipsis({ name, start, end });
    if (!/^\p{Nd}+$/u.test(name)) {
      checkName(name, [start, end], this.#rules.underscore);
      this.names.add(name);
      return this.#put({ name, start, end });
    }
    const value = Number(name);
    if (value === 0)
      throw new PatternError(
        "Anonymous axis should have positive length, not 0",
        [start, end],
        "An axis without a name needs a length of 1 or more.",
      );
    if (value > 1) this.#put({ name, start, end, value });
    else if (this.#group === null) this.composition.push([]); // a 1 within a group is nothing
  }

  #checkFresh(name, where) {
    const { underscore, duplicates } = this.#rules;
    if (!this.names.has(name) || (underscore && name === "_") || duplicates) return;
    throw new PatternError(
      `Indexing expression contains duplicate dimension "${name}"`,
      where,
      `Use each name once a side. Only einsum takes ${name} twice: it reads the diagonal.`,
      { operation: "einsum" },
    );
  }

  #addEllipsis(axis) {
    this.names.add("…");
    this.ellipsis = axis;
    if (this.#group === null) this.composition.push("…");
    else {
      this.#group.push(axis);
      this.parenthesized = true;
    }
  }

  #put(axis) {
    this.axes.push(axis);
    if (this.#group === null) this.composition.push([axis]);
    else this.#group.push(axis);
  }
}

/**
 * One side of a pattern, or one operand of an einsum. A dimension is "…" or a list of axes {name, start, end, value?};
 * `at` is where the text starts in the whole pattern.
 */
export function parseSide(text, at, { underscore = false, duplicates = false } = {}) {
  checkDots(text, at);
  const side = new Side([at, at + text.length], { underscore, duplicates });
  let from = null;
  const word = (end) => {
    if (from === null) return;
    side.add(text.slice(from - at, end - at).replace("...", "…"), from, end);
    from = null;
  };
  for (const { 0: char, index } of text.matchAll(/\.\.\.|[\s\S]/gu)) {
    const here = at + index;
    if (char === "(" || char === ")" || char === " ") {
      word(here);
      if (char === "(") side.open(here);
      if (char === ")") side.close(here);
    } else if (/[\p{L}\p{N}_]|\.\.\./u.test(char)) from ??= here;
    else refuseCharacter(char, here);
  }
  side.finish(text);
  word(at + text.length);
  return side;
}

function refuseCharacter(char, here) {
  const comma = char === ",";
  throw new PatternError(
    `Unknown character '${char}'`,
    [here, here + char.length],
    comma
      ? "A comma separates tensors, and only einsum takes several."
      : "Names are letters, digits and _, separated by spaces.",
    comma ? { operation: "einsum" } : null,
  );
}

function checkName(name, where, underscore) {
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) {
    const spaced = name.startsWith("…") ? `... ${name.slice(1)}` : null;
    throw new PatternError(
      `Invalid axis identifier: ${name}\nnot a valid python identifier`,
      where,
      spaced
        ? `Put a space after the dots: ${spaced}`
        : "A name starts with a letter, and the dots of an ellipsis stand alone.",
      spaced ? { replace: spaced } : null,
    );
  }
  if ((name.startsWith("_") || name.endsWith("_")) && !(name === "_" && underscore)) {
    throw new PatternError(
      `Invalid axis identifier: ${name}\naxis name should should not start or end with underscore`,
      where,
      "Underscores may stand inside a name, not at its ends.",
      name.replaceAll("_", "") ? { replace: name.replace(/^_+|_+$/g, "") } : null,
    );
  }
}

const ARROW = "Write what goes in, then ->, then what comes out.";

/** Both sides of a pattern: {operands: [side], output: side}. Throws what einops says first. */
export function parse(operation, pattern) {
  const end = [pattern.length, pattern.length];
  if (operation === "einsum" && !pattern.includes("->"))
    throw new PatternError("Einsum pattern must contain '->'.", end, ARROW);
  const sides = pattern.split("->");
  if (sides.length === 1) throw new PatternError("not enough values to unpack (expected 2, got 1)", end, ARROW);
  if (sides.length > 2) {
    const second = sides[0].length + sides[1].length + 2;
    throw new PatternError(
      "too many values to unpack (expected 2)",
      [second, second + 2],
      "Keep one arrow: a pattern is one step.",
    );
  }
  const [left, right] = sides,
    after = left.length + 2;
  if (operation !== "einsum") return { operands: [parseSide(left, 0)], output: parseSide(right, after) };
  let at = 0;
  const operands = left.split(",").map((text) => {
    const side = parseSide(text, at, { underscore: true, duplicates: true });
    at += text.length + 1;
    return side;
  });
  return { operands, output: parseSide(right, after, { underscore: true }) };
}
