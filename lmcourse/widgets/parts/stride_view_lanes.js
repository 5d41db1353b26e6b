// StrideView's picture: a storage as a strip with the strides of the chosen tensor as arcs over it, a lane a tensor
// below it, and one tensor as it is read. A lit cell is the same position everywhere.
import { h, s } from "../lib/elements.js";
import { moving } from "../lib/motion.js";
import { grouped, plural } from "../lib/numbers.js";
import { addressesOf, indexAt, isContiguous, offsetOf, prod, range, strideSteps } from "../rules/strides.js";
import {
  aliases,
  cutWords,
  DRAWN,
  LETTERS,
  offsetInWords,
  sayElement,
  sayPosition,
  stridesInWords,
  tuple,
} from "./stride_view_words.js";

const ARCS = 60; // height of the arcs, in pixels
const KINDS = ["a", "b", "c", "c"]; // colour and dashes of the dimensions, the last one first

export const unseen = (text) => h("span", { class: "lmc-sr" }, text);

/** Cells that stand for a position of a storage: what lights up together. */
export class Spots {
  #spots = [];
  #byNode = new Map();

  clear() {
    this.#spots = [];
    this.#byNode.clear();
  }

  /**
   * @param {{ node: any, storage: number, position: number, says?: () => string, number?: any, index?: number[] }} spot
   */
  add(spot) {
    this.#spots.push(spot);
    this.#byNode.set(spot.node, spot);
  }

  of(node) {
    return this.#byNode.get(node);
  }

  light(storage, position) {
    for (const spot of this.#spots)
      spot.node.classList.toggle("sv-lit", spot.storage === storage && spot.position === position);
  }

  /** The cells of the strips, which carry a number. */
  numbered() {
    return this.#spots.filter((spot) => spot.number);
  }
}

/** How wide a cell must be for every index and value, in pixels. */
export function cellWidth({ lanes, storages }) {
  const labels = lanes.map((lane) => lane.shape.map((n) => n - 1).join(",").length);
  const values = storages.flatMap((storage) => storage.values.map((value) => value.length));
  return Math.max(30, 7.4 * Math.min(Math.max(3, ...labels, ...values), 9) + 8);
}

/** Arcs over a strip: one step along each dimension of a lane, and the next, from the element at `index`. */
export function strideArcs() {
  const el = s("svg", { class: "sv-arcs", height: ARCS, "aria-hidden": "true" });
  const draw = ({ wide, shown, lines }) => {
    el.setAttribute("width", wide * shown);
    el.replaceChildren(...lines.flatMap((line, rank) => arcNodes(line, rank, wide)));
  };
  const motion = moving(draw);
  let key = "";
  return {
    el,
    stop: motion.stop,
    /**
     * @param {any} lane @param {number[]} index @param {number} wide  of a cell @param {number} size  of the storage
     */
    show(lane, index, wide, size) {
      const lines = strideSteps(lane, index)
        .slice(0, 3)
        .map(({ dim, stride, stops }) => ({ dim: String(dim), stride: String(stride), stops: stops.slice(0, 17) }));
      const picture = { wide, shown: Math.min(size, DRAWN), lines },
        next = JSON.stringify(picture);
      if (next !== key) motion.to(picture);
      key = next;
    },
  };
}

function arcNodes({ stride, stops }, rank, wide) {
  const high = 15 + 13 * rank,
    x = (position) => (position + 0.5) * wide;
  const inside = stops.filter((position) => position < DRAWN);
  const foot = ARCS - 2,
    peak = ARCS - 2 * high;
  const arc = (from, to) =>
    from === to // a stride of 0 stays where it is
      ? `M${x(from) - 3} ${foot}C${x(from) - 14} ${peak} ${x(from) + 14} ${peak} ${x(from) + 3} ${foot}`
      : `M${x(from)} ${foot}Q${(x(from) + x(to)) / 2} ${peak} ${x(to)} ${foot}`;
  const path = inside.slice(1).map((to, k) => arc(inside[k], to));
  const middle = inside.length > 1 ? (x(inside[0]) + x(inside[1])) / 2 : 0;
  return [
    s("path", { class: `sv-arc sv-arc-${KINDS[rank]}`, d: path.join("") }),
    path.length
      ? s("text", { class: `sv-arc-name sv-arc-${KINDS[rank]}`, x: middle, y: ARCS - high - 3 }, signed(stride))
      : null,
  ].filter(Boolean);
}

const signed = (stride) => (stride.startsWith("-") ? stride.replace("-", "−") : `+${stride}`);

/** The strip of storage `k`, position above and value below. */
export function strip(state, k, spots, light) {
  const storage = state.storages[k],
    shown = Math.min(storage.size, DRAWN);
  const cells = range(shown).map((position) => {
    const says = () => sayPosition(state, k, position),
      number = h("span", {}, position);
    const node = h(
      "button",
      {
        type: "button",
        class: "sv-cell sv-pos",
        "data-key": `p${k}-${position}`,
        onclick: () => light(k, position, says()),
      },
      h("span", { class: "sv-small" }, unseen("position "), number),
      h("span", {}, unseen(" value "), storage.values[position] ?? "·"),
    );
    spots.add({ node, number, storage: k, position, says });
    return node;
  });
  const bytes = plural(storage.size * storage.itemsize, "byte"),
    size = `${plural(storage.size, "element")} of ${storage.dtype}, ${bytes}`;
  return {
    head: h(
      "p",
      { class: "sv-head" },
      h("b", {}, `Storage ${LETTERS[k]}`),
      ` ${size}${cutWords(storage.size)}: position above, value below`,
    ),
    cells: h("div", { class: "sv-cells sv-strip", role: "group", "aria-label": `storage ${LETTERS[k]}` }, cells),
  };
}

/** One tensor below its storage: its record, and its index at every position that it reads. */
export function laneRow(state, lane, k, { spots, choose, remove, theirs }) {
  const storage = state.storageOf(lane),
    chosen = lane === state.lane;
  const badge = k === 0 ? null : lane.copy ? ["copy", lane.given ? "own storage" : "copy"] : ["view", "view"];
  const record =
    `${tuple(lane.shape)} strides ${stridesInWords(lane, storage.itemsize)} ` +
    `offset ${offsetInWords(lane, storage.itemsize)}`;
  const name = h(
    "button",
    {
      type: "button",
      class: "lmc-mono sv-name",
      "aria-pressed": String(chosen),
      "data-key": `l${k}`,
      tabindex: -1,
      onclick: () => choose(k),
    },
    lane.name,
  );
  const away = {
    class: "sv-remove",
    "data-key": `r${k}`,
    "aria-label": `remove ${lane.name}`,
    title: "Remove this lane",
  };
  const head = h(
    "div",
    { class: "sv-head" },
    name,
    h("span", { class: "lmc-mono" }, record),
    badge && h("span", { class: `sv-badge sv-${badge[0]}` }, badge[1]),
    h("span", { class: "sv-badge" }, isContiguous(lane.shape, lane.strides) ? "contiguous" : "not contiguous"),
    lane.given || !chosen ? null : h("button", { type: "button", ...away, onclick: () => remove(k) }, "×"),
  );
  return h(
    "div",
    { class: `sv-lane${chosen ? " sv-chosen" : ""}` },
    head,
    laneCells(state, lane, chosen, spots),
    k === 0 && theirs.length ? theirRow(lane, Math.min(storage.size, DRAWN), theirs) : null,
  );
}

function laneCells(state, lane, chosen, spots) {
  const found = aliases(lane);
  const cells = range(Math.min(state.storageOf(lane).size, DRAWN)).map((position) => {
    const indices = found.get(position) ?? [];
    const text = indices.length > 1 ? `×${indices.length}` : indices.length ? indices[0].join(",") || "()" : "";
    const kind = indices.length ? (chosen ? "sv-mine" : "sv-some") : "sv-none";
    const node = h("span", { class: `sv-cell ${kind}` }, text);
    const says = () =>
      indices.length === 1 ? sayElement(state, lane, indices[0]) : sayPosition(state, lane.storage, position);
    spots.add({ node, storage: lane.storage, position, says });
    return node;
  });
  return h("div", { class: "sv-cells", "aria-hidden": "true" }, cells);
}

/** The reader's own `offset`: where it puts each element of the first tensor, and the first that is wrong. */
function theirRow(lane, shown, said) {
  const right = addressesOf(lane).slice(0, said.length),
    wrong = said.findIndex((position, k) => position !== right[k]);
  const words =
    wrong < 0
      ? "your offset agrees everywhere ✓"
      : `your offset puts [${indexAt(wrong, lane.shape).join(", ")}] at ${said[wrong] ?? "no position"}, ` +
        `it lies at ${right[wrong]} ✗`;
  const cells = range(shown).map((position) => {
    const k = said.indexOf(position),
      kind = k < 0 ? "sv-none" : said[k] === right[k] ? "sv-some" : "sv-wrong";
    return h("span", { class: `sv-cell ${kind}` }, k < 0 ? "" : indexAt(k, lane.shape).join(","));
  });
  return [
    h("p", { class: "sv-head sv-small", style: `color:var(--lmc-${wrong < 0 ? "good" : "bad"})` }, words),
    h("div", { class: "sv-cells", "aria-hidden": "true" }, cells),
  ];
}

/** The last two dimensions as a table, the others as labelled blocks. `cell(k, index)` makes one element. */
export function grid(shape, cell, label) {
  const numel = prod(shape),
    width = shape.at(-1) ?? 1,
    height = shape.length > 1 ? shape.at(-2) : 1;
  const shown = Math.min(numel, DRAWN),
    perBlock = width * height,
    parts = [];
  for (let start = 0; start < shown; start += perBlock) {
    const rows = [];
    for (let k = start; k < Math.min(start + perBlock, shown); k += width) {
      const cells = range(Math.min(width, shown - k)).map((i) => cell(k + i, indexAt(k + i, shape)));
      rows.push(h("div", { class: "sv-row" }, cells));
    }
    const lead = shape.length > 2 ? `[${indexAt(start, shape).slice(0, -2).join(", ")}, :, :]` : null;
    parts.push(h("div", { class: "sv-block" }, lead && h("div", { class: "sv-small" }, lead), rows));
  }
  if (!numel) parts.push(h("p", { class: "lmc-muted" }, "It has no elements: one of its sizes is 0."));
  const more = numel > shown ? h("p", { class: "sv-small" }, `the first ${shown} of ${grouped(numel)} elements`) : null;
  return h("div", { class: "sv-grid", role: "group", "aria-label": label }, parts, more);
}

/** One tensor as it is read, in the order of its indices. */
export function laneGrid(state, lane, spots, light) {
  const cell = (k, index) => {
    const position = offsetOf(index, lane.strides, lane.offset),
      value = state.valueAt(lane, position),
      says = () => sayElement(state, lane, index);
    const node = h(
      "button",
      {
        type: "button",
        class: "sv-cell sv-el",
        "data-key": `e${k}`,
        "aria-label": `element ${index.join(", ")}, value ${value}`,
        onclick: () => light(lane.storage, position, says()),
      },
      value,
    );
    spots.add({ node, storage: lane.storage, position, says, index });
    return node;
  };
  return [
    h("p", { class: "sv-head" }, h("b", { class: "lmc-mono" }, lane.name), " as it is read"),
    grid(lane.shape, cell, `${lane.name}, its elements`),
  ];
}
