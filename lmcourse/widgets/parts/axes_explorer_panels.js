// AxesExplorer's line of names, its errors, and what its tabs show: the loop nest, the sizes, call and cost.
import { put } from "../lib/base.js";
import { slider } from "../lib/controls.js";
import { h, write } from "../lib/elements.js";
import { grouped } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { code, flops, letter, pairwiseFlops, roles, signature, unravel, viewOf } from "../rules/axes.js";
import { FIRST_SIZES, toldNames } from "../rules/axes_sizes.js";
import { product } from "../rules/pattern.js";
import { compared, questionOf } from "./axes_explorer_work.js";
import { callOf } from "./axes_explorer_words.js";

const TOKENS = /\.\.\.|[\p{L}\p{N}_]+/gu;

/** Says whether what a part follows from differs from what it was drawn from. */
export function memory() {
  const drawn = {};
  return (part, ...from) => {
    const same = drawn[part]?.length === from.length && drawn[part].every((value, i) => value === from[i]);
    drawn[part] = from;
    return !same;
  };
}

/** The pattern, name by name: each in its colour, and the part that an error blames. */
export function patternLine(model) {
  const el = h("div", { class: "lmc-ax-line lmc-mono", role: "group", "aria-label": "the pattern, name by name" });
  const names = roving(el, ".lmc-ax-name"),
    isNew = memory();
  return {
    el,
    draw({ pattern, error, hue }) {
      const from = error?.start ?? -1,
        to = error ? Math.max(error.end, error.start) : -1,
        tokens = [...pattern.matchAll(TOKENS)];
      if (!isNew("line", pattern, from, to, tokens.map(([name]) => hue(name)).join())) return;
      const at = [...el.querySelectorAll(".lmc-ax-name")].indexOf(document.activeElement);
      el.replaceChildren(...pieces(model, pattern, tokens, hue, from, to));
      names.refresh(Math.max(0, at), at >= 0);
    },
  };
}

function pieces(model, text, tokens, hue, from, to) {
  const cuts = new Set([0, text.length, ...(from < 0 ? [] : [from, to])]);
  for (const found of tokens) cuts.add(found.index).add(found.index + found[0].length);
  const points = [...cuts].sort((a, b) => a - b);
  const nodes = points.slice(0, -1).map((at, i) => {
    const piece = text.slice(at, points[i + 1]);
    const blamed = at >= from && at < to ? ` lmc-ax-blame${at === from ? " lmc-ax-first" : ""}` : "";
    if (!tokens.some((found) => found.index === at))
      return h("span", { class: `lmc-ax-mark${blamed}` }, piece.replaceAll(" ", "\u00a0"));
    const onclick = () => put(model, { axis: piece === "..." ? "…0" : piece });
    const props = { type: "button", "data-axis": piece, title: `colour by ${piece}`, onclick };
    return h("button", { ...props, class: `lmc-ax-name lmc-ax-hue${hue(piece)}${blamed}` }, piece);
  });
  const gap = h("span", { class: "lmc-ax-mark lmc-ax-blame lmc-ax-first" }, "\u00a0\u00a0");
  return from >= 0 && from === to ? [...nodes, gap] : nodes;
}

/** What einops says against the pattern, the likely fix, and where the reader's function leaves the result. */
export function drawTrouble(box, now, repair) {
  const { error, verdict } = now,
    message = (verdict?.question === questionOf(now) && verdict.message) || error?.message,
    mine = message ? null : compared(now);
  const line = (...words) => h("p", {}, ...words);
  const fix = error?.change ? h("button", { type: "button", onclick: () => repair(error) }, "Apply") : null;
  const shapes = now.tensors.map(({ shape }, k) => `${letter(k)} of shape (${shape.join(", ")})`).join(", ");
  const mark = mine?.open ? "○" : mine?.wrong ? "✗" : "✓";
  const nodes = [
    message && h("p", { class: "lmc-ax-message" }, h("b", {}, "✗ einops: "), h("span", { class: "lmc-mono" }, message)),
    error && line(h("b", {}, "Likely fix: "), error.fix, " ", fix),
    message && now.bound && line(h("b", {}, "Given: "), h("span", { class: "lmc-mono" }, shapes)),
    mine && line(h("b", {}, `${mark} ${mine.name}: `), mine.words),
  ].filter(Boolean);
  box.dataset.tone = message || mine?.wrong ? "bad" : "good";
  box.replaceChildren(...nodes);
  box.hidden = !nodes.length;
  return new Set(mine?.places ?? []);
}

/** The sizes as sliders, each with what its axis does; a size that a tensor fixes is a number. */
export function sizeSliders(model) {
  const el = h("div", { class: "lmc-ax-chips", role: "group", "aria-label": "axes and their sizes" });
  const isNew = memory();
  let chips = [],
    dots = null;
  return {
    el,
    draw(now) {
      const wanted = sizesShown(now),
        hasDots = !now.bound && now.pattern.includes("...");
      const facts = wanted.map(({ name, free, most }) => [name, free, most, now.hue(name)]);
      if (isNew("chips", hasDots, now.bound, JSON.stringify(facts))) {
        chips = wanted.map((size) => chip(model, size, now.hue(size.name)));
        dots = hasDots ? dotsSlider(model) : null;
        const last = dots ? [h("div", { class: `lmc-ax-chip lmc-ax-hue${now.hue("...")}` }, dots.el)] : [];
        el.replaceChildren(...chips.map((each) => each.el), ...last);
      }
      const role = now.nest ? roles(now.nest) : {};
      wanted.forEach(({ name, size }, k) => {
        chips[k].set(size);
        write(chips[k].role, role[name] ?? "");
      });
      dots?.set(now.dots);
    },
  };
}

/** The axes whose size can be told, and those that follow: { name, free, size, most }. */
function sizesShown({ nest, names, bound, tensors, sizes, operation, pattern }) {
  const told = !bound ? names : names.length ? toldNames({ operation, pattern }, sizes) : [],
    loose = nest ? [...nest.kept, ...nest.summed].filter((name) => !told.includes(name)) : [];
  const most = (name) => {
    if (!bound) return 8;
    const length = tensors[0].shape.find((_, i) => nest?.inputs[0][i].includes(name));
    return Math.min(64, length ?? Math.max(8, ...tensors[0].shape));
  };
  return [...told, ...loose].map((name) => ({
    name,
    free: told.includes(name),
    most: most(name),
    size: nest?.sizes[name] ?? sizes[name] ?? FIRST_SIZES[names.indexOf(name) % FIRST_SIZES.length],
  }));
}

function chip(model, { name, free, most }, hue) {
  const role = h("span", { class: "lmc-ax-role" });
  const oninput = (size) => put(model, { sizes: { ...model.get("sizes"), [name]: size }, iteration: -1 });
  const part = free ? slider({ label: name, min: 1, max: most, value: 1, oninput }) : null,
    fixed = h("output", {});
  const inside = part ? part.el : h("span", {}, h("b", {}, name), " ", fixed);
  return {
    el: h("div", { class: `lmc-ax-chip lmc-ax-hue${hue}` }, inside, role),
    role,
    set: (size) => (part ? part.set(size) : write(fixed, String(size))),
  };
}

const dotsSlider = (model) =>
  slider({
    label: "dimensions in ...",
    min: 0,
    max: 3,
    value: 0,
    oninput: (dots) => put(model, { dots, iteration: -1 }),
  });

/** The loop nest as code; `mark` shows which line runs and what every loop variable is. */
export function nestCode() {
  const el = h("div", { class: "lmc-ax-nest lmc-mono", role: "group", "aria-label": "the loop nest" });
  return {
    el,
    draw(now) {
      const lines = now.nest ? code(now.nest, now.chain[now.current]) : [];
      el.replaceChildren(...lines.map((text, i) => codeLine(text, now.axes[i], now.hue)));
    },
    mark({ nest, axes }, at, inner) {
      const values = inner === null ? at : { ...at, ...unravel(nest.summed, nest.sizes, inner) };
      // The line that moved last: every loop inside it has wrapped around to 0.
      let moved = axes.length;
      if (inner !== null) while (moved > 0 && values[axes[moved - 1]] === 0) moved -= 1;
      [...el.children].forEach((row, i) => {
        const body = i === axes.length,
          runs = inner !== null && (body || i === moved - 1),
          value = values?.[axes[i]];
        row.classList.toggle("is-current", runs);
        write(row.firstChild, runs ? (body ? "▶" : "↻") : "");
        const where = value === undefined ? `${axes[i]} = all ${nest.sizes[axes[i]]}` : `${axes[i]} = ${value}`;
        write(row.lastChild, body || !at ? "" : where);
      });
    },
  };
}

const codeLine = (text, axis, hue) =>
  h(
    "div",
    { class: "lmc-ax-code" },
    h("span", { class: "lmc-ax-arrow", "aria-hidden": "true" }),
    h(
      "span",
      { class: `lmc-ax-text${axis === undefined ? "" : ` lmc-ax-hue${hue(axis)}`}` },
      text.replace(/^ +/, (space) => "\u00a0".repeat(space.length / 2)),
    ),
    h("span", { class: "lmc-ax-at" }),
  );

/** The call, its type, what it computes and moves, and whether the result is a view. */
export function drawFacts(list, now) {
  const { nest } = now;
  list.replaceChildren();
  if (!nest) return;
  const fact = (name, ...words) => list.append(h("dt", {}, name), h("dd", {}, ...words));
  const sizes = now.axes.map((name) => nest.sizes[name]),
    perPass = nest.inputs.length - 1 + (nest.summed.length ? 1 : 0),
    seen = viewOf(nest, now.strides[0]);
  const work = `${perPass} a pass × ${sizes.join(" · ") || 1} passes = ${grouped(flops(nest))}`,
    pairs = nest.inputs.length > 2 ? `; in the best pairs ${grouped(pairwiseFlops(nest))}` : "";
  fact("Call", h("code", { class: "lmc-mono" }, callOf(now)));
  fact("Type", h("code", { class: "lmc-mono" }, signature(nest)));
  fact("FLOPs", perPass ? work + pairs : "0: nothing is computed");
  fact("Bytes", seen.view ? "0 moved" : bytesMoved(now));
  const kind = h("b", { class: seen.view ? "lmc-ax-view" : "lmc-ax-copy" }, seen.view ? "view" : "copy");
  fact("Memory", kind, `: ${seen.why}`);
}

function bytesMoved({ nest, itemsize }) {
  const read = nest.shapes.map((shape) => product(shape) * itemsize),
    written = product(nest.outputShape) * itemsize,
    all = flops(nest);
  const rate = all / (read.reduce((sum, each) => sum + each, 0) + written);
  const moved = `reads ${read.map(grouped).join(" + ")}, writes ${grouped(written)}`;
  return all ? `${moved}: ${rate.toFixed(2)} FLOPs a byte` : moved;
}
