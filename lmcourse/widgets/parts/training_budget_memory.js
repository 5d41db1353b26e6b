// TrainingBudget's first view: one bar of memory against the card, its parts by name, and the three switches that make
// it shorter. The bar moves from what it was to what it is.
import { change, h, s, uid, write } from "../lib/elements.js";
import { moving } from "../lib/motion.js";
import { roving } from "../lib/roving.js";
import { bytes, grouped } from "../lib/numbers.js";
import { weight } from "../rules/flops.js";
import { cureWords, PARTS } from "./training_budget_words.js";

const TOP = 26;
const TALL = 64;

/** The parts that a switch makes smaller: they light up with it. */
const SHRINKS = { split: "PGMO", checkpoint: "A", batch: "AL" };
const CURE_NAMES = {
  split: "Split over the devices",
  checkpoint: "Checkpoint activations",
  batch: "Smaller batch",
};

/**
 * Where everything lies on a bar that is `W` wide: [from, to] of each part, of the card and of what is too much.
 * @param {number} W @param {any} parts the bytes of a moment @param {number} room the bytes of the card
 */
export function barPlaces(W, parts, room) {
  const need = weight(parts);
  const far = room > 20 * need; // a card so large that the bar would not be seen: it is named, not drawn
  const end = (far ? need : Math.max(need, room)) * 1.02;
  const x = (/** @type {number} */ size) => (size / end) * W;
  let below = 0;
  const spans = PARTS.map(({ key }) => {
    const from = below;
    below += parts[key];
    return [x(from), x(below)];
  });
  return { spans, room: far ? W : x(room), need: x(need), far };
}

/** Where the letter of a part stands: in its middle, or in the wider side of the card's edge where that crosses it. */
export function letterPlace(from, to, edge) {
  const middle = (from + to) / 2;
  if (Math.abs(middle - edge) > 12) return { x: middle, wide: to - from };
  const [low, high] = edge > middle ? [from, edge] : [edge, to];
  return { x: (low + high) / 2, wide: high - low - 4 };
}

/** The bar. Its nodes stay; `show` sets where they are. */
function bar(lightUp) {
  const groups = PARTS.map(({ letter, name }) => {
    const rect = s("rect", { y: TOP, height: TALL });
    const label = s("text", { y: TOP + TALL / 2 + 5, "text-anchor": "middle", class: "tb-letter" }, letter);
    const title = s("title", {}, name);
    const el = s("g", {
      class: `tb-${letter}`,
      onpointerenter: () => lightUp(letter),
      onpointerleave: () => lightUp(""),
    });
    el.append(rect, label, title);
    return { el, rect, label, title };
  });
  const hatch = uid();
  const lines = s("path", { d: "M-2 2L2 -2M0 10L10 0M8 12L12 8", class: "tb-hatch" });
  const pattern = s("pattern", { id: hatch, width: 10, height: 10, patternUnits: "userSpaceOnUse" }, lines);
  const excess = s("rect", { y: TOP, height: TALL, class: "tb-excess", fill: `url(#${hatch})` });
  const card = s("rect", { x: 0, y: TOP - 5, height: TALL + 10, class: "tb-card-edge" });
  const cardName = s("text", { y: TOP - 11 });
  const needName = s("text", { y: TOP + TALL + 22, class: "tb-need" });
  const svg = s("svg", { class: "tb-svg", role: "img" }, [
    pattern,
    ...groups.map((each) => each.el),
    excess,
    card,
    cardName,
    needName,
  ]);
  const show = ({ W, parts, room }) => {
    const places = barPlaces(W, parts, room);
    for (const [k, { rect, label }] of groups.entries()) {
      const [from, to] = places.spans[k],
        { x, wide } = letterPlace(from, to, places.room);
      change(rect, { x: from, width: Math.max(0, to - from) });
      change(label, { x, visibility: wide > 16 ? "visible" : "hidden" });
    }
    change(excess, { x: Math.min(places.room, places.need), width: Math.max(0, places.need - places.room) });
    change(card, { width: Math.max(1, places.room), visibility: places.far ? "hidden" : "visible" });
    placeName(cardName, W, places.room);
    placeName(needName, W, places.need);
  };
  return { svg, groups, cardName, needName, show };
}

/** A name that ends at x where there is room for it, and begins there otherwise. */
const placeName = (node, W, x) =>
  change(node, { x: Math.max(2, Math.min(W - 2, x)), "text-anchor": x > W / 3 ? "end" : "start" });

/** The parts by name and size; one lights up with its stretch of the bar. */
function legend(lightUp) {
  const rows = PARTS.map(({ letter, name }) => {
    const size = h("b", {});
    const key = h("span", { class: `tb-key tb-${letter}`, "aria-hidden": "true" }, letter);
    const on = { onpointerenter: () => lightUp(letter), onpointerleave: () => lightUp("") };
    return { size, el: h("li", { "data-part": letter, ...on }, key, ` ${name} `, size) };
  });
  const els = rows.map((row) => row.el);
  return { el: h("ul", { class: "tb-legend" }, els), rows };
}

/** A switch with what it saves in words. */
function switchOf(name, lightUp, onpress) {
  const words = h("span", { class: "tb-yield" });
  const button = h("button", { type: "button", "aria-pressed": "false", onclick: onpress }, CURE_NAMES[name]);
  const light = () => lightUp(SHRINKS[name]);
  const dark = () => lightUp("");
  const on = { onpointerenter: light, onpointerleave: dark, onfocusin: light, onfocusout: dark };
  return { el: h("div", { class: "tb-switch", ...on }, button, words), button, words };
}

/** @param {{ press: (changes: any) => void }} options `press` gets the traits that a switch sets. */
export function memoryView({ press }) {
  const lightUp = (letters) => {
    for (const [k, { letter }] of PARTS.entries()) {
      const lit = letters.includes(letter);
      picture.groups[k].el.classList.toggle("tb-lit", lit);
      parts.rows[k].el.classList.toggle("tb-lit", lit);
    }
  };
  const picture = bar(lightUp);
  const parts = legend(lightUp);
  const moves = moving(picture.show);
  let cures = [];
  let goal = null;
  const switches = Object.keys(CURE_NAMES).map((name, k) =>
    switchOf(name, lightUp, () => {
      if (cures[k].possible) press(cures[k].changes);
    }),
  );
  const els = switches.map((each) => each.el);
  const controls = h("div", { class: "tb-switches", role: "group", "aria-label": "three ways to need less" }, els);
  const stops = roving(controls, "button");
  stops.refresh();
  return {
    els: [picture.svg, parts.el],
    controls,
    stop: moves.stop,
    /** `known` are the cures of this state; the bar moves where only the numbers changed. */
    draw(W, now, state, room, known) {
      cures = known;
      const [need, card] = [bytes(now.peakBytes, state.binary), bytes(room, state.binary)];
      change(picture.svg, {
        viewBox: `0 0 ${W} ${TOP + TALL + 30}`,
        "aria-label": `${need} needed at the peak, ${card} on the device`,
      });
      write(picture.cardName, cardText(room, now.peakBytes, card));
      write(picture.needName, needText(room, now, state, need));
      for (const [k, { key, name }] of PARTS.entries()) {
        const size = bytes(now.heaviest[key], state.binary);
        write(parts.rows[k].size, now.heaviest[key] ? size : "none then");
        write(picture.groups[k].title, `${name}: ${size}`);
      }
      for (const [k, cure] of cures.entries()) showSwitch(switches[k], cure, state);
      const next = { W, parts: numbersOf(now.heaviest), room };
      if (JSON.stringify(next) !== JSON.stringify(goal)) moves.to(next);
      goal = next;
    },
  };
}

const numbersOf = (moment) => Object.fromEntries(PARTS.map(({ key }) => [key, moment[key]]));

function cardText(room, need, card) {
  const times = Math.round(room / need);
  return times > 20 ? `the card: ${card}, ${grouped(times)} times this bar →` : `the card: ${card}`;
}

function needText(room, now, state, need) {
  const excess = now.peakBytes - room;
  return excess > 0 ? `needs ${need}: ✗ ${bytes(excess, state.binary)} too much` : `needs ${need} ✓`;
}

function showSwitch({ button, words }, cure, state) {
  button.setAttribute("aria-pressed", String(cure.on));
  button.setAttribute("aria-disabled", String(!cure.possible));
  write(words, cureWords(cure, state));
}
