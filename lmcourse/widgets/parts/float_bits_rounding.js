// FloatBits' tab Rounding: what is kept and what is cut off, what each mode makes of it, a thousand coins; and the
// prediction, for which the answer is hidden until a neighbour is chosen.
import { h, s } from "../lib/elements.js";
import {
  ROUNDINGS,
  binary,
  decode,
  encode,
  maxCode,
  minus,
  nick,
  randomStream,
  ratio,
  short,
  withSign,
} from "../rules/floats.js";
import { bracket } from "../rules/number_line.js";
import { MODES, why } from "./float_bits_words.js";

const COINS = 1000;
const PILE = { wide: 25, step: 4, floor: 168 };

const scrolling = (label, look, ...content) =>
  h("div", { class: `lmc-scroll ${look}`, tabindex: 0, role: "group", "aria-label": label }, content);

/** The kept digits, then what is cut off: guard, round, and whether anything is left. */
function trace({ below, rest }) {
  const guard = (2n * rest.n) / rest.d,
    round = ((4n * rest.n) / rest.d) % 2n,
    sticky = (4n * rest.n) % rest.d !== 0n;
  const tail = binary({ n: rest.n, d: rest.d }, -1, -18);
  const piece = (look, text, name) => h("span", {}, h("span", { class: look }, text), h("small", {}, name));
  const left = sticky ? "sticky 1: something is left" : "sticky 0: nothing is left";
  return h(
    "div",
    { class: "lmc-fb-trace lmc-mono" },
    piece("lmc-fb-kept", below.toString(2).replace(/^.+(?=.{26})/, "…"), "kept"),
    piece("lmc-fb-guard", String(guard), "guard"),
    piece("lmc-fb-round", String(round), "round"),
    piece("lmc-fb-tail", tail.digits.slice(2) + (tail.more ? "…" : ""), left),
  );
}

/** The two neighbours with the number between them; the one that is stored is ringed, unless it is to be predicted. */
function betweenLine({ f, entered, bits }, between, masked, w) {
  const t = ratio(between.rest),
    at = (u) => 70 + u * (w - 140),
    result = decode(f, bits);
  const ends = [
    { number: between.low, on: !masked && took(result, between.code.low, between.low, f) },
    { number: between.high, on: !masked && took(result, between.code.high, between.high, f) },
  ];
  const [left, right] = entered.negative ? ends.reverse() : ends,
    u = entered.negative ? 1 - t : t;
  const end = ({ number, on }, where) => [
    s("circle", { cx: at(where), cy: 40, r: on ? 8 : 5, class: on ? "lmc-fb-chosen" : "lmc-fb-end" }),
    s("text", { x: at(where), y: 72, "text-anchor": "middle" }, short(number, 9)),
  ];
  const far = `${(100 * t).toFixed(1)} percent of the way from ${short(between.low)} to ${short(between.high)}`;
  const label = `${short(entered)} lies ${far}`;
  const size = { viewBox: `0 0 ${w} 84`, width: w, height: 84, role: "img", class: "lmc-fb-between" };
  return s(
    "svg",
    { ...size, "aria-label": label },
    s("line", { x1: at(0), x2: at(1), y1: 40, y2: 40, class: "lmc-fb-axis" }),
    s("line", { x1: at(0.5), x2: at(0.5), y1: 30, y2: 50, class: "lmc-fb-axis" }),
    s("text", { x: at(0.5), y: 64, "text-anchor": "middle" }, "halfway"),
    end(left, 0),
    end(right, 1),
    s("path", { d: `M ${at(u)} 33 l -6 -12 h 12 z`, class: "lmc-fb-x" }),
    s("text", { x: Math.min(Math.max(at(u), 40), w - 40), y: 14, "text-anchor": "middle" }, short(entered, 10)),
  );
}

/** Is the stored number this neighbour? */
const took = (result, code, number, f) =>
  code <= maxCode(f) && result.kind === "finite" && minus(result, number).n === 0n;

/** What is said of a chosen neighbour. */
export function judge({ f, entered, bits }, mode, guess) {
  const between = bracket(f, entered),
    result = decode(f, bits),
    code = guess ? between.code.high : between.code.low;
  const past = result.kind !== "finite" || bits !== withSign(f, between.code.low, entered.negative);
  const right = code > maxCode(f) ? past : took(result, code, guess ? between.high : between.low, f);
  const reason = why(between.rest, between.below, mode, entered.negative, between.beyond);
  const words = `${right ? "Right" : "Not quite"}: ${short(result, 10)} is stored, ${reason}.`;
  return { text: words, tone: right ? "good" : "bad" };
}

/**
 * The question, which stands where the answer will be: which neighbour is stored?
 * @param {(guess: number) => void} guessed  what the choice of the lower (0) or upper (1) neighbour does
 */
export function questionOf(guessed) {
  const el = h("div", { class: "lmc-fb-question" });
  let asked = "";
  return {
    el,
    /** Ask about a number; with null there is nothing to ask. */
    draw(now, mode) {
      if (now === null) {
        asked = "";
        return el.replaceChildren();
      }
      const { f, entered } = now,
        between = bracket(f, entered),
        words = `Predict: ${short(entered, 14)}, rounded ${MODES[mode]}. Which neighbour is stored?`,
        key = `${f.name} ${between.code.low} ${words}`;
      if (key === asked) return;
      asked = key;
      const choices = [
        [between.low, between.code.low],
        [between.high, between.code.high],
      ];
      const buttons = choices.map(([number, code], i) => {
        const over = code > maxCode(f) ? " (too large)" : "";
        return h("button", { type: "button", "data-guess": i, onclick: () => guessed(i) }, short(number, 10) + over);
      });
      el.replaceChildren(h("p", {}, words), h("p", { class: "lmc-fb-steps" }, buttons));
    },
  };
}

function modeTable({ f, entered }, between, { rounding, overflow }) {
  const head = ["mode", "stored", "because"].map((text) => h("th", { scope: "col" }, text));
  const rows = ROUNDINGS.filter((name) => name !== "stochastic").map((name) => {
    const on = name === rounding,
      stored = short(decode(f, encode(f, entered, name, overflow)), 10);
    const reason = why(between.rest, between.below, name, entered.negative, between.beyond);
    const first = h("th", { scope: "row" }, (on ? "▸ " : "") + MODES[name]);
    return h("tr", { "aria-current": on ? "true" : null }, first, h("td", {}, stored), h("td", {}, reason));
  });
  return h("table", { class: "lmc-fb-modes" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
}

/** Two piles of dots, one for each neighbour, and where the mean of all lies between them. */
function coinPicture({ left, right, number, mean }, w, label) {
  const x0 = 70,
    x1 = w - 70,
    at = (u) => x0 + u * (x1 - x0),
    words = (u) => Math.min(Math.max(at(u), 150), w - 150);
  const pile = (count, first, step) =>
    Array.from(
      { length: count },
      (_, i) => `M${first + (i % PILE.wide) * step} ${PILE.floor - Math.floor(i / PILE.wide) * PILE.step}h0`,
    ).join("");
  const size = {
    viewBox: `0 0 ${w} 196`,
    width: w,
    height: 196,
    role: "img",
    "aria-label": label,
    class: "lmc-fb-dots",
  };
  return s(
    "svg",
    size,
    s("path", { d: pile(left, x0 - 44, PILE.step), class: "lmc-fb-dot-low" }),
    s("path", { d: pile(right, x1 + 44, -PILE.step), class: "lmc-fb-dot-high" }),
    s("line", { x1: x0, x2: x1, y1: 174, y2: 174, class: "lmc-fb-axis" }),
    s("path", { d: `M ${at(number)} 174 l -6 -12 h 12 z`, class: "lmc-fb-x" }),
    s("text", { x: words(number), y: 156, "text-anchor": "middle" }, "the number"),
    s("circle", { cx: at(mean), cy: 174, r: 4, class: "lmc-fb-mean" }),
    s("text", { x: words(mean), y: 192, "text-anchor": "middle" }, "mean of the thousand"),
  );
}

/** A thousand stochastic roundings of one number. */
function coins({ entered }, { rest }, seed, again, w) {
  const t = ratio(rest),
    toss = randomStream(seed);
  let ups = 0;
  for (let k = 0; k < COINS; k += 1) ups += toss() < t ? 1 : 0;
  const mean = ups / COINS,
    chance = Math.sqrt((t * (1 - t)) / COINS).toFixed(3);
  const text =
    `A thousand stochastic roundings: ${ups} go away from zero, ${COINS - ups} toward it; their mean is ` +
    `${Math.abs(mean - t).toFixed(3)} of a spacing from the number, and chance alone gives about ${chance}.`;
  const button = h("button", { type: "button", "data-again": true, onclick: again }, "Toss again");
  const piles = entered.negative
    ? { left: ups, right: COINS - ups, number: 1 - t, mean: 1 - mean }
    : { left: COINS - ups, right: ups, number: t, mean };
  const picture = coinPicture(piles, w, text);
  return h("div", {}, h("p", {}, text, " ", button), scrolling("a thousand stochastic roundings", "", picture));
}

/**
 * What the tab shows of a number.
 * @param {{ policy: { rounding: string, overflow: string }, masked: boolean, seed: number, width: number,
 *   again: () => void }} how
 */
export function rounding(now, how) {
  const { f, entered } = now;
  if (entered.kind !== "finite")
    return [h("p", {}, "Infinity and NaN are not rounded. Enter a finite number to see it rounded.")];
  const between = bracket(f, entered);
  if (between.exact) {
    const is = `${short(entered, 12)} is a number of ${nick(f.name)}: nothing is rounded, in any mode.`;
    return [h("p", {}, `${is} Try 0.1, or 1 + 2**-8 + 2**-40.`)];
  }
  const words = h("p", { class: "lmc-muted" }, "In units of the spacing: the kept digits, then what is cut off.");
  const line = betweenLine(now, between, how.masked, how.width);
  const first = [words, trace(between), scrolling("the two neighbours", "", line)];
  if (how.masked) return first;
  const most = short(decode(f, maxCode(f)), 10),
    here = `What rounds past it is a matter of policy: here ${short(now.value, 8)}.`,
    policy = `The largest number of ${nick(f.name)} is ${most}. ${here}`;
  return [
    ...first,
    ...(between.beyond ? [h("p", {}, policy)] : []),
    scrolling("results of all modes", "lmc-fb-scrolltable", modeTable(now, between, how.policy)),
    coins(now, between, how.seed, how.again, how.width),
  ];
}
