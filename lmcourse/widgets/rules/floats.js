// Floating-point numbers in every format, exactly: node tests hold this against lmcourse.float_formats on golden
// vectors. A bit pattern is a BigInt and a number a fraction of two BigInts from the first digit typed to the one
// rounding: nothing passes through a JavaScript number, so no NaN loses its payload and nothing is rounded twice.
import { raised } from "../lib/numbers.js";

export const ROUNDINGS = ["nearest_even", "toward_zero", "up", "down", "ties_away", "stochastic"];
export const OVERFLOWS = ["inf", "saturate", "nan"];

/**
 * A number: n/d with n >= 0 and d > 0 and a sign of its own, or an infinity or NaN.
 * @typedef {{ kind: "finite" | "inf" | "nan", negative: boolean, n?: bigint, d?: bigint }} Exact
 */

/** @type {(x: bigint) => bigint} */
const abs = (x) => (x < 0n ? -x : x);
const bitLength = (x) => (x === 0n ? 0 : x.toString(2).length);
export const two = (k) => 1n << BigInt(k);
/** @type {(n: bigint, d: bigint, negative?: boolean) => Exact} */
export const finite = (n, d, negative = n < 0n !== d < 0n && n !== 0n) => ({
  kind: "finite",
  negative,
  n: abs(n),
  d: abs(d),
});
/** @type {(x: Exact) => bigint} */
export const signed = (x) => (x.negative ? -x.n : x.n);
export const opposite = (x) => ({ ...x, negative: !x.negative });
export const isZero = (x) => x.kind === "finite" && x.n === 0n;

/** @type {(a: Exact, b: Exact) => Exact} */
export function plus(a, b) {
  if (a.kind === "nan" || b.kind === "nan") return { kind: "nan", negative: false };
  if (a.kind === "inf" || b.kind === "inf") {
    if (a.kind === b.kind && a.negative !== b.negative) return { kind: "nan", negative: false };
    return a.kind === "inf" ? a : b;
  }
  return finite(signed(a) * b.d + signed(b) * a.d, a.d * b.d);
}
export const minus = (a, b) => plus(a, opposite(b));
export const sizeOf = (x) => bitLength(x.n) + bitLength(x.d);
/** @type {(a: Exact, b: Exact) => Exact} */
export function times(a, b) {
  const negative = a.negative !== b.negative;
  if (a.kind === "finite" && b.kind === "finite") return finite(signed(a) * signed(b), a.d * b.d);
  const undefinedProduct = a.kind === "nan" || b.kind === "nan" || isZero(a) || isZero(b);
  return undefinedProduct ? { kind: "nan", negative: false } : { kind: "inf", negative };
}
/** @type {(a: Exact, b: Exact) => Exact} */
export function over(a, b) {
  if (isZero(b)) throw new Error("division by zero");
  if (b.kind === "finite") return times(a, finite(b.d, b.n, b.negative));
  return a.kind === "finite" && b.kind === "inf" ? finite(0n, 1n) : { kind: "nan", negative: false };
}
/** @type {(a: Exact, b: Exact) => Exact} */
export function power(a, b) {
  if (a.kind !== "finite" || b.kind !== "finite") throw new Error("a power needs two finite numbers");
  const exponent = b.n / b.d;
  if (exponent * b.d !== b.n) throw new Error("a power needs a whole exponent");
  if (exponent * BigInt(sizeOf(a)) > 40000n) throw new Error("that power is larger than any format reaches");
  if (b.negative) {
    if (a.n === 0n) throw new Error("division by zero");
    return finite(a.d ** exponent, a.n ** exponent, a.negative && exponent % 2n === 1n);
  }
  return finite(a.n ** exponent, a.d ** exponent, a.negative && exponent % 2n === 1n);
}

const SHORT_NAMES = { float64: "fp64", float32: "fp32", float16: "fp16", bfloat16: "bf16" };
/** The short name of a format: "fp16", "e4m3fn". */
export const nick = (name) => SHORT_NAMES[name] ?? name.replace(/^float\d_/, "");

// Formats: { name, exponent_bits, mantissa_bits, bias, specials, signed, subnormals }, as in lmcourse.float_formats

export const magnitudeBits = (f) => f.exponent_bits + f.mantissa_bits;
export const width = (f) => Number(f.signed) + magnitudeBits(f);
export const signBit = (f) => (f.signed ? two(magnitudeBits(f)) : 0n);
const infinity = (f) => (two(f.exponent_bits) - 1n) << BigInt(f.mantissa_bits);
export const hasNaN = (f) => f.specials !== "finite";
export const minExponent = (f) => (f.subnormals ? 1 - f.bias : -f.bias);

/** The code of the largest finite number. */
export const maxCode = (f) =>
  f.specials === "ieee" ? infinity(f) - 1n : two(magnitudeBits(f)) - 1n - (f.specials === "fn" ? 1n : 0n);

/** @returns {{ negative, exponent: number, mantissa: bigint }} the three fields of a pattern. */
export const split = (f, bits) => ({
  negative: (bits & signBit(f)) !== 0n,
  exponent: Number((bits & (two(magnitudeBits(f)) - 1n)) >> BigInt(f.mantissa_bits)),
  mantissa: bits & (two(f.mantissa_bits) - 1n),
});

/** "zero", "subnormal", "normal", "inf" or "nan". */
export function kindOf(f, bits) {
  const magnitude = bits & (two(magnitudeBits(f)) - 1n);
  if (f.specials === "fnuz" && bits === signBit(f)) return "nan";
  if (magnitude > maxCode(f)) return f.specials === "ieee" && magnitude === infinity(f) ? "inf" : "nan";
  if (f.subnormals && magnitude >> BigInt(f.mantissa_bits) === 0n) return magnitude ? "subnormal" : "zero";
  return "normal";
}

/** The number that a pattern stands for. @type {(f: any, bits: bigint) => Exact} */
export function decode(f, bits) {
  const kind = kindOf(f, bits),
    { negative, exponent, mantissa } = split(f, bits);
  if (kind === "inf" || kind === "nan") return { kind, negative };
  const significand = kind === "normal" ? mantissa + two(f.mantissa_bits) : mantissa;
  const shift = (kind === "normal" ? exponent - f.bias : minExponent(f)) - f.mantissa_bits;
  return finite(significand << BigInt(Math.max(shift, 0)), two(Math.max(-shift, 0)), negative);
}

/** The exponent of the leading bit of a positive number. */
export function floorLog2(x) {
  const e = bitLength(x.n) - bitLength(x.d);
  return x.n << BigInt(Math.max(-e, 0)) >= x.d << BigInt(Math.max(e, 0)) ? e : e - 1;
}

/** The spacing 2**power around a number, how many whole spacings it is, and the rest as a fraction n/d. */
export function steps(f, x) {
  const exponent = x.n === 0n ? minExponent(f) : Math.max(minExponent(f), floorLog2(x));
  const shift = exponent - f.mantissa_bits;
  const n = x.n << BigInt(Math.max(-shift, 0)),
    d = x.d << BigInt(Math.max(shift, 0));
  return { power: shift, below: n / d, rest: { n: n % d, d } };
}

export const codeOf = (f, shift, count) => {
  const code = (BigInt(shift + f.mantissa_bits - minExponent(f)) << BigInt(f.mantissa_bits)) + count;
  if (f.subnormals) return code;
  return code < two(f.mantissa_bits) ? 0n : code - two(f.mantissa_bits);
};
export const withSign = (f, code, negative) =>
  f.specials === "fnuz" && code === 0n ? 0n : code | (negative ? signBit(f) : 0n);

function nan(f, negative) {
  if (f.specials === "ieee") return withSign(f, infinity(f) | two(f.mantissa_bits - 1), negative);
  if (f.specials === "fn") return withSign(f, two(magnitudeBits(f)) - 1n, negative);
  if (f.specials === "fnuz") return signBit(f);
  throw new Error(`${f.name} has no NaN`);
}

function overflowed(f, negative, overflow) {
  if (overflow === "inf" && f.specials === "ieee") return withSign(f, infinity(f), negative);
  if (overflow === "saturate" || !hasNaN(f)) return withSign(f, maxCode(f), negative);
  return nan(f, negative);
}

/** Is 2·rest less than, equal to or greater than 1? */
export const againstHalf = ({ n, d }) => (2n * n < d ? -1 : 2n * n > d ? 1 : 0);

/** Does the neighbour farther from zero win? `draw` is a fraction in [0, 1), for stochastic rounding. */
function goesUp(rest, below, rounding, draw) {
  if (rounding === "nearest_even") return againstHalf(rest) > 0 || (againstHalf(rest) === 0 && below % 2n === 1n);
  if (rounding === "ties_away") return againstHalf(rest) >= 0;
  if (rounding === "stochastic") return draw.n * rest.d < rest.n * draw.d;
  return rest.n > 0n;
}
export const towardZero = (rounding, negative) => rounding === "toward_zero" || rounding === (negative ? "up" : "down");

/** The pattern of a number after one rounding; `draw` is in [0, 1). Throws where the format has no NaN. */
export function encode(f, x, rounding = "nearest_even", overflow = "inf", draw = 0) {
  if (x.kind === "nan" || (x.negative && !f.signed && !isZero(x))) return nan(f, x.negative);
  if (x.kind === "inf") return overflowed(f, x.negative, overflow);
  const { power: shift, below, rest } = steps(f, x);
  let code = codeOf(f, shift, below);
  if (towardZero(rounding, x.negative)) {
    if (code > maxCode(f)) code = maxCode(f);
  } else if (goesUp(rest, below, rounding, { n: BigInt(Math.floor(draw * 2 ** 53)), d: two(53) })) {
    code = codeOf(f, shift, below + 1n);
  }
  return code > maxCode(f) ? overflowed(f, x.negative, overflow) : withSign(f, code, x.negative);
}

/** The words of `parse`: the format's own limits, and every format as a function that rounds to it. */
export function namesFor(f, formats) {
  const one = encode(f, finite(1n, 1n));
  const limits = {
    max: decode(f, maxCode(f)),
    tiny: decode(f, f.subnormals ? two(f.mantissa_bits) : 0n),
    eps: minus(decode(f, one + 1n), decode(f, one)),
  };
  const roundings = formats.map((g) => [g.name, (x) => decode(g, encode(g, x))]);
  return { ...limits, ...Object.fromEntries(roundings) };
}

/** The next number up (+1) or down (−1) in value, as a pattern; null past the last one. */
export function neighbour(f, bits, direction) {
  const kind = kindOf(f, bits),
    { negative } = split(f, bits);
  if (kind === "nan") return null;
  let code = bits & (two(magnitudeBits(f)) - 1n);
  const away = negative ? direction < 0 : direction > 0;
  if (code === 0n && !away) {
    if (!f.signed || (f.specials === "fnuz" && maxCode(f) === 0n)) return null;
    return withSign(f, 1n, !negative);
  }
  code += away ? 1n : -1n;
  if (code > maxCode(f) && !(f.specials === "ieee" && code === infinity(f))) return null;
  return withSign(f, code, negative);
}

// Numbers as text

/** Every digit of a number whose denominator is a power of two. */
export function exactDecimal(x) {
  if (x.kind !== "finite") return (x.negative ? "-" : "") + x.kind;
  const places = bitLength(x.d) - 1;
  let [n, zeros] = [x.n, places];
  while (zeros > 0 && n % 2n === 0n) {
    n /= 2n;
    zeros -= 1;
  }
  const digits = (n * 5n ** BigInt(zeros)).toString().padStart(zeros + 1, "0");
  const part = digits.slice(digits.length - zeros);
  return (x.negative ? "-" : "") + digits.slice(0, digits.length - zeros) + (zeros ? `.${part}` : "");
}

/** About `count` digits of any number, "…" where digits were cut off. */
export function short(x, count = 8) {
  if (x.kind !== "finite") return (x.negative ? "−" : "") + (x.kind === "inf" ? "Inf" : "NaN");
  const sign = x.negative ? "−" : "";
  if (x.n === 0n) return `${sign}0`;
  let exponent = x.n.toString().length - x.d.toString().length;
  const ten = (k) => 10n ** BigInt(Math.max(k, 0));
  if (x.n * ten(-exponent) < x.d * ten(exponent)) exponent -= 1;
  const shift = count - 1 - exponent,
    n = x.n * ten(shift),
    d = x.d * ten(-shift);
  let digits = n / d;
  const cut = digits * d !== n;
  if (cut && 2n * (n % d) >= d) digits += 1n;
  let text = digits.toString();
  if (text.length > count) {
    text = text.slice(0, count);
    exponent += 1;
  }
  if (!cut) text = text.replace(/0+$/, "") || "0";
  const more = cut ? "…" : "";
  if (exponent < -5 || exponent > 14) {
    return `${sign}${text[0]}${text.length > 1 ? `.${text.slice(1)}` : ""}${more} × 10${raised(exponent)}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${text}${more}`;
  const whole = text.slice(0, exponent + 1).padEnd(exponent + 1, "0"),
    part = text.slice(exponent + 1);
  return sign + whole + (part ? `.${part}` : "") + more;
}

/** A number as an expression that `parse` reads back exactly, short where it can be. */
export function asText(x) {
  if (x.kind !== "finite") return (x.negative ? "-" : "") + x.kind;
  const text = exactDecimal(x);
  if (text.length <= 24) return text;
  let [n, exponent] = [x.n, -(bitLength(x.d) - 1)];
  while (n % 2n === 0n) {
    n /= 2n;
    exponent += 1;
  }
  return `${x.negative ? "-" : ""}${n === 1n ? "" : `${n}*`}2**${exponent}`;
}

/** The binary digits of a number from weight 2**high down to 2**low, and whether anything is left below. */
export function binary(x, high, low) {
  const n = x.n << BigInt(Math.max(-low, 0)),
    d = x.d << BigInt(Math.max(low, 0));
  const digits = (n / d).toString(2).padStart(high - low + 1, "0");
  return { digits: digits.slice(-(high - low + 1)), more: n % d !== 0n };
}

/** A stream of fractions in [0, 1) from a seed (mulberry32): the same dots for every reader. */
export function randomStream(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Only for drawing: where a positive number lies on an axis of powers of two. */
export const log2 = (x) => {
  const e = floorLog2(x),
    places = 40 - e;
  const scaled = Number((x.n << BigInt(Math.max(places, 0))) / (x.d << BigInt(Math.max(-places, 0))));
  return Math.log2(scaled) - 40 + e;
};
/** Only for drawing: a fraction between 0 and 1. */
export const ratio = ({ n, d }) => Number((n * two(40)) / d) / 2 ** 40;
