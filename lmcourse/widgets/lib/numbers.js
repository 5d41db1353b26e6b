// Numbers as a reader wants them: grouped, with powers, prefixes and units. Every text of a number in a widget comes
// from here (exact ones of a format from rules/floats.js). Pure, so node tests it.

/** `value`, or the end of the range that it passed. */
export const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

/** 1234567 → "1 234 567", a whole number grouped by thin spaces. */
export const grouped = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");

/** 3, "page" → "3 pages"; an irregular plural is the third argument. */
export const plural = (n, word, words = `${word}s`) => `${grouped(n)} ${n === 1 ? word : words}`;

/** −12 → "⁻¹²", for powers. */
export const raised = (n) => [...String(n)].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)])).join("");

/** 1234 → "1.23 × 10³", with all its digits. */
export function scientific(x, digits = 3) {
  if (!Number.isFinite(x)) return short(x);
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  return `${mantissa.replace("-", "−")} × 10${raised(Number(exponent))}`;
}

/** At most `digits` digits and no zeros behind them: 0.05, 12.3, 4 × 10⁻⁵. What JSON has null for is "not finite". */
export function short(x, digits = 3) {
  if (x === null || x === undefined || Number.isNaN(x)) return "not finite";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const rounded = Number(x.toPrecision(digits)),
    size = Math.abs(rounded);
  if (rounded === 0 || (size >= 1e-3 && size < 1e4)) return String(rounded).replace("-", "−");
  const [mantissa, exponent] = rounded.toExponential().split("e");
  return `${mantissa.replace("-", "−")} × 10${raised(Number(exponent))}`;
}

/** Three digits, zeros too, so that a number keeps its width: 1.00, 12.3, 295. */
export const three = (x) => (x >= 99.95 ? x.toFixed(0) : x >= 9.995 ? x.toFixed(1) : x.toFixed(2));

/** 0.123 → "12.3 %"; more than nothing is never "0.0 %". */
export function percent(share, decimals = 1) {
  if (!Number.isFinite(share)) return "not finite";
  if (share === 0) return "0 %";
  if (share > 0 && share < 0.5 * 10 ** (-2 - decimals)) return `under ${10 ** -decimals} %`;
  return `${(100 * share).toFixed(decimals)} %`;
}

/** A value with the largest of these prefixes that leaves 1 or more; "999.6 M" becomes "1.00 G". */
function withPrefix(value, prefixes, base) {
  const turns = (k) => 0.9995 * base ** k;
  const k = Math.max(
    0,
    prefixes.findLastIndex((_, each) => value >= turns(each)),
  );
  return `${three(value / base ** k)} ${prefixes[k]}`;
}

/** 989.4e12, "FLOP/s" → "989 TFLOP/s"; from nano to peta. */
export function si(value, unit) {
  const small = value > 0 && value < 0.9995;
  return (
    (small ? withPrefix(value * 1e9, ["n", "µ", "m"], 1000) : withPrefix(value, ["", "k", "M", "G", "T", "P"], 1000)) +
    unit
  );
}

/** 16e9 → "16.0 GB", or "14.9 GiB" where `binary`. */
export const bytes = (n, binary = false) =>
  binary
    ? withPrefix(n, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 1024)
    : withPrefix(n, ["B", "kB", "MB", "GB", "TB", "PB"], 1000);

/** 70.6e9 → "70.6 billion". */
export const inWords = (n) =>
  withPrefix(n, ["", "thousand", "million", "billion", "trillion", "quadrillion"], 1000).trim();
