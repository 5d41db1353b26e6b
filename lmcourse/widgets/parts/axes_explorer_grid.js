// AxesExplorer's picture of a tensor: its elements as cells with value and place along an axis, and small maps of
// squares.
import { h, s } from "../lib/elements.js";
import { slide } from "../lib/motion.js";
import { grouped } from "../lib/numbers.js";
import { agree, assignment, letter, sources } from "../rules/axes.js";
import { product } from "../rules/pattern.js";
import { indexOf, layout, nameOf, outValue, shown, valueAt } from "./axes_explorer_work.js";

const short = (name) => (name.startsWith("…") ? `…${name.slice(1)}` : name[0]);

/** The elements that a layout draws: their index, and their flat position in the whole tensor. */
const drawnElements = (shape, { drawn }) =>
  Array.from({ length: product(drawn) }, (_, i) => {
    const index = indexOf(drawn, i);
    return { index, flat: index.reduce((sum, at, d) => sum * shape[d] + at, 0) };
  });

/**
 * How far along nested dimensions an element lies: cells of `size` px, blocks of the inner dimension `between` px
 * apart.
 */
function edge(dims, drawn, index, size, between) {
  const [inner, ...outer] = dims;
  if (inner === undefined) return 0;
  const block = outer.reduceRight((sum, d) => sum * drawn[d] + index[d], 0);
  return (block * drawn[inner] + index[inner]) * size + block * between;
}

/**
 * A tensor as a map of small squares, and `light(flats)`, which fills some. Two paths, so that squares cost no
 * layout.
 */
export function miniMap(shape) {
  const plan = layout(shape),
    ends = plan.drawn.map((length) => length - 1);
  const left = (index) => edge(plan.across, plan.drawn, index, 8, 4),
    top = (index) => edge(plan.down, plan.drawn, index, 8, 4);
  const squares = new Map(
    drawnElements(shape, plan).map(({ index, flat }) => [flat, `M${left(index) + 0.5} ${top(index) + 0.5}h6v6h-6z`]),
  );
  const lit = s("path", { class: "on" });
  const size = { width: left(ends) + 8, height: top(ends) + 8 };
  const el = s(
    "svg",
    { class: "lmc-ax-mini", "aria-hidden": "true", ...size },
    s("path", { d: [...squares.values()].join("") }),
    lit,
  );
  return { el, light: (flats) => lit.setAttribute("d", flats.map((flat) => squares.get(flat) ?? "").join("")) };
}

/** A name in its colour. */
export const tag = (now, axis) => h("span", { class: `lmc-ax-tag lmc-ax-hue${now.hue(axis)}` }, axis);

/** A tensor's name and its dimensions, with the way in which each is drawn. */
function caption(now, name, dims, shape, plan) {
  const inside = (dim) => {
    if (dim.length > 1) return ["(", dim.map((axis, j) => [j ? " " : "", tag(now, axis)]), ")"];
    return dim.length ? tag(now, dim[0]) : "1";
  };
  const sizes = shape.map((length, i) => [
    h("span", { class: "lmc-ax-dim" }, inside(dims[i]), ` ${plan.across.includes(i) ? "→" : "↓"}${grouped(length)}`),
    " ",
  ]);
  return h(
    "p",
    { class: "lmc-ax-caption" },
    h("b", { class: "lmc-mono" }, name),
    " ",
    shape.length ? sizes : "a single number",
  );
}

/** Value, place along the tinting axis and depth of the tint, for every drawn element of a tensor. */
function cellFacts(now, tensor, dims, shape, plan) {
  return drawnElements(shape, plan).map(({ index, flat }) => {
    const here = assignment(dims, shape, now.nest.sizes, flat),
      value = shown(tensor === "out" ? outValue(now, flat) : valueAt(now, tensor, flat));
    if (here === null || !(now.tint in here)) return { index, flat, value, part: "", level: 0 };
    const share = here[now.tint] / Math.max(1, now.nest.sizes[now.tint] - 1);
    return { index, flat, value, part: short(now.tint) + here[now.tint], level: Math.round(8 + 36 * share) };
  });
}

/** One tensor: caption and cells. Every place is worked out here: a page that measures hundreds of cells costs more. */
function tensorGrid(now, tensor) {
  const { nest } = now,
    out = tensor === "out";
  const name = nameOf(now, tensor, letter),
    dims = out ? nest.output : nest.inputs[tensor],
    shape = out ? nest.outputShape : nest.shapes[tensor],
    plan = out ? now.layouts.at(-1) : now.layouts[tensor];
  const cells = cellFacts(now, tensor, dims, shape, plan);
  const wide = Math.max(34, 10 + 8 * Math.max(0, ...cells.map(({ value }) => value.length))),
    tight = product(plan.down.map((d) => plan.drawn[d])) > 5, // rows enough that the box would cut them
    high = cells.some(({ part }) => part) ? (tight ? 26 : 34) : tight ? 24 : 28;
  const left = (index) => edge(plan.across, plan.drawn, index, wide + 2, 10),
    top = (index) => edge(plan.down, plan.drawn, index, high + 2, 10);
  const buttons = cells.map(({ index, flat, value, part, level }) => {
    const place = `left:${left(index)}px;top:${top(index)}px;width:${wide}px;height:${high}px;--level:${level}%`;
    const kind = `lmc-ax-cell${part ? ` lmc-ax-hue${now.hue(now.tint)}` : ""}`,
      label = `${value}${part ? ` ${part}` : ""}: ${name}[${index.join(", ")}]`;
    const props = { type: "button", class: kind, "data-flat": flat, tabindex: -1, style: place, "aria-label": label };
    return h("button", props, part ? `${value}\n${part}` : value);
  });
  const ends = plan.drawn.map((length) => length - 1),
    some = buttons.length > 0;
  const style = some ? `width:${left(ends) + wide}px;height:${top(ends) + high}px` : "";
  const props = {
    class: `lmc-ax-cells${tight ? " lmc-ax-tight" : ""}`,
    role: "group",
    "aria-label": `elements of ${name}`,
    style,
  };
  return h(
    "div",
    { class: "lmc-ax-tensor" },
    caption(now, name, dims, shape, plan),
    h("div", { class: "lmc-scroll" }, h("div", { ...props, "data-tensor": tensor }, buttons)),
    some ? null : h("p", { class: "lmc-muted" }, "no elements: one axis has length 0"),
    plan.cropped
      ? h("p", { class: "lmc-muted" }, `the first ${plan.drawn.join(" × ")} of ${shape.map(grouped).join(" × ")}`)
      : null,
  );
}

const sign = (text) => h("span", { class: "lmc-ax-sign", "aria-hidden": "true" }, text);
const boxesOf = (grids) => [...grids.querySelectorAll(".lmc-ax-cells")];

/**
 * Draw all tensors into `grids`; the cell that has the focus keeps it, and an element that goes elsewhere is seen to
 * go.
 */
export function buildGrids(grids, now) {
  /** @type {any} */
  const focused = document.activeElement?.closest?.(".lmc-ax-cell");
  const keep = focused && grids.contains(focused) ? [focused.parentElement.dataset.tensor, focused.dataset.flat] : null;
  const before = grids.places ?? new Map();
  grids.replaceChildren();
  grids.places = new Map();
  if (!now.nest) return;
  now.nest.inputs.forEach((_, k) => {
    if (k) grids.append(sign("×"));
    grids.append(tensorGrid(now, k));
  });
  grids.append(sign("→"), tensorGrid(now, "out"));
  for (const box of boxesOf(grids)) {
    const cells = [...box.children];
    const at = keep && box.dataset.tensor === keep[0] ? cells.findIndex((cell) => cell.dataset.flat === keep[1]) : -1;
    if (cells.length) cells[Math.max(0, at)].tabIndex = 0;
    if (at >= 0) cells[at].focus({ preventScroll: true });
  }
  if (now.nest.inputs.length === 1 && !now.nest.summed.length) moveCells(grids, now, before);
}

/** Where one element of the input becomes one of the output, the output's cells slide from where their element was. */
function moveCells(grids, now, before) {
  const box = boxesOf(grids).at(-1);
  for (const cell of box.children) {
    const [[source]] = sources(now.nest, Number(cell.dataset.flat), 1, now.by),
      place = [parseFloat(cell.style.left), parseFloat(cell.style.top)],
      was = before.get(source);
    if (was && !grids.places.has(source)) slide(cell, was[0] - place[0], was[1] - place[1]);
    grids.places.set(source, place);
  }
}

/** Mark the element that is looked at, and all that meet it: only classes change. */
export function markCells(grids, now, focus, at, term) {
  const { nest } = now;
  for (const box of boxesOf(grids)) {
    const tensor = box.dataset.tensor === "out" ? "out" : Number(box.dataset.tensor),
      dims = tensor === "out" ? nest.output : nest.inputs[tensor],
      shape = tensor === "out" ? nest.outputShape : nest.shapes[tensor];
    for (const cell of box.children) {
      const flat = Number(cell.dataset.flat),
        own = focus !== null && tensor === focus.tensor;
      const meets = !own && agree(at, focus ? assignment(dims, shape, nest.sizes, flat) : null);
      cell.classList.toggle("is-here", own && flat === focus.flat);
      cell.classList.toggle("is-source", meets);
      cell.classList.toggle("is-now", term !== null && tensor !== "out" && term[tensor] === flat);
    }
  }
}

/**
 * The nearest cell in the direction of a key, along the same row or column; Home and End go to the first and the
 * last.
 */
export function cellTowards(cell, key) {
  const cells = [...cell.parentElement.children];
  if (key === "Home") return cells[0];
  if (key === "End") return cells.at(-1);
  const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
  if (!way) return null;
  const spot = (one) => [parseFloat(one.style.left), parseFloat(one.style.top)];
  const [x, y] = spot(cell);
  const ahead = cells
    .map((one) => ({ one, at: spot(one) }))
    .filter(({ at }) => (way[0] ? at[1] === y && (at[0] - x) * way[0] > 0 : at[0] === x && (at[1] - y) * way[1] > 0));
  const far = ({ at }) => Math.abs(at[0] - x) + Math.abs(at[1] - y);
  return ahead.sort((a, b) => far(a) - far(b))[0]?.one ?? null;
}
