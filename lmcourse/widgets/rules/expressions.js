// What a reader types in place of a number, read exactly: an expression becomes a fraction of two BigInts.
import { finite, minus, opposite, over, plus, power, sizeOf, times } from "./floats.js";

const TOO_FAR = 5000; // decimal exponents and digits beyond this are refused in words
const TOKEN = /\s*(?:(0[xX][0-9a-fA-F]+)|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/^()]))/y;

/** A decimal number to its exact fraction: "1.5e-3" is 15/10000. */
function decimal(text) {
  const [mantissa, exponent = "0"] = text.toLowerCase().split("e");
  const [whole, part = ""] = mantissa.split(".");
  if (Math.abs(Number(exponent)) > TOO_FAR || text.length > 2000)
    throw new Error("a number between 10⁻⁵⁰⁰⁰ and 10⁵⁰⁰⁰ is possible");
  const shift = Number(exponent) - part.length;
  const n = BigInt(whole + part || "0") * 10n ** BigInt(Math.max(shift, 0));
  return finite(n, 10n ** BigInt(Math.max(-shift, 0)), false);
}

/** Numbers, words and signs, in order. */
function tokensOf(source) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex,
      found = TOKEN.exec(source);
    if (!found) throw new Error(`“${[...source.slice(at).trim()].slice(0, 12).join("")}” is no number`);
    const [, hex, number, word, sign] = found;
    if (hex) tokens.push(finite(BigInt(hex), 1n));
    else if (number) tokens.push(decimal(number));
    else tokens.push(word ? word.toLowerCase() : sign === "^" ? "**" : sign);
    if (tokens.length > 200) throw new Error("that is too long: 200 numbers and signs are the most");
  }
  return tokens;
}

const small = (x) => {
  if (x.kind === "finite" && sizeOf(x) > 60000) throw new Error("that number has too many digits");
  return x;
};

/** A sum of terms of factors of atoms, each method reading as much of the tokens as it is made of. */
class Reader {
  constructor(tokens, names) {
    this.tokens = tokens;
    this.names = names;
    this.k = 0;
    this.depth = 0;
  }

  get next() {
    return this.tokens[this.k];
  }

  take() {
    this.k += 1;
    return this.tokens[this.k - 1];
  }

  atom() {
    const token = this.next;
    if (typeof token === "object") return this.take();
    if (token === "(") return this.parenthesis();
    if (token === "inf" || token === "infinity" || token === "nan") {
      this.k += 1;
      return { kind: token === "nan" ? "nan" : "inf", negative: false };
    }
    if (/^[a-z_]/.test(token ?? "")) return this.word();
    if (token === undefined) throw new Error("a number is missing at the end");
    throw new Error(`a number is missing before “${token}”`);
  }

  parenthesis() {
    this.k += 1;
    this.depth += 1;
    if (this.depth > 50) throw new Error("that is too deep: 50 parentheses are the most");
    const inner = this.sum();
    if (this.take() !== ")") throw new Error("a closing parenthesis is missing");
    return inner;
  }

  word() {
    const word = this.take(),
      means = Object.hasOwn(this.names, word) ? this.names[word] : undefined;
    if (typeof means === "object") return means;
    if (typeof means === "function") {
      if (this.next !== "(") throw new Error(`${word} rounds a number: write ${word}(0.1)`);
      return means(this.atom());
    }
    const words = "the words possible are inf, nan, max, tiny, eps and the formats' names";
    throw new Error(`“${word.slice(0, 12)}” is no number; ${words}`);
  }

  factor() {
    if (this.next === "-") {
      this.k += 1;
      return opposite(this.factor());
    }
    if (this.next === "+") {
      this.k += 1;
      return this.factor();
    }
    const base = this.atom();
    if (this.next !== "**") return base;
    this.k += 1;
    return small(power(base, this.factor()));
  }

  term() {
    let left = this.factor();
    while (this.next === "*" || this.next === "/")
      left = small(this.take() === "*" ? times(left, this.factor()) : over(left, this.factor()));
    return left;
  }

  sum() {
    let left = this.term();
    while (this.next === "+" || this.next === "-")
      left = small(this.take() === "+" ? plus(left, this.term()) : minus(left, this.term()));
    return left;
  }
}

/**
 * What a reader types, exactly: decimals, + − * / ** (or ^), parentheses, inf, nan, and what `names` gives: numbers
 * ("max"), and functions of a number ("float32"). Throws an Error whose message says what is wrong.
 */
export function parse(text, names = {}) {
  const source = text.trim().replace(/[−–]/g, "-").replace(/×/g, "*");
  if (source === "") throw new Error("type a number, such as 0.1 or 2**-24 or 1/3");
  if (source.length > 2000) throw new Error("that is too long: 2000 characters are the most");
  const reader = new Reader(tokensOf(source), names);
  const value = reader.sum();
  if (reader.next === undefined) return value;
  if (typeof reader.next === "string") throw new Error(`“${reader.next}” is not expected there`);
  throw new Error("a sign such as + is missing between two numbers");
}
