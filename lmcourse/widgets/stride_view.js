// A tensor's storage as one strip, a lane a tensor over it, and what operations do to the record. The rules are in strides.js
// and run here, so that nothing waits for a kernel; PyTorch is asked by Python (stride_view.py). This file draws.
import { frame, put, redraw } from "./lib/base.js";
import { choice, field } from "./lib/controls.js";
import { stepper } from "./lib/player.js";
import { roving } from "./lib/roving.js";
import { h, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";
import {
  addressesOf,
  blocksOf,
  canView,
  contiguousStrides,
  indexAt,
  isContiguous,
  lineFetches,
  offsetOf,
  prod,
  range,
  same,
  viewConflict,
} from "./rules/strides.js";
import { applySteps, inferSizes, operations, TensorError, VIEW_WORDS } from "./rules/tensor_operations.js";
import { parse } from "./rules/tensor_text.js";

const DRAWN = 256; // elements of a storage, and of a grid, that are drawn
const WALKED = 4096; // elements that are walked through, or looked up as aliases
const LETTERS = "ABCDEFGHIJKLMNOP";
const tuple = (numbers) => `(${numbers.join(", ")}${numbers.length === 1 ? "," : ""})`;
const plural = (n, word) => `${grouped(n)} ${word}${n === 1 ? "" : "s"}`;
const MODES = [
  ["look", "Look"],
  ["walk", "Walk"],
  ["view", "Will .view() work?"],
  ["puzzle", "Puzzles"],
];

/** "2, -1, 6" → [2, -1, 6]; throws an Error in words. */
export function readIntegers(text, what) {
  const parts = text
    .replace(/^\s*[([]|[)\]]\s*$/g, "")
    .split(/[\s,]+/)
    .filter(Boolean);
  for (const part of parts)
    if (!/^-?\d{1,9}$/.test(part)) throw new Error(`${what}: whole numbers with commas between them, such as 2, 6`);
  return parts.map(Number);
}

/** Which indices of a lane read each position of its storage: Map position → [index, ...]. */
function aliases(lane) {
  const found = new Map(),
    numel = prod(lane.shape);
  for (let k = 0; k < Math.min(numel, WALKED); k += 1) {
    const index = indexAt(k, lane.shape),
      position = offsetOf(index, lane.strides, lane.offset);
    if (!found.has(position)) found.set(position, []);
    found.get(position).push(index);
  }
  return found;
}

const stridesInWords = (lane, itemsize) =>
  lane.library === "numpy" ? `${tuple(lane.strides.map((n) => n * itemsize))} bytes` : tuple(lane.strides);

const arithmetic = (index, lane) =>
  [lane.offset, ...index.map((i, d) => `${i}·${lane.strides[d]}`)].join(" + ") +
  ` = ${offsetOf(index, lane.strides, lane.offset)}`;

function whyContiguous(lane) {
  if (isContiguous(lane.shape, lane.strides)) return "contiguous";
  return `not contiguous: fresh strides for ${tuple(lane.shape)} would be ${tuple(contiguousStrides(lane.shape))}`;
}

const unseen = (text) => h("span", { class: "lmc-sr" }, text);

/** The last two dimensions as a table, the others as labelled blocks. `cell(k, index)` makes one element. */
function grid(shape, cell, label) {
  const numel = prod(shape),
    width = shape.at(-1) ?? 1,
    height = shape.length > 1 ? shape.at(-2) : 1;
  const shown = Math.min(numel, DRAWN),
    perBlock = width * height,
    parts = [];
  for (let start = 0; start < shown; start += perBlock) {
    const rows = [];
    for (let k = start; k < Math.min(start + perBlock, shown); k += width)
      rows.push(
        h(
          "div",
          { class: "sv-row" },
          range(Math.min(width, shown - k)).map((i) => cell(k + i, indexAt(k + i, shape))),
        ),
      );
    const lead = shape.length > 2 ? `[${indexAt(start, shape).slice(0, -2).join(", ")}, :, :]` : null;
    parts.push(h("div", { class: "sv-block" }, lead && h("div", { class: "sv-small" }, lead), rows));
  }
  if (!numel) parts.push(h("p", { class: "lmc-muted" }, "It has no elements: one of its sizes is 0."));
  const more = numel > shown ? h("p", { class: "sv-small" }, `the first ${shown} of ${grouped(numel)} elements`) : null;
  return h("div", { class: "sv-grid", role: "group", "aria-label": label }, parts, more);
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const first = Object.fromEntries(
    [
      "storages",
      "lanes",
      "selected",
      "mode",
      "new_shape",
      "order",
      "step",
      "line_bytes",
      "lines_kept",
      "puzzle",
      "answers",
    ].map((name) => [name, get(name)]),
  );
  let revealed = null; // the shape for which the oracle has spoken, and what the reader had said
  let measured = null;
  let spots = []; // what lights up: { node, storage, position }
  const f = frame({
    model,
    el,
    python() {
      const named = get("lanes")
        .filter((lane) => lane.given)
        .map((lane) => lane.name);
      const typed = get("lanes")
        .filter((lane) => !lane.given)
        .map((lane) => JSON.stringify(lane.name));
      const extra = typed.length ? [`operations=[${typed.join(", ")}]`] : [];
      const mode = get("mode") === "look" ? [] : [`mode="${get("mode")}"`];
      if (get("mode") === "view" && /^[-\d, ]+$/.test(get("new_shape"))) mode.push(`new_shape=(${get("new_shape")},)`);
      return (
        `StrideView(${[...named, ...extra, ...mode].join(", ")})` +
        movedTo(model, {
          selected: 0,
          order: "rows",
          step: 0,
          line_bytes: first.line_bytes,
          lines_kept: 1,
          puzzle: 0,
          answers: ["", "", "0"],
        })
      );
    },
    reset() {
      revealed = measured = null;
      put(model, first);
      settle();
    },
  });
  f.root.classList.add("sv");

  const lane = () => get("lanes")[Math.min(get("selected"), get("lanes").length - 1)];
  const storageOf = (x) => get("storages")[x.storage];
  const record = (x) => ({ ...x, size: storageOf(x).size, itemsize: storageOf(x).itemsize, copied: null });
  const valueAt = (x, position) => storageOf(x).values[position] ?? (position < storageOf(x).size ? "…" : "?");
  const show = (text, tone) => {
    f.say(text, tone);
  };

  // Light a position of a storage, and every element that is it

  function light(storage, position, says) {
    for (const spot of spots)
      spot.node.classList.toggle("sv-lit", spot.storage === storage && spot.position === position);
    if (says) show(says);
  }

  function sayPosition(storage, position) {
    const names = get("lanes")
      .filter((x) => x.storage === storage)
      .map((x) => {
        const found = aliases(x).get(position) ?? [];
        if (!found.length) return `no element of ${x.name}`;
        return (
          `${x.name}[${found[0].join(", ")}]` +
          (found.length > 1 ? ` and ${found.length - 1} more of its elements` : "")
        );
      });
    return `Storage ${LETTERS[storage]}, position ${position}, holds ${get("storages")[storage].values[position] ?? "a value not sent"}: ${names.join("; ")}.`;
  }

  function sayElement(x, index) {
    const position = offsetOf(index, x.strides, x.offset);
    const count = get("lanes")
      .filter((y) => y.storage === x.storage)
      .reduce((n, y) => n + (aliases(y).get(position)?.length ?? 0), 0);
    const shared =
      count > 1 ? ` ${plural(count, "element")} here are this one position: write one and all change.` : "";
    const bytes = x.library === "numpy" ? ` (byte ${position * storageOf(x).itemsize})` : "";
    return `${x.name}[${index.join(", ")}] is at ${arithmetic(index, x)}${bytes} in storage ${LETTERS[x.storage]}.${shared}`;
  }

  function sayLane(x) {
    const n = prod(x.shape),
      kind = x.copy
        ? `a copy: ${plural(storageOf(x).size, "element")} in a storage of its own`
        : "a view: no element was moved";
    const proof = x.confirmed ? "" : " By the page's rules; the kernel has not confirmed it.";
    const kept = !x.copy && storageOf(x).size > 4 * n ? ` It keeps ${plural(storageOf(x).size, "element")} alive.` : "";
    const origin =
      x === get("lanes")[0] ? "the first tensor here" : x.given && x.copy ? "in a storage of its own" : kind;
    return `${x.name} has shape ${tuple(x.shape)} and strides ${stridesInWords(x, storageOf(x).itemsize)}, ${whyContiguous(x)}; ${origin}.${kept}${proof}`;
  }

  // Typed operations: answered by the rules here, then confirmed by the library itself where there is a kernel

  const kernel = asker(model, {
    answered(answer) {
      if (answer.asked === "measure") {
        measured = answer;
        draw();
        sayMeasured();
      }
      if (answer.asked === "view") confirmView(answer);
      if (answer.asked === "operation") confirmLane(answer);
    },
    failed: (words) => show(words, "bad"),
    unanswered(question) {
      if (question.measure) show("Measuring needs the kernel: run this cell in JupyterLab.");
    },
  });
  const library = (x) => (x.library === "numpy" ? "NumPy" : "PyTorch");

  function confirmView({ text, lane: theirs, error, words }) {
    if (theirs) show(`PyTorch agrees: ${text} is a view with strides ${tuple(theirs.strides)}.`, "good");
    else if (error === "RuntimeError") show(`PyTorch agrees, in these words: ${error}: ${words}`, "bad");
  }

  function confirmLane({ text, lane: theirs, storage, error, words }) {
    if (error) return show(`${error}: ${words}`, "bad");
    const at = get("lanes").findIndex((x) => x.name === text && !x.confirmed);
    if (at < 0) return text === asked ? append({ ...theirs, given: false }, storage) : null; // only the library knew
    const mine = get("lanes")[at];
    const agree =
      ["shape", "strides"].every((part) => same(mine[part], theirs[part])) &&
      mine.offset === theirs.offset &&
      mine.copy === theirs.copy;
    const lane = { ...mine, shape: theirs.shape, strides: theirs.strides, offset: theirs.offset, confirmed: true };
    put(model, { lanes: get("lanes").with(at, lane) });
    draw();
    show(
      agree
        ? `${sayLane(lane)} ${library(lane)} says the same.`
        : `${library(lane)} says otherwise, and is right: ${sayLane(lane)}`,
      agree ? "good" : "bad",
    );
  }

  function append(x, storage) {
    const storages = storage ? [...get("storages"), storage] : get("storages");
    const added = storage ? { ...x, storage: storages.length - 1 } : x;
    put(model, { storages, lanes: [...get("lanes"), added], selected: get("lanes").length, step: 0 });
    settle();
    show(sayLane(added), "good");
  }

  let asked = "";
  function type(text) {
    asked = text = text.trim();
    const bases = get("lanes").filter((x) => x.given && /^[A-Za-z_]\w*$/.test(x.name));
    if (!text) return show(`Type what you would write in Python, such as ${bases[0].name}[1:].T, and press Enter.`);
    if (get("lanes").length >= 12) return show("Twelve lanes are enough to look at: remove one first.", "bad");
    try {
      const base = bases.find((x) => x.name === /^\w+/.exec(text)?.[0]) ?? bases[0];
      const { name, steps } = parse(text, base.library);
      if (name !== base.name)
        throw new Error(`${name} is not one of the tensors here: ${bases.map((x) => x.name).join(", ")}`);
      const made = applySteps(record(base), steps);
      // In a chain with several copies only the last storage is drawn; its positions are those of the storage before.
      const at = steps.findLastIndex((_, k) => applySteps(record(base), steps.slice(0, k + 1)).copied);
      const { shape, strides, offset } = made;
      const x = {
        name: text,
        library: base.library,
        storage: base.storage,
        shape,
        strides,
        offset,
        given: false,
        copy: at >= 0,
        confirmed: false,
      };
      append(x, at < 0 ? null : { ...storageOf(base), size: made.size, values: copiedValues(base, steps) });
      operation.set("");
      kernel.ask({ operation: text });
    } catch (error) {
      if (!(error instanceof TensorError)) return show(`Not done: ${error.message}.`, "bad");
      const unknown = error.kind === "NotImplementedError";
      show(unknown ? `${error.message}.` : `${error.kind}: ${error.message}`, "bad");
      kernel.ask({ operation: text });
    }
  }

  function copiedValues(base, steps) {
    let values = storageOf(base).values,
      x = record(base);
    for (const step of steps) {
      x = applySteps(x, [step]);
      if (x.copied) {
        const from = values;
        values = x.copied.slice(0, DRAWN).map((p) => from[p] ?? "…");
      }
    }
    return values;
  }

  // The stage: strips, lanes, and one tensor as it is read

  function strip(k) {
    const storage = get("storages")[k],
      shown = Math.min(storage.size, DRAWN);
    const cells = range(shown).map((p) => {
      const number = h("span", {}, p);
      const node = h(
        "button",
        {
          type: "button",
          class: "sv-cell sv-pos",
          "data-key": `p${k}-${p}`,
          onclick: () => light(k, p, sayPosition(k, p)),
        },
        h("span", { class: "sv-small" }, unseen("position "), number),
        h("span", {}, unseen(" value "), storage.values[p] ?? "·"),
      );
      spots.push({ node, number, storage: k, position: p, says: () => sayPosition(k, p) });
      return node;
    });
    const bytes = storage.size * storage.itemsize;
    const cut = storage.size > shown ? `, the first ${shown} drawn` : "";
    return [
      h(
        "p",
        { class: "sv-head" },
        h("b", {}, `Storage ${LETTERS[k]}`),
        ` ${plural(storage.size, "element")} of ${storage.dtype}, ${plural(bytes, "byte")}${cut}: position above, value below`,
      ),
      h("div", { class: "sv-cells sv-strip", role: "group", "aria-label": `storage ${LETTERS[k]}` }, cells),
    ];
  }

  function laneRows(x, i) {
    const storage = storageOf(x),
      found = aliases(x),
      chosen = x === lane();
    const shown = Math.min(storage.size, DRAWN),
      contiguous = isContiguous(x.shape, x.strides);
    const badge = i === 0 ? null : x.copy ? ["copy", x.given ? "own storage" : "copy"] : ["view", "view"];
    const head = h(
      "div",
      { class: "sv-head" },
      h(
        "button",
        {
          type: "button",
          class: "lmc-mono sv-name",
          "aria-pressed": String(chosen),
          "data-key": `l${i}`,
          onclick: () => {
            put(model, { selected: i, step: 0 });
            settle();
            show(sayLane(x));
          },
        },
        x.name,
      ),
      h(
        "span",
        { class: "lmc-mono" },
        `${tuple(x.shape)} strides ${stridesInWords(x, storage.itemsize)} offset ${x.library === "numpy" ? `${x.offset * storage.itemsize} bytes` : x.offset}`,
      ),
      badge && h("span", { class: `sv-badge sv-${badge[0]}` }, badge[1]),
      h("span", { class: "sv-badge" }, contiguous ? "contiguous" : "not contiguous"),
      !x.given &&
        h(
          "button",
          {
            type: "button",
            class: "sv-remove",
            "data-key": `r${i}`,
            "aria-label": `remove ${x.name}`,
            title: "Remove this lane",
            onclick: () => {
              put(model, { lanes: get("lanes").filter((y) => y !== x), selected: 0, step: 0 });
              settle();
            },
          },
          "×",
        ),
    );
    const cells = range(shown).map((p) => {
      const indices = found.get(p) ?? [];
      const text = indices.length > 1 ? `×${indices.length}` : indices.length ? indices[0].join(",") || "()" : "";
      const node = h(
        "span",
        { class: `sv-cell ${indices.length ? (chosen ? "sv-mine" : "sv-some") : "sv-none"}` },
        text,
      );
      spots.push({
        node,
        storage: x.storage,
        position: p,
        says: () => (indices.length === 1 ? sayElement(x, indices[0]) : sayPosition(x.storage, p)),
      });
      return node;
    });
    const row = h("div", { class: "sv-cells", "aria-hidden": "true" }, cells);
    return h(
      "div",
      { class: `sv-lane${chosen ? " sv-chosen" : ""}` },
      head,
      row,
      i === 0 && get("theirs").length ? theirRow(x, shown) : null,
    );
  }

  /** The reader's own `offset`: where it puts each element of the first tensor, and the first that is wrong. */
  function theirRow(x, shown) {
    const said = get("theirs"),
      right = addressesOf({ ...x, shape: x.shape }).slice(0, said.length);
    const wrong = said.findIndex((p, k) => p !== right[k]);
    const words =
      wrong < 0
        ? "your offset agrees everywhere ✓"
        : `your offset puts [${indexAt(wrong, x.shape).join(", ")}] at ${said[wrong] ?? "no position"}, it lies at ${right[wrong]} ✗`;
    return [
      h("p", { class: "sv-head sv-small", style: `color:var(--lmc-${wrong < 0 ? "good" : "bad"})` }, words),
      h(
        "div",
        { class: "sv-cells", "aria-hidden": "true" },
        range(shown).map((p) => {
          const k = said.indexOf(p);
          return h(
            "span",
            { class: `sv-cell ${k < 0 ? "sv-none" : said[k] === right[k] ? "sv-some" : "sv-wrong"}` },
            k < 0 ? "" : indexAt(k, x.shape).join(","),
          );
        }),
      ),
    ];
  }

  function laneGrid(x) {
    const cell = (k, index) => {
      const position = offsetOf(index, x.strides, x.offset);
      const node = h(
        "button",
        {
          type: "button",
          class: "sv-cell sv-el",
          "data-key": `e${k}`,
          "aria-label": `element ${index.join(", ")}, value ${valueAt(x, position)}`,
          onclick: () => light(x.storage, position, sayElement(x, index)),
        },
        valueAt(x, position),
      );
      spots.push({ node, storage: x.storage, position, says: () => sayElement(x, index) });
      return node;
    };
    return [
      h(
        "p",
        { class: "sv-head" },
        h("b", { class: "lmc-mono" }, x.name),
        " as it is read, in the order of its indices",
      ),
      grid(x.shape, cell, `${x.name}, its elements`),
    ];
  }

  // The walk: an odometer over the indices, and the cache lines that it touches

  let route = null;
  /** Everything about the walk that no step changes. */
  function routeOf(x) {
    const numel = prod(x.shape),
      key = JSON.stringify([x, get("order"), get("line_bytes"), get("lines_kept")]);
    if (!numel || numel > WALKED) return null;
    if (route?.key === key) return route;
    const { itemsize } = storageOf(x),
      bytes = get("line_bytes"),
      columns = get("order") === "columns";
    const fetches = (way) => lineFetches(addressesOf(x, way), itemsize, bytes, get("lines_kept"));
    const total = (way) => fetches(way).filter(Boolean).length,
      positions = addressesOf(x, columns);
    route = {
      key,
      numel,
      columns,
      positions,
      fetched: fetches(columns),
      rows: total(false),
      byColumns: total(true),
      lines: positions.map((p) => Math.floor((p * itemsize) / bytes)),
      perLine: Math.max(1, Math.floor(bytes / itemsize)),
    };
    return route;
  }

  /** The walk at the step of now: a function of the state. */
  function walking(x) {
    const way = routeOf(x);
    if (!way) return null;
    const step = Math.min(get("step"), way.numel - 1),
      index = indexAt(step, x.shape, way.columns),
      kept = new Set();
    for (let k = step; k >= 0 && kept.size < get("lines_kept"); k -= 1) kept.add(way.lines[k]);
    return {
      ...way,
      step,
      index,
      kept,
      position: way.positions[step],
      line: way.lines[step],
      fetch: way.fetched[step],
      soFar: way.fetched.slice(0, step + 1).filter(Boolean).length,
    };
  }

  /** Move the pointer: no cell is made anew, so a step costs little however many there are. */
  function paintWalk() {
    const x = lane(),
      walk = walking(x),
      number = walk && x.shape.reduce((k, n, d) => k * n + walk.index[d], 0);
    for (const { node, number: label, storage, position } of spots) {
      if (!label) continue;
      const here = walk !== null && storage === x.storage && position === walk.position;
      node.classList.toggle("sv-here", here);
      node.classList.toggle(
        "sv-cached",
        walk !== null && storage === x.storage && walk.kept.has(Math.floor(position / walk.perLine)),
      );
      node.classList.toggle("sv-line", walk !== null && storage === x.storage && position % walk.perLine === 0);
      write(label, here ? `▼${position}` : String(position));
    }
    f.stage.querySelector(".sv-el.sv-here")?.classList.remove("sv-here");
    if (walk) f.stage.querySelector(`[data-key="e${number}"]`)?.classList.add("sv-here");
    walkBox.replaceChildren(walkPanel(x, walk));
    const scroller = f.stage.querySelector(".sv-scroll"),
      here = scroller.querySelector(".sv-here");
    if (
      here &&
      (here.offsetLeft < scroller.scrollLeft || here.offsetLeft + 48 > scroller.scrollLeft + scroller.clientWidth)
    )
      scroller.scrollLeft = here.offsetLeft - 48;
    if (walk) walker.set(walk.step, walk.numel);
    sayWalk(x, walk);
  }
  const walkBox = h("div", {});

  function bars(title, pairs, format) {
    const most = Math.max(...pairs.map(([, n]) => n), 1e-12);
    return h(
      "div",
      { class: "sv-bars" },
      h("p", { class: "sv-small" }, title),
      pairs.map(([name, n, kind]) =>
        h(
          "div",
          { class: "sv-bar" },
          h("span", {}, name),
          h(
            "span",
            { class: "sv-track" },
            h("span", { class: `sv-fill sv-fill-${kind}`, style: `width:${(100 * n) / most}%` }),
          ),
          h("span", { class: "lmc-mono" }, format(n)),
        ),
      ),
    );
  }

  function walkPanel(x, walk) {
    if (!walk)
      return h(
        "p",
        { class: "lmc-muted" },
        prod(x.shape)
          ? `A walk is drawn up to ${grouped(WALKED)} elements.`
          : "There is nothing to walk over: no elements.",
      );
    const digits = walk.index.length
      ? walk.index.map((i, d) =>
          h("span", { class: "sv-digit lmc-mono" }, h("span", { class: "sv-small" }, `of ${x.shape[d]}`), i),
        )
      : "a single element";
    return h(
      "div",
      { class: "sv-walk" },
      h("div", { class: "sv-odometer" }, digits, h("span", { class: "lmc-mono" }, ` ${arithmetic(walk.index, x)}`)),
      bars(
        `cache lines fetched in the whole walk, ${plural(get("lines_kept"), "line")} of ${get("line_bytes")} bytes kept`,
        [
          ["last index fastest", walk.rows, "a"],
          ["first index fastest", walk.byColumns, "b"],
        ],
        grouped,
      ),
      measured &&
        bars(
          `measured here: reading all of a ${measured.n} × ${measured.n} float32 matrix, in milliseconds`,
          [
            ["row by row", measured.rows * 1e3, "a"],
            ["column by column", measured.columns * 1e3, "b"],
          ],
          (n) => n.toFixed(2),
        ),
    );
  }

  const sayWalk = (x, walk) =>
    walk &&
    show(
      `Read ${walk.step + 1} of ${walk.numel}: ${x.name}[${walk.index.join(", ")}] at position ${walk.position}, ` +
        `in cache line ${walk.line}, which ${walk.fetch ? "is fetched from memory" : "is there already"}. ${plural(walk.soFar, "line")} fetched so far.`,
    );
  const sayMeasured = () =>
    show(
      `Measured on this machine: reading column by column takes ${(measured.columns / measured.rows).toFixed(1)} times as long ` +
        `as reading in the order in which the matrix lies.`,
    );

  // The oracle: will .view() work?

  function verdict(x) {
    let shape;
    try {
      shape = inferSizes(readIntegers(get("new_shape"), "new shape"), prod(x.shape));
    } catch (error) {
      return {
        words: error instanceof TensorError ? `${error.kind}: ${error.message}` : error.message,
        ready: error instanceof TensorError,
        works: false,
      };
    }
    const strides = canView(x.shape, x.strides, shape);
    return {
      ready: true,
      works: strides !== null,
      shape,
      strides,
      conflict: strides ? null : viewConflict(x.shape, x.strides, shape),
      words: strides ? "" : `RuntimeError: ${VIEW_WORDS}`,
    };
  }

  const oracleKey = (x) => `${x.name}|${get("new_shape")}`;

  function viewPanel(x) {
    const v = verdict(x),
      open = revealed?.key === oracleKey(x);
    const links = (d) => {
      const [size, stride] = [x.shape[d + 1], x.strides[d + 1]];
      const joined = x.shape[d] === 1 || blocksOf(x.shape, x.strides).every((block) => block.first !== d + 1);
      const bad = open && v.conflict?.dims[0] === d;
      const words = joined ? (x.shape[d] === 1 ? "size 1 merges" : "merges ✓") : `${x.strides[d]} ≠ ${size}·${stride}`;
      return h(
        "span",
        { class: `sv-link ${joined ? "sv-good" : bad ? "sv-bad" : ""}` },
        joined ? words : `${words}${bad ? " ✗" : ""}`,
      );
    };
    const dims = x.shape.map((n, d) => [
      h(
        "span",
        { class: `sv-dim${open && v.conflict?.dims.includes(d) ? " sv-wrong" : ""}` },
        h("span", { class: "sv-small" }, `dim ${d}`),
        h("b", {}, n),
        h("span", { class: "sv-small" }, `stride ${x.strides[d]}`),
      ),
      d + 1 < x.shape.length ? links(d) : null,
    ]);
    const fresh =
      open && v.shape
        ? v.shape.map((n, k) =>
            h(
              "span",
              { class: `sv-dim${v.conflict?.newDim === k ? " sv-wrong" : ""}` },
              h("span", { class: "sv-small" }, `dim ${k}`),
              h("b", {}, n),
              h(
                "span",
                { class: "sv-small" },
                v.works ? `stride ${v.strides[k]}` : v.conflict?.newDim === k ? "needs two strides ✗" : "fine",
              ),
            ),
          )
        : null;
    const result = !open
      ? null
      : v.works
        ? h(
            "p",
            { class: "sv-verdict", style: "color:var(--lmc-good)" },
            `✓ a view: strides ${tuple(v.strides)}, offset ${x.offset}, no element moves`,
          )
        : h(
            "div",
            {},
            h("p", { class: "sv-verdict", style: "color:var(--lmc-bad)" }, `✗ ${v.words}`),
            v.conflict &&
              h(
                "p",
                {},
                `Dimensions ${v.conflict.dims.join(" and ")} do not merge: a step along dimension ${v.conflict.dims[0]} skips ${v.conflict.stride}, ` +
                  `and it would have to skip ${v.conflict.needed}. .reshape copies ${plural(prod(x.shape), "element")} instead.`,
              ),
          );
    return h(
      "div",
      { class: "sv-oracle" },
      h("p", { class: "sv-head lmc-mono" }, `${x.name}.view(${get("new_shape")})`),
      h(
        "div",
        { class: "sv-dims", role: "group", "aria-label": "old dimensions" },
        h("span", { class: "sv-small" }, "is"),
        dims.length ? dims : "a single element",
      ),
      fresh &&
        h(
          "div",
          { class: "sv-dims", role: "group", "aria-label": "new dimensions" },
          h("span", { class: "sv-small" }, "becomes"),
          fresh,
        ),
      result,
    );
  }

  function guess(works) {
    const x = lane(),
      v = verdict(x);
    if (!v.ready) return show(`${v.words}.`, "bad");
    revealed = { key: oracleKey(x), works };
    draw();
    const right = works === v.works,
      says = v.works ? `It is a view, strides ${tuple(v.strides)}.` : v.words;
    show(`${right ? "Your prediction is right." : "Not what you predicted."} ${says}`, right ? "good" : "bad");
    if (x.library === "torch") kernel.ask({ view: { of: x.name, sizes: readIntegers(get("new_shape"), "new shape") } });
  }

  // Puzzles: a pattern to read, by three numbers a dimension

  const puzzleNow = () => get("puzzles")[Math.min(get("puzzle"), get("puzzles").length - 1)];

  /** What the three fields read from the strip: { positions, shape } or { words } that say why nothing. */
  function attempt(puzzle) {
    const [sizes, steps, start] = get("answers");
    if (!sizes.trim() && !steps.trim())
      return { words: "Give sizes, one stride for each, and an offset; what they read is drawn as you type." };
    try {
      const shape = readIntegers(sizes, "sizes"),
        strides = readIntegers(steps, "strides"),
        begin = readIntegers(start, "offset");
      if (shape.length !== strides.length)
        throw new Error(`one stride a size: ${plural(shape.length, "size")}, ${plural(strides.length, "stride")}`);
      if (begin.length !== 1) throw new Error("offset: one whole number");
      if (shape.some((n) => n < 1) || prod(shape) > DRAWN)
        throw new Error(`sizes: from 1, and at most ${DRAWN} elements in all`);
      const read = { shape, strides, offset: begin[0] },
        refused = refusal(() => operations.as_strided({ ...puzzle, itemsize: 8, offset: 0 }, shape, strides, begin[0]));
      return { shape, positions: addressesOf(read), refused };
    } catch (error) {
      return { words: error.message, bad: true };
    }
  }

  const refusal = (act) => {
    try {
      act();
      return null;
    } catch (error) {
      return `PyTorch refuses: ${error.message}`;
    }
  };
  const solved = (puzzle, tried) =>
    Boolean(tried.positions) &&
    !tried.refused &&
    same(tried.shape, puzzle.shape) &&
    same(tried.positions, puzzle.target);

  function puzzleStage() {
    const puzzle = puzzleNow(),
      tried = attempt(puzzle),
      read = new Set(tried.positions ?? []);
    const cells = range(puzzle.size).map((p) => {
      const node = h(
        "button",
        {
          type: "button",
          class: `sv-cell sv-pos${read.has(p) ? " sv-cached" : ""}`,
          "data-key": `p0-${p}`,
          onclick: () => light(0, p),
        },
        unseen("position "),
        p,
        read.has(p) ? unseen(", read") : null,
      );
      spots.push({
        node,
        storage: 0,
        position: p,
        says: () =>
          `Position ${p} is ${read.has(p) ? "" : "not "}read by your record; the target reads it ${plural(puzzle.target.filter((q) => q === p).length, "time")}.`,
      });
      return node;
    });
    const cell = (positions, other) => (k) => {
      const wrong = other && (positions[k] !== other[k] || positions[k] < 0 || positions[k] >= puzzle.size);
      const node = h(
        "button",
        {
          type: "button",
          class: `sv-cell sv-el${wrong ? " sv-wrong" : ""}`,
          "data-key": `${other ? "y" : "e"}${k}`,
          onclick: () => light(0, positions[k]),
        },
        positions[k],
      );
      spots.push({ node, storage: 0, position: positions[k] });
      return node;
    };
    const fits = tried.positions && same(tried.shape, puzzle.shape);
    return [
      h(
        "p",
        { class: "sv-head" },
        h("b", {}, `${get("puzzle") + 1}. ${puzzle.name}`),
        ` from a storage of ${puzzle.size} elements`,
      ),
      h(
        "div",
        { class: "lmc-scroll" },
        h("div", { class: "sv-cells sv-strip", role: "group", "aria-label": "storage" }, cells),
      ),
      h(
        "div",
        { class: "sv-pair" },
        h(
          "div",
          {},
          h("p", { class: "sv-head" }, `target, shape ${tuple(puzzle.shape)}`),
          grid(puzzle.shape, cell(puzzle.target), "target"),
        ),
        h(
          "div",
          {},
          h("p", { class: "sv-head" }, tried.positions ? `yours, shape ${tuple(tried.shape)}` : "yours"),
          tried.positions
            ? grid(tried.shape, cell(tried.positions, fits ? puzzle.target : tried.positions), "yours")
            : h("p", { class: "lmc-muted" }, "nothing is read yet"),
        ),
      ),
    ];
  }

  function sayPuzzle() {
    const puzzle = puzzleNow(),
      tried = attempt(puzzle);
    if (!tried.positions) return show(`${tried.words}${/[.]$/.test(tried.words) ? "" : "."}`, tried.bad ? "bad" : "");
    if (tried.refused) return show(tried.refused, "bad");
    if (solved(puzzle, tried))
      return show(
        `Solved: as_strided(${tuple(tried.shape)}, ${tuple(readIntegers(get("answers")[1], "strides"))}, ${get("answers")[2]}) reads the target.`,
        "good",
      );
    if (!same(tried.shape, puzzle.shape))
      return show(`Not yet: your shape is ${tuple(tried.shape)}, the target's ${tuple(puzzle.shape)}.`, "bad");
    const k = tried.positions.findIndex((p, i) => p !== puzzle.target[i]);
    return show(
      `Not yet: at [${indexAt(k, puzzle.shape).join(", ")}] you read position ${tried.positions[k]}, the target reads ${puzzle.target[k]}.`,
      "bad",
    );
  }

  // Controls: made once, shown by mode

  const modeButtons = MODES.map(([mode, text]) =>
    h(
      "button",
      {
        type: "button",
        "data-mode": mode,
        onclick: () => {
          put(model, { mode });
          settle();
        },
      },
      text,
    ),
  );
  const base = get("lanes").find((x) => x.given)?.name ?? "t",
    ndim = get("lanes")[0]?.shape.length ?? 0;
  const operation = field({ label: "Type an operation", value: "", placeholder: `${base}[1:].T`, oninput: () => {} });
  operation.input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      type(operation.input.value);
      event.preventDefault();
    }
  });
  const flat = ndim < 2,
    numpy = get("lanes")[0]?.library === "numpy";
  const examples = (
    numpy
      ? ["[::-1]", "[1::2]", ".T", ".reshape(-1)", ...(flat ? [] : ["[:, 1]", "[::-1].T", ".T.reshape(-1)"])]
      : flat
        ? ["[1:]", "[::2]", ".unfold(0, 3, 1)", ".expand(3, -1)", ".flip(0)", ".view(2, -1)"]
        : [
            "[1:]",
            "[:, 1]",
            "[..., ::2]",
            ".T",
            ".T.view(-1)",
            ".T.reshape(-1)",
            "[0].expand(3, -1)".replace(
              "-1",
              Array(ndim - 1)
                .fill(-1)
                .join(", "),
            ),
            ".unfold(-1, 2, 1)",
            ".diagonal()",
            ".flip(0)",
            "[[0, 0]]",
            ".as_strided((3, 2), (1, 1))",
          ]
  ).map((tail) => base + tail);
  const example = choice({
    label: "or take",
    options: [["", "an example…"], ...examples],
    value: "",
    onchange: (text) => {
      if (text) {
        type(text);
        example.set("");
      }
    },
  });
  const walker = stepper({ label: "read", go: (step) => put(model, { step }), every: 400 });
  const order = choice({
    label: "order",
    options: [
      ["rows", "last index fastest"],
      ["columns", "first index fastest"],
    ],
    value: get("order"),
    onchange: (value) => put(model, { order: value, step: 0 }),
  });
  const line = choice({
    label: "cache line",
    options: [
      ["64", "64 bytes"],
      ["32", "32 bytes"],
      ["16", "16 bytes (a toy)"],
    ],
    value: String(get("line_bytes")),
    onchange: (value) => put(model, { line_bytes: Number(value) }),
  });
  const kept = choice({
    label: "kept",
    options: ["1", "2", "4", "8"],
    value: String(get("lines_kept")),
    onchange: (value) => put(model, { lines_kept: Number(value) }),
  });
  const measure = h("button", { type: "button", onclick: () => kernel.ask({ measure: true }) }, "Measure here");
  const newShape = field({
    label: "new shape",
    value: get("new_shape"),
    placeholder: "6, -1",
    oninput: (text) => {
      revealed = null;
      put(model, { new_shape: text });
    },
  });
  const which = choice({
    label: "puzzle",
    options: get("puzzles").map((puzzle, k) => [String(k), `${k + 1}. ${puzzle.name}`]),
    value: String(get("puzzle")),
    onchange: (value) => put(model, { puzzle: Number(value), answers: ["", "", "0"] }),
  });
  const fields = ["sizes", "strides", "offset"].map((label, k) =>
    field({
      label,
      value: get("answers")[k],
      placeholder: k < 2 ? "3, 4" : "0",
      oninput: (text) => put(model, { answers: get("answers").with(k, text) }),
    }),
  );
  const hint = h("button", { type: "button", onclick: () => show(puzzleNow().hint) }, "Hint");
  const next = h(
    "button",
    {
      type: "button",
      onclick: () => put(model, { puzzle: (get("puzzle") + 1) % get("puzzles").length, answers: ["", "", "0"] }),
    },
    "Next puzzle",
  );
  for (const { input } of fields) input.size = 8;
  newShape.input.size = 12;
  operation.input.size = 22;

  const group = (mode, ...nodes) => h("div", { class: "sv-tools", "data-for": mode }, nodes);
  const says = (works, text) => h("button", { type: "button", onclick: () => guess(works) }, text);
  const groups = [
    group(
      "look walk view",
      operation.el,
      h("button", { type: "button", onclick: () => type(operation.input.value) }, "Add lane"),
      example.el,
    ),
    group("walk", walker.el, order.el, line.el, kept.el, measure),
    group("view", newShape.el, says(true, "I say: a view"), says(false, "I say: an error")),
    group(
      "puzzle",
      which.el,
      fields.map((part) => part.el),
      hint,
      next,
    ),
  ];
  f.controls.append(h("div", { class: "sv-tools", role: "group", "aria-label": "what to do" }, modeButtons), ...groups);

  function settle() {
    // what the controls show follows the state; a typed text is left alone
    const lanes = get("lanes").length > 0,
      mode = lanes ? get("mode") : "puzzle";
    for (const node of modeButtons) {
      node.setAttribute("aria-pressed", String(node.dataset.mode === mode));
      node.hidden = !lanes;
    }
    for (const node of groups) node.hidden = !node.dataset.for.split(" ").includes(mode);
    order.set(get("order"));
    line.set(String(get("line_bytes")));
    kept.set(String(get("lines_kept")));
    newShape.set(get("new_shape"));
    which.set(String(get("puzzle")));
    fields.forEach((part, k) => part.set(get("answers")[k]));
  }

  function draw() {
    const key = f.stage.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const lanes = get("lanes"),
      mode = lanes.length ? get("mode") : "puzzle",
      x = lane();
    const scrolled = f.stage.querySelector(".sv-scroll")?.scrollLeft ?? 0;
    spots = [];
    settle();
    if (mode === "puzzle") {
      f.root.style.setProperty("--sv-w", "30px");
      f.stage.replaceChildren(...puzzleStage());
    } else {
      const labels = lanes.map((y) => y.shape.map((n) => n - 1).join(",").length);
      const values = get("storages").flatMap((storage) => storage.values.map((value) => value.length));
      const longest = Math.max(3, ...labels, ...values);
      f.root.style.setProperty("--sv-w", `${Math.max(30, 7.4 * Math.min(longest, 9) + 8)}px`);
      const strips = get("storages").map((_, k) => {
        const mine = lanes.map((y, i) => [y, i]).filter(([y]) => y.storage === k);
        return mine.length
          ? h(
              "div",
              { class: "sv-storage" },
              strip(k),
              mine.map(([y, i]) => laneRows(y, i)),
            )
          : null;
      });
      const panel = mode === "walk" ? [walkBox] : mode === "view" ? [viewPanel(x)] : [];
      f.stage.replaceChildren(
        h("div", { class: "lmc-scroll sv-scroll" }, strips),
        ...panel,
        h("div", { class: "lmc-scroll" }, laneGrid(x)),
      );
      f.stage.querySelector(".sv-scroll").scrollLeft = scrolled;
    }
    byNode = new Map(spots.map((spot) => [spot.node, spot]));
    strips.refresh(0);
    elements.refresh(0);
    // What had the focus has it again; where that is gone (a removed lane), its neighbour.
    if (key)
      (f.stage.querySelector(`[data-key="${key}"]`) ?? f.stage.querySelector("[data-key]"))?.focus({
        preventScroll: true,
      });
    if (mode === "puzzle") sayPuzzle();
    else if (mode === "walk") paintWalk();
  }

  let byNode = new Map();
  const point = (event) => {
    const spot = byNode.get(event.target.closest?.(".sv-cell"));
    if (spot) light(spot.storage, spot.position, spot.says?.());
  };
  f.stage.addEventListener("pointerover", point);
  f.stage.addEventListener("focusin", point);
  f.stage.addEventListener("pointerleave", () => light(-1, -1));
  const strips = roving(f.stage, ".sv-pos");
  const elements = roving(f.stage, ".sv-el", {
    columns: () => (get("mode") === "puzzle" ? puzzleNow().shape : (lane()?.shape ?? [1])).at(-1) ?? 1,
  });
  const stop = redraw(
    model,
    ["storages", "lanes", "selected", "mode", "new_shape", "puzzle", "answers", "theirs"],
    draw,
  );
  const stopWalk = redraw(model, ["order", "step", "line_bytes", "lines_kept"], () => {
    settle();
    if (get("lanes").length && get("mode") === "walk") paintWalk();
  });
  if (get("mode") === "view") show("Predict first: will it be a view, or an error?");
  if (get("mode") === "look") show(sayLane(lane()));
  return () => {
    stop();
    stopWalk();
    walker.stop();
    kernel.stop();
  };
}

export default { render };
