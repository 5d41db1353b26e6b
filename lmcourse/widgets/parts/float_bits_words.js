// What FloatBits says: fields and numbers in words. Nothing here draws.
import { raised } from "../lib/numbers.js";
import {
  againstHalf,
  decode,
  finite,
  isZero,
  kindOf,
  minExponent,
  minus,
  ratio,
  short,
  split,
  steps,
  towardZero,
  two,
} from "../rules/floats.js";

export const MODES = {
  nearest_even: "to nearest, ties to even",
  toward_zero: "toward zero",
  up: "up (toward +∞)",
  down: "down (toward −∞)",
  ties_away: "to nearest, ties away",
  stochastic: "stochastic",
};
export const POLICIES = {
  inf: "Inf, else NaN: IEEE, ml_dtypes",
  saturate: "the largest: torch ≥ 2.12, e4m3fn",
  nan: "NaN: torch < 2.12, e4m3fn",
};

const power = (k) => finite(two(Math.max(k, 0)), two(Math.max(-k, 0)));
const scaleOf = (f, bits) => (kindOf(f, bits) === "normal" ? split(f, bits).exponent - f.bias : minExponent(f));

/** What each field of a pattern says, by its letter. */
export function fieldWords(f, bits) {
  const { negative, exponent, mantissa } = split(f, bits),
    kind = kindOf(f, bits),
    scale = scaleOf(f, bits);
  const tiny = kind === "zero" || kind === "subnormal";
  const reserved = `${exponent}: reserved for ${kind === "inf" ? "Inf" : "NaN"}`;
  const whole = f.mantissa_bits > 23 ? `2${raised(f.mantissa_bits)}` : two(f.mantissa_bits);
  const count = f.mantissa_bits ? `${mantissa}/${whole}` : "";
  return {
    S: negative ? "−" : "+",
    E: tiny
      ? `all 0: 2${raised(scale)}, no hidden 1`
      : kind === "normal"
        ? `${exponent} − ${f.bias} = ${scale}`
        : reserved,
    M: kind === "nan" ? `payload 0x${mantissa.toString(16)}` : count,
  };
}

/** What one bit is worth, in words that follow its name. */
export function worth(f, bits, at) {
  if (at >= f.exponent_bits + f.mantissa_bits) return "";
  if (at >= f.mantissa_bits) return `, worth ${2 ** (at - f.mantissa_bits)} of the exponent field`;
  const weight = weightOf(f, bits, at);
  return weight === null ? "" : `, worth 2${raised(weight)}`;
}

/** The power of two that a bit of the mantissa stands for; null for any other bit, and where there is no number. */
export function weightOf(f, bits, at) {
  const kind = kindOf(f, bits);
  if (at >= f.mantissa_bits || kind === "inf" || kind === "nan") return null;
  return scaleOf(f, bits) + at - f.mantissa_bits;
}

export const partOf = (f, at) =>
  at >= f.exponent_bits + f.mantissa_bits ? "sign" : at >= f.mantissa_bits ? "exponent" : "mantissa";

/** The pattern as a sum: "1.1001₂ × 2⁻⁴ = 1.5625 × 0.0625 = 0.09765625", or why it is no number. */
export function equation(f, bits) {
  const { negative, mantissa } = split(f, bits),
    kind = kindOf(f, bits);
  if (kind === "inf") return "exponent all ones, mantissa zero: infinity";
  if (kind === "nan") return nanWords(f, mantissa);
  const scale = scaleOf(f, bits),
    hidden = kind === "normal" ? 1 : 0;
  const digits = mantissa
    .toString(2)
    .padStart(f.mantissa_bits, "0")
    .replace(/(?<=.{24}).+/, "…");
  const significand = finite(BigInt(hidden) * two(f.mantissa_bits) + mantissa, two(f.mantissa_bits), false);
  const sign = negative ? "−" : "",
    written = f.mantissa_bits ? `${hidden}.${digits}₂` : "1";
  const product = `${sign}${short(significand, 10)} × ${short(power(scale), 8)}`;
  return `${sign}${written} × 2${raised(scale)} = ${product} = ${short(decode(f, bits), 12)}`;
}

function nanWords(f, mantissa) {
  if (f.specials === "fnuz") return "the pattern of −0 is this format's NaN";
  const quiet = mantissa >> BigInt(Math.max(f.mantissa_bits - 1, 0)) ? ", quiet" : ", signalling";
  return `reserved: not a number${f.specials === "ieee" ? quiet : ""}`;
}

/** What was lost between the number entered and the one that is stored. */
export function errorWords(f, value, entered) {
  if (entered.kind !== "finite" || value.kind !== "finite") return lossWords(value, entered);
  const difference = minus(value, entered);
  if (difference.n === 0n) return "0: the number is one of the format's own";
  const size = { ...difference, negative: false },
    spacing = power(steps(f, entered).power);
  const ulps = finite(size.n * spacing.d, size.d * spacing.n);
  const relative = finite(100n * size.n * entered.d, size.d * entered.n, false);
  const share = isZero(entered) ? "" : `, ${short(relative, 3)} % of the number`;
  return `${difference.negative ? "" : "+"}${short(difference, 4)}: ${short(ulps, 3)} of the spacing${share}`;
}

function lossWords(value, entered) {
  if (entered.kind === value.kind) return "none to speak of";
  if (value.kind === "inf") return "infinite: the number is too large for this format";
  return value.kind === "nan" ? "lost: not a number any more" : "saturated: infinity became the largest number";
}

/** "; the spacing here is 2⁻⁷", where there is one. */
export function spacingWords(f, bits) {
  const x = decode(f, bits);
  return x.kind === "finite" ? `; the spacing here is 2${raised(steps(f, x).power)}` : "";
}

/** Why a mode takes the neighbour that it takes. */
export function why(rest, below, mode, negative, beyond) {
  if (mode === "stochastic") return `a coin that shows “up” ${(100 * ratio(rest)).toFixed(1)} % of the time`;
  if (beyond && !towardZero(mode, negative)) return "and past the largest the policy decides";
  const half = againstHalf(rest);
  if (mode !== "nearest_even" && mode !== "ties_away")
    return towardZero(mode, negative) ? "what is cut off is dropped" : "something is left, so one step away from zero";
  if (half < 0) return "guard 0: less than halfway";
  if (half > 0) return "guard 1 and more: past halfway";
  if (mode === "ties_away") return "a tie: away from zero";
  const odd = below % 2n === 1n;
  return odd ? "a tie: the kept digits end in 1, so up to even" : "a tie: the kept digits end in 0, so they stay";
}

/** The reading line for a number that is drawn. */
export function sayNumber({ f, bits, value, entered, rounded }) {
  if (value.kind === "finite") {
    const is = rounded ? "stored as" : "exactly";
    return `${short(entered, 10)} is ${is} ${short(value, 10)} in ${f.name}${spacingWords(f, bits)}.`;
  }
  if (entered.kind !== "finite") return `${short(value)} in ${f.name}: ${equation(f, bits)}.`;
  const unsigned = entered.negative && !f.signed && !isZero(entered);
  const reason = unsigned ? `is negative, and ${f.name} has no sign` : `is too large for ${f.name}`;
  return `${short(entered)} ${reason}: it becomes ${short(value)}.`;
}
