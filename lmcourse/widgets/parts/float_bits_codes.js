// FloatBits' tab Every code: all numbers of a small format in one table; of a larger one, where this number lies in the
// plane of exponent and significand.
import { h, s } from "../lib/elements.js";
import { grouped, raised } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import {
  decode,
  kindOf,
  maxCode,
  minExponent,
  nick,
  ratio,
  short,
  signBit,
  split,
  two,
  width,
} from "../rules/floats.js";

const MOST = 128; // codes of one sign that fit a table
const fits = (f) => 2 ** (f.exponent_bits + f.mantissa_bits) <= MOST;

function codeCell(f, code, bits) {
  const look = {
    role: "gridcell",
    "aria-selected": String(code === bits),
    class: `lmc-fb-code lmc-fb-is-${kindOf(f, code)}`,
    tabindex: -1,
    "data-code": `0x${code.toString(16)}`,
  };
  return h("td", look, short(decode(f, code), 5));
}

/** A row for each exponent, a column for each mantissa. */
function codeTable(f, bits) {
  const rows = 2 ** f.exponent_bits,
    columns = Array.from({ length: 2 ** f.mantissa_bits }, (_, m) => m),
    base = bits & signBit(f);
  const head = columns.map((m) =>
    h(
      "th",
      { scope: "col", role: "columnheader" },
      f.mantissa_bits ? `.${m.toString(2).padStart(f.mantissa_bits, "0")}` : "1",
    ),
  );
  const body = Array.from({ length: rows }, (_, i) => {
    const e = rows - 1 - i,
      name = h("th", { scope: "row", role: "rowheader" }, e.toString(2).padStart(f.exponent_bits, "0"));
    const cells = columns.map((m) => codeCell(f, base | (BigInt(e) << BigInt(f.mantissa_bits)) | BigInt(m), bits));
    return h("tr", { role: "row" }, name, cells);
  });
  const label = `all ${base ? "negative" : "positive"} codes of ${f.name}`;
  const corner = h("th", { scope: "col", role: "columnheader" }, "exponent");
  return h(
    "table",
    { class: "lmc-fb-plane", role: "grid", "aria-label": label },
    h("thead", {}, h("tr", { role: "row" }, corner, head)),
    h("tbody", {}, body),
  );
}

const PLANE = { height: 236, left: 64, bottom: 200, top: 16 };

/** The plane's ground: a line for each binade, and words for the ends and for 1. */
function planeGround(f, top, w) {
  const y = (e) => PLANE.bottom - (e / top) * (PLANE.bottom - PLANE.top),
    right = w - 16;
  const tick = (e, text) => [
    s("line", { x1: PLANE.left - 5, x2: right, y1: y(e), y2: y(e), class: "lmc-fb-binade" }),
    s("text", { x: PLANE.left - 8, y: y(e) + 4, "text-anchor": "end" }, text),
  ];
  const along = (x, text) => s("text", { x, y: 220, "text-anchor": "middle" }, text);
  return [
    Array.from({ length: Math.min(top, 31) }, (_, i) => tick(top <= 31 ? i : (i * top) / 31, "")),
    tick(top, `2${raised(top - f.bias)}`),
    f.bias > 0 && f.bias < top ? tick(f.bias, "2⁰ = 1") : null,
    tick(0, "0, sub"),
    along(PLANE.left, "1.0"),
    along((PLANE.left + right) / 2, "1.5"),
    along(right, "2.0"),
    s("text", { x: (PLANE.left + w) / 2 + 90, y: 234, "text-anchor": "middle" }, "significand"),
  ];
}

function plane({ f, bits, value }, w) {
  const { exponent, mantissa } = split(f, bits),
    top = split(f, maxCode(f)).exponent,
    part = ratio({ n: mantissa, d: two(f.mantissa_bits) });
  const x = PLANE.left + part * (w - PLANE.left - 16),
    y = PLANE.bottom - (exponent / top) * (PLANE.bottom - PLANE.top);
  const scale = kindOf(f, bits) === "normal" ? exponent - f.bias : minExponent(f),
    through = `${(100 * part).toFixed(2)} percent of the way through it`,
    label = `${short(value)} lies in the binade of 2${raised(scale)}, ${through}.`;
  const size = { viewBox: `0 0 ${w} ${PLANE.height}`, width: w, height: PLANE.height, role: "img" };
  const svg = s(
    "svg",
    { ...size, "aria-label": label, class: "lmc-fb-planeplot" },
    planeGround(f, top, w),
    s("line", { x1: x, x2: x, y1: y, y2: PLANE.bottom, class: "lmc-fb-drop" }),
    s("circle", { cx: x, cy: y, r: 6, class: "lmc-fb-mean" }),
    s("text", { x: Math.min(x + 10, w - 110), y: Math.max(y - 10, 12) }, short(value, 8)),
  );
  const box = { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": "the significand-exponent plane" };
  return [h("div", box, svg), h("p", {}, label)];
}

/** @param {{ choose: (code: bigint) => void, format: (name: string) => void }} on  a code, or a small format, chosen */
export function codesTab(on) {
  const el = h("div", { class: "lmc-fb-codes" });
  let columns = 1;
  const rover = roving(el, ".lmc-fb-code", { columns: () => columns });
  const pick = (event) => {
    const cell = event.target.closest?.(".lmc-fb-code");
    if (!cell || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    on.choose(BigInt(cell.dataset.code));
  };
  el.addEventListener("click", pick);
  el.addEventListener("keydown", pick);

  function table({ f, bits }) {
    const { negative, exponent, mantissa } = split(f, bits),
      held = el.contains(document.activeElement);
    const words = `Every ${negative ? "negative" : "positive"} code of ${nick(f.name)}`;
    columns = 2 ** f.mantissa_bits;
    el.replaceChildren(
      h("p", { class: "lmc-muted" }, `${words}: a row is a binade, in which the numbers are evenly spaced. Click one.`),
      h("div", { class: "lmc-scroll" }, codeTable(f, bits)),
    );
    const row = 2 ** f.exponent_bits - 1 - exponent;
    rover.refresh(row * columns + Number(mantissa), held);
  }

  function large(now, w) {
    const count = grouped(two(width(now.f)));
    const small = h("button", { type: "button", onclick: () => on.format("float8_e4m3fn") }, "Show e4m3fn’s table");
    const many = `${nick(now.f.name)} has ${count} codes, too many for a table.`,
      words = `${many} Up: the binade. Right: how far through it.`;
    const outside = `${short(now.value)} lies outside the plane, in the row of the reserved exponent.`;
    const picture = now.value.kind === "finite" ? plane(now, w) : [h("p", {}, outside)];
    el.replaceChildren(h("p", { class: "lmc-muted" }, words, " ", small), ...picture);
  }
  return { el, draw: (now, w) => (fits(now.f) ? table(now) : large(now, w)) };
}
