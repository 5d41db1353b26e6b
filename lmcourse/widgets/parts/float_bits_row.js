// FloatBits' bits: one button each, in columns that never move. A format of up to 32 bits fills columns that all share,
// so that bf16 is seen to be fp32 with its tail cut off; a longer one takes more rows. A click flips, a drag paints.
import { help } from "../lib/controls.js";
import { change, h } from "../lib/elements.js";
import { roving } from "../lib/roving.js";
import { width } from "../rules/floats.js";
import { fieldWords, partOf, worth } from "./float_bits_words.js";

const GRID = { E: 8, M: 23 }; // columns of exponent and mantissa: float32's
const NAMES = { S: "sign", E: "exponent", M: "mantissa" };
const HELP = {
  E: "The exponent says which power of two the number begins with: its bits, read as a whole number, minus the bias.",
  M: "The mantissa holds the binary digits after the leading 1, which is not stored: it is always there.",
};

/** The fields of a format, each with its bits from the top down, and the columns that stay free before them. */
export function fieldsOf(f) {
  const counts = { S: Number(f.signed), E: f.exponent_bits, M: f.mantissa_bits };
  let at = width(f);
  return Object.entries(counts)
    .map(([letter, count]) => {
      at -= count;
      const bits = Array.from({ length: count }, (_, i) => at + count - 1 - i);
      return { letter, bits, free: letter === "E" ? Math.max(0, GRID.E - count) : 0 };
    })
    .filter(({ letter, bits }) => bits.length || letter === "S");
}

/** Does a format fit the columns of float32? */
export const fitsGrid = (f) => f.exponent_bits <= GRID.E && f.mantissa_bits <= GRID.M;

const nameOf = (letter) => (HELP[letter] ? help(NAMES[letter], HELP[letter]) : h("span", {}, NAMES[letter]));

function fieldNode({ letter, bits, free }) {
  const cells = bits.map((at) =>
    h("button", { type: "button", class: `lmc-fb-bit lmc-fb-${letter}`, "data-at": at, tabindex: -1 }),
  );
  const meaning = h("span", { class: "lmc-fb-meaning", "data-part": letter });
  const caption = bits.length ? [h("b", {}, letter), " ", nameOf(letter), " ", meaning] : [];
  return h(
    "div",
    { class: `lmc-fb-group lmc-fb-group-${letter}`, style: `--free: ${free}` },
    h("div", { class: "lmc-fb-cells" }, cells),
    h("div", { class: "lmc-fb-caption" }, caption),
  );
}

function drawCell(cell, f, bits, hidden) {
  const at = Number(cell.dataset.at),
    on = (bits >> BigInt(at)) & 1n,
    name = partOf(f, at),
    value = hidden ? "hidden" : `value ${on}`;
  const text = hidden ? "?" : String(on);
  if (cell.textContent !== text) cell.textContent = text;
  const words = worth(f, bits, at);
  change(cell, {
    "aria-pressed": on === 1n && !hidden,
    "aria-label": `bit ${at}, ${name}, ${value}${words}`,
    title: `bit ${at}, ${name}${words}`,
  });
}

/** Flip by click, paint by drag: `flip(cell, on)` is called for each bit that the pointer meets. A finger only taps. */
function paint(el, flip) {
  let to = null,
    painted = false; // the click that follows has been done
  const bitOf = (target) => target?.closest?.(".lmc-fb-bit");
  const isOn = (cell) => cell.getAttribute("aria-pressed") === "true";
  const end = () => {
    to = null;
  };
  el.addEventListener("pointerdown", (event) => {
    const cell = bitOf(event.target);
    painted = Boolean(cell) && event.button === 0 && event.pointerType !== "touch";
    if (!painted) return;
    to = !isOn(cell);
    flip(cell, to);
    if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
  });
  el.addEventListener("pointermove", (event) => {
    if (to === null) return;
    if (event.buttons === 0) return end();
    const under = bitOf(document.elementFromPoint(event.clientX, event.clientY));
    if (under && el.contains(under)) flip(under, to);
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) el.addEventListener(name, end);
  el.addEventListener("click", (event) => {
    const cell = bitOf(event.target),
      done = painted && event.detail !== 0; // the keyboard's click has no detail
    painted = false;
    if (cell && !done) flip(cell, !isOn(cell));
  });
}

/**
 * The row of bits.
 * @param {{ flip: (at: number, on: boolean) => void, step: (direction: number) => void, say: (words: string) => void,
 *   light: (at: number | null) => void }} on
 *   what a bit set, Page Up or Page Down, a bit that gets the focus, and one that is pointed at do
 */
export function bitsRow(on) {
  const el = h("div", { class: "lmc-fb-bits", role: "group", "aria-label": "bits" });
  const rover = roving(el, ".lmc-fb-bit", { onfocus: (cell) => on.say(cell.getAttribute("aria-label")) });
  const flip = (cell, to) => on.flip(Number(cell.dataset.at), to);
  const light = (event) => {
    const cell = event.target.closest?.(".lmc-fb-bit");
    on.light(cell ? Number(cell.dataset.at) : null);
  };
  let laid = "";
  for (const name of ["pointerover", "focusin"]) el.addEventListener(name, light);
  for (const name of ["pointerleave", "focusout"]) el.addEventListener(name, () => on.light(null));
  paint(el, flip);
  el.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".lmc-fb-bit");
    if (!cell) return;
    if (event.key === "0" || event.key === "1") flip(cell, event.key === "1");
    const direction = { PageUp: 1, PageDown: -1 }[event.key];
    if (!direction) return;
    on.step(direction);
    event.preventDefault();
  });

  /** Rebuilt only when the format changes, so that a drag goes on over the bits. */
  function lay(f) {
    laid = f.name;
    el.replaceChildren(...fieldsOf(f).map(fieldNode));
    el.classList.toggle("lmc-fb-two-rows", !fitsGrid(f));
    rover.refresh(0);
  }
  return {
    el,
    draw(f, bits, hidden) {
      if (laid !== f.name) lay(f);
      for (const cell of el.querySelectorAll(".lmc-fb-bit")) drawCell(cell, f, bits, hidden);
      const words = fieldWords(f, bits);
      for (const span of el.querySelectorAll(".lmc-fb-meaning"))
        span.textContent = hidden ? "" : words[span.dataset.part];
    },
  };
}
