// FloatBits' number line. Above, all that the format reaches, on a line of powers of two, with a marker that slides
// when a bit flips. Below, to scale, the stored number between its two neighbours, and the number that was entered.
import { change, h, s, write } from "../lib/elements.js";
import { moving, still, MOVE } from "../lib/motion.js";
import { raised } from "../lib/numbers.js";
import { decode, finite, maxCode, short } from "../rules/floats.js";
import { codeAt, lineAt, neighbourhood, ordinalOf, reachOf } from "../rules/number_line.js";

const HEIGHT = 106,
  RANGE = 18, // where the line of all numbers lies
  LENS = 68; // where the neighbourhood lies
const ONE = finite(1n, 1n);

/** Pixels: the ends of the line, and of one gap in the neighbourhood. */
const sizesOf = (width) => ({ left: 8, right: width - 8, middle: width / 2, gap: width * 0.3, narrow: width < 480 });

const placeOf = ({ left, right }, share) => left + share * (right - left);

/** The line of all numbers, with its ends, 1 and 0. */
function rangeNodes(f, size) {
  const { least, normal, most } = reachOf(f),
    top = decode(f, maxCode(f)),
    at = (x) => placeOf(size, lineAt(f, x));
  const ends = [
    { x: top, text: short(top, size.narrow && most > 17 ? 2 : 5), anchor: "end" },
    { x: ONE, text: size.narrow ? "" : "1", anchor: "middle" },
    { x: finite(0n, 1n), text: f.signed ? "0" : `2${raised(least)}`, anchor: f.signed ? "middle" : "start" },
  ];
  if (f.signed)
    ends.push({ ...ends[0], x: { ...ends[0].x, negative: true }, text: `−${ends[0].text}`, anchor: "start" });
  if (f.signed) ends.push({ x: { ...ONE, negative: true }, text: size.narrow ? "" : "−1", anchor: "middle" });
  const sub = ((normal - least + 1) / (most - least + 1) / (f.signed ? 2 : 1)) * (size.right - size.left);
  const zero = at(finite(0n, 1n));
  return [
    s("line", { x1: size.left, x2: size.right, y1: RANGE, y2: RANGE, class: "lmc-fb-axis" }),
    s("rect", {
      x: f.signed ? zero - sub : zero,
      y: RANGE - 3,
      height: 6,
      width: f.signed ? 2 * sub : sub,
      class: "lmc-fb-sub",
    }),
    ...ends.flatMap(({ x, text, anchor }) => [
      s("line", { x1: at(x), x2: at(x), y1: RANGE - 5, y2: RANGE + 5, class: "lmc-fb-axis" }),
      s("text", { x: at(x), y: RANGE + 18, "text-anchor": anchor, class: "lmc-fb-quiet" }, text),
    ]),
  ];
}

/** The numbers around the stored one, to scale, and a tick halfway between neighbours. */
function lensNodes({ numbers }, size) {
  const at = (place) => size.middle + place * size.gap;
  const sorted = [...numbers].sort((a, b) => a.at - b.at);
  const halves = sorted.slice(1).map((each, i) => (each.at + sorted[i].at) / 2);
  return [
    ...halves.map((place) =>
      s("line", { x1: at(place), x2: at(place), y1: LENS - 3, y2: LENS + 3, class: "lmc-fb-half" }),
    ),
    ...sorted.map(({ n, at: place }) =>
      s("circle", { cx: at(place), cy: LENS, r: n ? 5 : 8, class: n ? "lmc-fb-end" : "lmc-fb-chosen" }),
    ),
  ];
}

/** The words under the neighbours; where one is nearer than its words are wide, they keep away from the middle. */
function lensWords(f, { numbers }, size) {
  const away = size.gap * 0.8;
  return [-1, 0, 1].flatMap((n) => {
    const here = numbers.find((each) => each.n === n);
    if (!here) return [];
    const x = size.middle + n * Math.max(away, Math.abs(here.at) * size.gap);
    const look = { x, y: LENS + 26, "text-anchor": "middle", class: n ? "" : "lmc-fb-strong" };
    return [s("text", look, short(decode(f, here.code), size.narrow ? 4 : 9))];
  });
}

/** The number that was entered: a triangle above the line, at its edge where it lies farther out. */
function enteredNodes(place, words, size) {
  if (place === null) return [];
  const x = Math.min(size.right - 8, Math.max(size.left + 8, size.middle + place * size.gap));
  const room = Math.min(size.middle, 7 * words.length * 0.5 + 4);
  const text = { x: Math.min(size.right - room, Math.max(size.left + room, x)), y: LENS - 18, "text-anchor": "middle" };
  return [s("path", { d: `M ${x} ${LENS - 6} l -5 -8 h 10 z`, class: "lmc-fb-x" }), s("text", text, words)];
}

/** How far the neighbourhood came from: to the right for a smaller number, at most a gap and a half. */
function slideOf(f, before, bits) {
  if (before.f !== f.name || before.ordinal === null) return 0;
  const now = ordinalOf(f, bits);
  if (now === null || now === before.ordinal) return 0;
  const steps = Number(now - before.ordinal);
  return Math.sign(steps) * Math.min(1.5, Math.abs(steps));
}

/** The words of a button at the end of the line. */
const nextOf = (f, bits, direction) => {
  const here = ordinalOf(f, bits);
  return here === null ? null : codeAt(f, here + BigInt(direction));
};

/** @param {(direction: number) => void} step  what the arrows at the ends do */
export function numberLine(step) {
  const range = s("g", {}),
    marker = s("path", { d: `M 0 ${RANGE - 3} l -5 -10 h 10 z`, class: "lmc-fb-mark" }),
    beam = s("path", { class: "lmc-fb-beam" }),
    lens = s("g", {}),
    words = s("text", { y: LENS + 4, "text-anchor": "middle" });
  const axis = s("line", { y1: LENS, y2: LENS, class: "lmc-fb-axis" });
  const svg = s("svg", { class: "lmc-fb-line", role: "img", height: HEIGHT }, beam, range, marker, axis, lens, words);
  const arrow = (direction, sign, name) =>
    h(
      "button",
      {
        type: "button",
        class: "lmc-fb-step",
        "aria-label": name,
        title: `${name} (Page ${direction > 0 ? "Up" : "Down"} on a bit)`,
        onclick: () => step(direction),
      },
      sign,
    );
  const arrows = { "-1": arrow(-1, "◀", "next number down"), 1: arrow(1, "▶", "next number up") };
  let before = { f: "", ordinal: null, width: 0 },
    size = sizesOf(600);
  const slide = moving(({ x }) => {
    change(marker, { transform: `translate(${x.toFixed(1)} 0)` });
    change(beam, { d: `M ${x.toFixed(1)} ${RANGE + 4} L ${size.left} ${LENS - 2} H ${size.right} Z` });
  });

  function drawRange(f, value, width) {
    if (before.f !== f.name || before.width !== width) range.replaceChildren(...rangeNodes(f, size));
    const share = lineAt(f, value);
    for (const node of [marker, beam]) node.toggleAttribute("hidden", share === null);
    if (share !== null) slide[before.f === f.name ? "to" : "jump"]({ x: placeOf(size, share) });
  }

  function drawLens(f, bits, entered, typed) {
    const around = neighbourhood(f, bits, entered);
    axis.toggleAttribute("hidden", !around);
    const nothing = size.narrow ? "NaN has no place on the line" : "NaN has no place on the line, and no neighbours";
    write(words, around ? "" : nothing);
    const moved = slideOf(f, before, bits) * size.gap;
    if (!around) return lens.replaceChildren();
    const label = typed === null ? [] : enteredNodes(around.entered, `entered ${typed}`, size);
    lens.replaceChildren(...lensNodes(around, size), ...lensWords(f, around, size), ...label);
    if (!moved || still()) return;
    const from = { transform: `translateX(${moved}px)` };
    lens.animate([from, { transform: "none" }], { duration: MOVE, easing: "ease-in-out" });
  }

  return {
    el: h("div", { class: "lmc-fb-ruler" }, arrows["-1"], svg, arrows[1]),
    svg,
    /** `typed` is what the reader entered, in short, or null for bits. */
    draw({ f, bits, value, entered }, typed, width) {
      size = sizesOf(width);
      change(svg, { viewBox: `0 0 ${width} ${HEIGHT}`, width, "aria-label": labelOf(f, bits, value) });
      change(axis, { x1: size.left, x2: size.right });
      change(words, { x: size.middle });
      drawRange(f, value, width);
      drawLens(f, bits, entered, typed);
      for (const direction of [-1, 1])
        change(arrows[direction], { "aria-disabled": nextOf(f, bits, direction) === null });
      before = { f: f.name, ordinal: ordinalOf(f, bits), width };
    },
  };
}

function labelOf(f, bits, value) {
  if (value.kind === "nan") return "NaN has no place on the number line";
  const [low, high] = [-1, 1].map((direction) => nextOf(f, bits, direction));
  const name = (code) => (code === null ? "nothing" : short(decode(f, code)));
  return `${short(value)} on the number line of ${f.name}, between ${name(low)} and ${name(high)}`;
}
