// StrideView's walk: an odometer over the indices, and the cache lines that it touches.
import { h, write } from "../lib/elements.js";
import { grouped, plural } from "../lib/numbers.js";
import { addressesOf, indexAt, lineFetches, prod } from "../rules/strides.js";
import { arithmetic, WALKED } from "./stride_view_words.js";

/** Everything about the walk of a lane that no step changes; null where there is nothing to walk. */
export function routeOf(lane, itemsize, { columns, lineBytes, kept }) {
  const numel = prod(lane.shape);
  if (!numel || numel > WALKED) return null;
  const fetches = (way) => lineFetches(addressesOf(lane, way), itemsize, lineBytes, kept);
  const total = (way) => fetches(way).filter(Boolean).length,
    positions = addressesOf(lane, columns);
  return {
    numel,
    columns,
    kept,
    lineBytes,
    positions,
    fetched: fetches(columns),
    rows: total(false),
    byColumns: total(true),
    lines: positions.map((position) => Math.floor((position * itemsize) / lineBytes)),
    perLine: Math.max(1, Math.floor(lineBytes / itemsize)),
  };
}

/** The walk at a step: a function of the state. */
export function walking(route, shape, wanted) {
  const step = Math.min(wanted, route.numel - 1),
    kept = new Set();
  for (let k = step; k >= 0 && kept.size < route.kept; k -= 1) kept.add(route.lines[k]);
  return {
    ...route,
    step,
    index: indexAt(step, shape, route.columns),
    keptLines: kept,
    position: route.positions[step],
    line: route.lines[step],
    fetch: route.fetched[step],
    soFar: route.fetched.slice(0, step + 1).filter(Boolean).length,
  };
}

/**
 * Mark where the walk is and what the cache keeps: no cell is made anew, so a step costs little however many there
 * are.
 */
export function paintWalk(stage, spots, lane, walk) {
  for (const { node, number, storage, position } of spots.numbered()) {
    const mine = walk !== null && storage === lane.storage,
      here = mine && position === walk.position;
    node.classList.toggle("sv-here", here);
    node.classList.toggle("sv-cached", mine && walk.keptLines.has(Math.floor(position / walk.perLine)));
    node.classList.toggle("sv-line", mine && position % walk.perLine === 0);
    write(number, here ? `▼${position}` : String(position));
  }
  stage.querySelector(".sv-el.sv-here")?.classList.remove("sv-here");
  if (!walk) return;
  const at = lane.shape.reduce((k, n, d) => k * n + walk.index[d], 0);
  stage.querySelector(`[data-key="e${at}"]`)?.classList.add("sv-here");
  keepInView(stage.querySelector(".sv-scroll"));
}

/** Scroll a long strip sideways so that the step is seen; heads stay where they are. */
function keepInView(scroller) {
  const here = scroller.querySelector(".sv-here"),
    left = here?.offsetLeft ?? 0;
  if (here && (left < scroller.scrollLeft || left + 48 > scroller.scrollLeft + scroller.clientWidth))
    scroller.scrollLeft = left - 48;
}

/** The index as an odometer, with the sum that it stands for. */
export function odometer(lane, walk) {
  if (!walk) {
    const why = prod(lane.shape)
      ? `A walk is drawn up to ${grouped(WALKED)} elements.`
      : "There is nothing to walk over: no elements.";
    return h("p", { class: "lmc-muted" }, why);
  }
  const digits = walk.index.map((i, d) =>
    h("span", { class: "sv-digit lmc-mono" }, h("span", { class: "sv-small" }, `of ${lane.shape[d]}`), i),
  );
  return h(
    "div",
    { class: "sv-odometer" },
    digits.length ? digits : "a single element",
    h("span", { class: "lmc-mono" }, ` ${arithmetic(walk.index, lane)}`),
  );
}

function bars(title, rows, format) {
  const most = Math.max(...rows.map(({ value }) => value), 1e-12);
  return h(
    "div",
    { class: "sv-bars" },
    h("p", { class: "sv-small" }, title),
    rows.map(({ name, value, kind }) =>
      h(
        "div",
        { class: "sv-bar" },
        h("span", {}, name),
        h(
          "span",
          { class: "sv-track" },
          h("span", { class: `sv-fill sv-fill-${kind}`, style: `width:${(100 * value) / most}%` }),
        ),
        h("span", { class: "lmc-mono" }, format(value)),
      ),
    ),
  );
}

/** What the whole walk fetches in either order, and what was measured. */
export function walkBars(walk, measured) {
  if (!walk) return [];
  const fetched = bars(
    `cache lines fetched in the whole walk, ${plural(walk.kept, "line")} of ${walk.lineBytes} bytes kept`,
    [
      { name: "last index fastest", value: walk.rows, kind: "a" },
      { name: "first index fastest", value: walk.byColumns, kind: "b" },
    ],
    grouped,
  );
  if (!measured) return [fetched];
  const timed = bars(
    `measured here: reading all of a ${measured.n} × ${measured.n} float32 matrix, in milliseconds`,
    [
      { name: "row by row", value: measured.rows * 1e3, kind: "a" },
      { name: "column by column", value: measured.columns * 1e3, kind: "b" },
    ],
    (n) => n.toFixed(2),
  );
  return [fetched, timed];
}

export const sayWalk = (lane, walk) =>
  `Read ${walk.step + 1} of ${walk.numel}: ${lane.name}[${walk.index.join(", ")}] at position ${walk.position}, ` +
  `in cache line ${walk.line}, which ${walk.fetch ? "is fetched from memory" : "is there already"}. ` +
  `${plural(walk.soFar, "line")} fetched so far.`;

export const sayMeasured = (measured) =>
  `Measured on this machine: reading column by column takes ${(measured.columns / measured.rows).toFixed(1)} times ` +
  "as long as reading in the order in which the matrix lies.";
