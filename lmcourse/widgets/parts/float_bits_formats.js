// FloatBits' comparisons: the digits of one number in several formats, in columns of equal weight; and the ranges of
// all formats on one axis.
import { h, s } from "../lib/elements.js";
import { raised } from "../lib/numbers.js";
import { binary, decode, encode, floorLog2, isZero, log2, nick, short } from "../rules/floats.js";
import { digitsOf, reachOf } from "../rules/number_line.js";

const COLUMNS = 30;
const AXIS = { low: -160, high: 136 };

/**
 * What becomes of a number in a format: its digits, or in words why it has none there.
 * @returns {any}
 */
function storedIn(f, x, { rounding, overflow }, high) {
  const mode = rounding === "stochastic" ? "nearest_even" : rounding;
  let bits;
  try {
    bits = encode(f, x, mode, overflow);
  } catch (error) {
    return { words: error.message, value: "" };
  }
  const y = decode(f, bits);
  if (y.kind !== "finite") {
    const unsigned = x.negative && !f.signed && !isZero(x);
    return { words: unsigned ? "no sign here: NaN" : `too large here: ${short(y)}`, value: short(y) };
  }
  const { top, last, hidden } = digitsOf(f, bits, y);
  const saturated = y.n !== 0n && x.n !== 0n && floorLog2(y) < floorLog2(x) - 1;
  const value = short(y, 6);
  if (isZero(x)) return { words: "0", value };
  if (y.n === 0n) return { words: "too small here: 0", value };
  if (saturated) return { words: "too large here: saturated", value };
  if (top > high) return { words: "too small here: the smallest there is", value };
  return { y, top, last, hidden, value };
}

function digitCells(digits, columns, { top, last, hidden }) {
  return columns.map((weight, i) => {
    const here = weight <= top && weight >= last;
    const look = weight === hidden ? "lmc-fb-hidden" : "lmc-fb-on";
    return h("td", { class: here ? look : "lmc-fb-off", "data-weight": weight }, here ? digits[i] : "");
  });
}

function formatRow(f, x, columns, policy, chosen) {
  const [high, low] = [columns[0], columns.at(-1)];
  const stored = storedIn(f, x, policy, high);
  const cells = stored.words
    ? h("td", { colspan: COLUMNS, class: "lmc-fb-note" }, stored.words)
    : digitCells(binary(stored.y, high, low).digits, columns, stored);
  const head = h("th", { scope: "row" }, chosen ? `▸ ${nick(f.name)}` : nick(f.name));
  return h("tr", { "aria-current": chosen ? "true" : null }, head, cells, h("td", {}, stored.value));
}

function weightRow(columns) {
  const cells = columns.map((w, i) => {
    const text = `2${raised(w)}`;
    return h("th", { scope: "col", class: "lmc-fb-weight" }, i % 5 === 0 ? text : h("span", { class: "lmc-sr" }, text));
  });
  return h("tr", {}, h("th", { scope: "col" }, "weight"), cells, h("th", { scope: "col" }, "stored"));
}

/** A row of digits for each format, below those of the number itself; each column is one power of two. */
export function digitTable(x, formats, chosen, policy) {
  const high = isZero(x) ? 0 : floorLog2(x) + 1,
    columns = Array.from({ length: COLUMNS }, (_, i) => high - i),
    exact = binary(x, high, columns.at(-1));
  const first = h(
    "tr",
    { class: "lmc-fb-exact" },
    h("th", { scope: "row" }, "exact"),
    [...exact.digits].map((digit, i) => h("td", { "data-weight": columns[i] }, digit)),
    h("td", {}, exact.more ? "goes on" : "ends"),
  );
  const rows = formats.map((f) => formatRow(f, x, columns, policy, f.name === chosen));
  return h("table", { class: "lmc-fb-table" }, h("thead", {}, weightRow(columns)), h("tbody", {}, first, rows));
}

const scrolling = (label, ...content) =>
  h("div", { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": label }, content);

/** The tab All formats. */
export function allFormats({ entered, f }, formats, policy) {
  if (entered.kind !== "finite")
    return [h("p", {}, "Infinity and NaN have no digits to line up. Enter a finite number to compare the formats.")];
  const words = "Each column is one power of two; a row shows the digits that the format keeps.";
  const table = digitTable(entered, formats, f.name, policy);
  return [h("p", { class: "lmc-muted" }, words), scrolling("the digits of the number in every format", table)];
}

const heldIn = (e) => Math.max(AXIS.low, Math.min(AXIS.high, e));

/** One format's bar: its normal numbers, and thinner its subnormal ones. */
function rangeBar(f, y, at) {
  const { least, normal, most } = reachOf(f);
  const past = `from 2${raised(least)} to 2${raised(Math.round(most))}: past both ends of this axis`;
  const thin = { x: at(least), y: y + 3, width: Math.max(1, at(normal) - at(least)), height: 6 };
  return [
    s("text", { x: 0, y: y + 10 }, nick(f.name)),
    s("rect", { class: "lmc-fb-normal", x: at(normal), y, width: Math.max(2, at(most) - at(normal)), height: 12 }),
    most > 200 ? s("text", { x: at(-60), y: y + 10 }, past) : null,
    least < normal ? s("rect", { class: "lmc-fb-sub", ...thin }) : null,
  ];
}

/** The tab Ranges. */
export function ranges({ entered }, formats, width) {
  const left = 76,
    height = formats.length * 20 + 46,
    at = (e) => left + ((heldIn(e) - AXIS.low) / (AXIS.high - AXIS.low)) * (width - left - 8);
  const where = entered.kind !== "finite" || isZero(entered) ? null : heldIn(log2(entered));
  const place = where === null ? "" : ` The number lies at 2 to the ${where.toFixed(1)}.`;
  const ticks = [-149, -126, -64, -24, 0, 16, 64, 128].map((e) =>
    s("text", { x: at(e), y: height - 4, "text-anchor": "middle" }, `2${raised(e)}`),
  );
  const here = [
    s("line", { class: "lmc-fb-here", x1: at(where), x2: at(where), y1: 14, y2: height - 18 }),
    s("text", { x: at(where), y: 10, "text-anchor": "middle" }, "here"),
  ];
  const size = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "lmc-fb-windows" };
  const bars = formats.map((f, i) => rangeBar(f, 20 + i * 20, at));
  const label = `Ranges on an axis of powers of two.${place}`;
  const svg = s("svg", { ...size, "aria-label": label }, bars, ticks, where === null ? null : here);
  const words = "From the least to the largest number of each format; the thin orange part is subnormal.";
  return [h("p", { class: "lmc-muted" }, words), scrolling("ranges of the formats", svg)];
}
