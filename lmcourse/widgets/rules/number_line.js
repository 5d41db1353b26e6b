// Where the numbers of a format lie: all of them on a line of powers of two, and the nearest ones to scale. Exact until
// the last step, which makes a place for a picture.
import {
  codeOf,
  decode,
  finite,
  floorLog2,
  isZero,
  kindOf,
  log2,
  magnitudeBits,
  maxCode,
  minExponent,
  minus,
  signBit,
  signed,
  steps,
  two,
} from "./floats.js";

/** How many numbers lie between 0 and this one, negative below 0; null for NaN. (e8m0's first number is its 0th.) */
export function ordinalOf(f, bits) {
  if (kindOf(f, bits) === "nan") return null;
  const magnitude = bits & (two(magnitudeBits(f)) - 1n);
  return (bits & signBit(f)) !== 0n ? -magnitude : magnitude;
}

/** The code of the `n`-th number from 0; null where the format ends. An infinity is the number after the last. */
export function codeAt(f, n) {
  if (n < 0n && !f.signed) return null;
  const magnitude = n < 0n ? -n : n,
    last = maxCode(f) + (f.specials === "ieee" ? 1n : 0n);
  if (magnitude > last) return null;
  return n < 0n ? magnitude | signBit(f) : magnitude;
}

/** A code's number; an infinity lies one spacing past the largest. */
function placed(f, code) {
  const x = decode(f, code);
  if (x.kind !== "inf") return x;
  const most = decode(f, maxCode(f)),
    { power } = steps(f, most);
  const spacing = finite(two(Math.max(power, 0)), two(Math.max(-power, 0)));
  const n = most.n * spacing.d + spacing.n * most.d;
  return finite(n, most.d * spacing.d, x.negative);
}

const toNumber = (x) => Number((signed(x) * two(30)) / x.d) / 2 ** 30;

/**
 * a/b of two finite numbers, for a picture; at most 10⁶ either way.
 * @type {(a: import("./floats.js").Exact, b: import("./floats.js").Exact) => number}
 */
function share(a, b) {
  const far = a.n * b.d > 1000000n * b.n * a.d;
  if (far) return a.negative ? -1e6 : 1e6;
  return toNumber(finite(signed(a) * b.d, a.d * b.n));
}

/**
 * The neighbourhood of a code: its numbers with their distance from it, 1 being the wider of the two gaps beside it;
 * and the distance of the number that was entered, null where that is no place.
 * @returns {{ numbers: { n: number, code: bigint, at: number }[], entered: number | null } | null} null for NaN
 */
export function neighbourhood(f, bits, entered, reach = 3) {
  const here = ordinalOf(f, bits);
  if (here === null) return null;
  const middle = placed(f, bits);
  const found = [];
  for (let n = -reach; n <= reach; n += 1) {
    const code = codeAt(f, here + BigInt(n));
    if (code !== null) found.push({ n, code, away: minus(placed(f, code), middle) });
  }
  const gaps = found.filter(({ n }) => Math.abs(n) === 1).map(({ away }) => ({ ...away, negative: false }));
  const gap = gaps.reduce((a, b) => (a.n * b.d >= b.n * a.d ? a : b));
  return {
    numbers: found.map(({ n, code, away }) => ({ n, code, at: share(away, gap) })),
    entered: enteredAt(entered, middle, gap),
  };
}

function enteredAt(entered, middle, gap) {
  if (entered.kind === "nan") return null;
  if (entered.kind === "inf") return entered.negative ? -1e6 : 1e6;
  return share(minus(entered, middle), gap);
}

/** The powers of two that a format reaches: the least of its numbers, where subnormals end, and the largest. */
export function reachOf(f) {
  const normal = minExponent(f);
  return { least: f.subnormals ? normal - f.mantissa_bits : normal, normal, most: log2(decode(f, maxCode(f))) };
}

/**
 * Where a number lies on a line from the lowest to the largest, 0 to 1: equal steps for equal factors, negative ones
 * left of the middle, what is between 0 and the least number in the middle. null for NaN.
 */
export function lineAt(f, x) {
  if (x.kind === "nan") return null;
  const { least, most } = reachOf(f);
  const size = x.kind === "inf" ? 1 : isZero(x) ? 0 : (log2(x) - least + 1) / (most - least + 1);
  const part = Math.min(1, Math.max(0, size));
  if (!f.signed) return part;
  return 0.5 + (x.negative ? -part : part) / 2;
}

/** The two numbers of a format that a number lies between, toward 0 and away from it, with what decides. */
export function bracket(f, x) {
  const { power, below, rest } = steps(f, x);
  const code = { low: codeOf(f, power, below), high: codeOf(f, power, below + 1n) };
  const value = (each, count) =>
    each > maxCode(f)
      ? finite(count << BigInt(Math.max(power, 0)), two(Math.max(-power, 0)), x.negative)
      : { ...decode(f, each), negative: x.negative };
  return {
    code,
    below,
    rest,
    low: value(code.low, below),
    high: value(code.high, below + 1n),
    exact: rest.n === 0n && code.low <= maxCode(f),
    beyond: code.high > maxCode(f),
  };
}

/** The binade of a number: the exponent of its leading bit, and that of its last one in the format. */
export function digitsOf(f, bits, y) {
  const normal = kindOf(f, bits) === "normal";
  const top = y.n === 0n ? minExponent(f) : normal ? floorLog2(y) : minExponent(f) - 1;
  return { top, last: (normal ? top : minExponent(f)) - f.mantissa_bits, hidden: normal ? top : null };
}
