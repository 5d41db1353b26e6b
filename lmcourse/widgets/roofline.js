// Roofline: operations as dots under the roof of a chip, and under the one measured on this machine. The costs are in
// rules/flops.js, the picture in parts/roofline_picture.js; here are the state, its words, the table and the controls.
import { frame, put } from "./lib/base.js";
import { check, choice, help, slider } from "./lib/controls.js";
import { h, keyed, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { moving } from "./lib/motion.js";
import { bytes, percent, si, three } from "./lib/numbers.js";
import { roving } from "./lib/roving.js";
import { movedTo } from "./lib/share.js";
import { roofPicture } from "./parts/roofline_picture.js";
import {
  attainable,
  bestSeconds,
  elementwiseShare,
  intensity,
  modelCosts,
  ridge,
  textbookCosts,
} from "./rules/flops.js";

const STATE = [
  "chip",
  "dtype",
  "measured",
  "costs",
  "timed",
  "operations",
  "batch",
  "seq",
  "width",
  "bandwidth_times",
  "sparse",
  "selected",
];
const TABLES = ["chips", "element_bytes", "shape", "model_name"];

/** 0.42 → "42 %"; small shares with a decimal. */
const share = (x) => percent(x, x >= 0.1 ? 0 : 1);

/** The operations on the stage, with what they cost. */
function costsOf(now) {
  if (now.operations === "yours") return now.costs;
  const size = now.element_bytes[now.dtype];
  return now.operations === "textbook"
    ? textbookCosts(now.batch, now.width, size)
    : modelCosts(now.shape, now.batch, now.seq, size);
}

const LARGEST_BATCH = 2 ** 12;

/** Where an operation lies for every batch that the slider has: its trail, empty where the batch changes nothing. */
function trailOf(now, name) {
  if (now.operations === "yours") return [];
  const batches = Array.from({ length: Math.log2(LARGEST_BATCH) + 1 }, (_, k) => 2 ** k);
  const trail = batches.map((batch) => ({ batch, x: intensity(costsOf({ ...now, batch })[name]) }));
  return trail[0].x === trail.at(-1).x ? [] : trail;
}

/** The operation that is looked at: the chosen one, else the linear layer, else the first. */
const lookedAt = (costs, selected) => [selected, "linear layer"].find((name) => costs[name]) ?? Object.keys(costs)[0];

/** What was timed, by operation: yours with what Python gave, the textbook's with what the kernel told this view. */
function reachedOf(now, costs, live) {
  if (now.operations === "textbook") return live;
  if (now.operations !== "yours") return {};
  const known = Object.entries(now.timed).filter(([name]) => costs[name]);
  return Object.fromEntries(known.map(([name, seconds]) => [name, { ...costs[name], seconds }]));
}

/** All that the picture, the table and the words show, from the state and from what this view has timed. */
export function roofOf(now, live = {}) {
  const row = now.chips[now.chip];
  const dense = row.peak[now.dtype];
  const peak = dense * (now.sparse ? row.sparse_factor : 1);
  const bandwidth = row.bandwidth * now.bandwidth_times;
  const costs = costsOf(now);
  const at = lookedAt(costs, now.selected);
  const here = now.measured.flop_per_s ? now.measured : null;
  const sparse = now.sparse && row.sparse_factor > 1;
  return {
    chip: now.chip,
    dtype: now.dtype,
    operations: now.operations,
    row,
    dense,
    peak,
    bandwidth,
    bend: ridge(peak, bandwidth),
    sparse,
    costs,
    at,
    batch: now.batch,
    trail: trailOf(now, at),
    here,
    // said at once, while the lines are still on their way
    words: {
      datasheet: `${now.chip}, ${sparse ? "sparse figure" : "datasheet"}: ${si(peak, "FLOP/s")}`,
      ridge: `ridge ${three(ridge(peak, bandwidth))}`,
      here: here ? `measured here, ${here.device} ${here.dtype}: ${si(here.flop_per_s, "FLOP/s")}` : "",
    },
    reached: reachedOf(now, costs, live),
  };
}

/** One sentence or two on the operation that is looked at, and its tone. @returns {[string, string]} */
export function reading(roof) {
  const { row, costs, at, peak, bandwidth, bend, here } = roof;
  if (roof.sparse)
    return [
      `A roof ${row.sparse_factor} times as high, for matrices of which half the entries are zero ` +
        "in a fixed pattern. Training has none: every MFU against it is halved.",
      "bad",
    ];
  const x = intensity(costs[at]);
  const limit =
    x < bend
      ? `${three(bend / x)} × below the ridge: memory decides, and at best ` +
        `${share(attainable(x, peak, bandwidth) / peak)} of the peak is reached`
      : `${three(x / bend)} × above the ridge: arithmetic decides, and the whole peak can be reached`;
  return [`${at}: ${three(x)} FLOPs a byte, ${limit}.${onYourMachine(x, here)}${ofTheBlock(roof)}`, ""];
}

function onYourMachine(x, here) {
  if (!here) return "";
  const bend = ridge(here.flop_per_s, here.bytes_per_s);
  return ` On your machine the ridge is ${three(bend)}: there ${x < bend ? "memory" : "arithmetic"} decides.`;
}

function ofTheBlock({ operations, costs, peak, bandwidth }) {
  if (operations !== "block") return "";
  const shares = elementwiseShare(costs, peak, bandwidth);
  const [work, time] = [share(shares.flops), share(shares.seconds)];
  return ` In the block, what is no matmul is ${work} of the FLOPs and ${time} of the time.`;
}

/** Where the numbers come from. */
function sourceOf({ chip, row, here, reached }) {
  const band = row.achieved ? `Band: tuned matmuls reach ${share(row.achieved)} of the bf16 peak (Bekman, MAMF). ` : "";
  const machine = here
    ? `Measured here: best of ${here.matmul_size}² matmuls and of a copy of ${bytes(here.copy_bytes)}, ` +
      `ridge ${three(here.flop_per_s / here.bytes_per_s)}; ○ the same operations under that roof. `
    : "";
  const timed = Object.keys(reached).length ? "◆ what was reached." : "";
  return `${chip}: ${row.source}, read ${row.date}${row.note ? ` (${row.note})` : ""}. ${band}${machine}${timed}`;
}

/** The columns of the table: a heading, and what stands below it for an operation. */
const COLUMNS = [
  { head: "operation", text: ({ name }) => name },
  { head: "FLOPs", text: ({ cost }) => si(cost.flops, "") },
  { head: "bytes", text: ({ cost }) => bytes(cost.bytes) },
  { head: "FLOPs a byte", text: ({ x }) => three(x) },
  { head: "limit", text: ({ x, bend }) => (x < bend ? "■ memory" : "● arithmetic") },
  { head: "at best", text: ({ cost, peak, bandwidth }) => si(bestSeconds(cost, peak, bandwidth), "s") },
  { head: "of peak", text: ({ x, peak, bandwidth }) => share(attainable(x, peak, bandwidth) / peak) },
];

/** The same in numbers, a row for each operation; a click on a row, or its name, chooses it. */
function tableOf(choose) {
  const head = COLUMNS.map((column) => h("th", { scope: "col" }, column.head));
  const body = h("tbody", {});
  const table = h("table", {}, h("thead", {}, h("tr", {}, head)), body);
  const names = roving(table, "button", { columns: () => 1 });
  const rowOf = (name) => {
    const button = h("button", { type: "button", class: "rl-choose" }, name);
    const cells = COLUMNS.slice(1).map(() => h("td", {}));
    return h("tr", { onclick: () => choose(name) }, h("th", { scope: "row" }, button), cells);
  };
  return {
    el: h("div", { class: "lmc-scroll", role: "group", "aria-label": "the same in numbers" }, table),
    draw(roof) {
      const all = Object.keys(roof.costs);
      keyed(body, all, { key: (name) => name, make: rowOf, update: (row, name) => fillRow(row, roof, name) });
      names.refresh(all.indexOf(roof.at));
    },
  };
}

function fillRow(row, roof, name) {
  const cost = roof.costs[name];
  const seen = { ...roof, name, cost, x: intensity(cost) };
  for (const [k, { text }] of COLUMNS.entries()) if (k) write(row.children[k], text(seen));
  const on = name === roof.at;
  row.classList.toggle("rl-row", on);
  row.querySelector("button").setAttribute("aria-pressed", String(on));
}

/** The formats in which this chip has a known peak. */
const formatsOf = (now, chip = now.chip) =>
  Object.keys(now.element_bytes).filter((name) => name in now.chips[chip].peak);

/** Another chip, in the format that is chosen or the nearest that it has. */
function withChip(now, chip) {
  const known = formatsOf(now, chip);
  const dtype = known.includes(now.dtype) ? now.dtype : known.includes("bfloat16") ? "bfloat16" : known.at(-1);
  return { chip, dtype };
}

/** The controls; `change` sets traits, `forget` drops what was timed for other sizes. */
function controlsOf(model, state, forget) {
  const power = (name, label, min, max) =>
    slider({
      label,
      min: Math.log2(min),
      max: Math.log2(max),
      step: 1,
      value: Math.log2(model.get(name)),
      format: () => String(model.get(name)),
      oninput: (v) => {
        forget();
        put(model, { [name]: Math.round(2 ** v) });
      },
    });
  const operations = [
    ["textbook", "textbook"],
    ["block", `a block of ${model.get("model_name")}`],
    ...(Object.keys(model.get("costs")).length ? [["yours", "yours"]] : []),
  ];
  return {
    operations: choice({
      label: "operations",
      options: operations,
      value: model.get("operations"),
      onchange: (v) => {
        forget();
        put(model, { operations: v, selected: "" });
      },
    }),
    batch: power("batch", "batch", 1, LARGEST_BATCH),
    width: power("width", "width", 64, 16384),
    seq: power("seq", "sequence", 64, 32768),
    chip: choice({
      label: "chip",
      options: Object.keys(model.get("chips")),
      value: model.get("chip"),
      onchange: (name) => put(model, withChip(state(), name)),
    }),
    dtype: choice({ label: "format", options: [], value: "", onchange: (name) => put(model, { dtype: name }) }),
    bandwidth_times: slider({
      label: "bandwidth",
      min: 0.25,
      max: 4,
      step: 0.25,
      value: model.get("bandwidth_times"),
      format: (v) => `${v} ×`,
      oninput: (v) => put(model, { bandwidth_times: v }),
    }),
    sparse: check({
      label: "“with sparsity” roof",
      value: model.get("sparse"),
      onchange: (v) => put(model, { sparse: v }),
    }),
  };
}

/** Bring the controls in line with the state, and show those that matter for these operations. */
function setControls(control, now) {
  control.batch.el.style.visibility = now.operations === "yours" ? "hidden" : ""; // its place stays
  control.width.el.style.display = now.operations === "textbook" ? "" : "none";
  control.seq.el.style.display = now.operations === "block" ? "" : "none";
  for (const name of ["batch", "width", "seq"]) control[name].set(Math.log2(now[name]));
  for (const name of ["operations", "chip", "bandwidth_times", "sparse"]) control[name].set(now[name]);
  const { select } = control.dtype;
  const formats = formatsOf(now);
  if ([...select.options].map((o) => o.value).join() !== formats.join())
    select.replaceChildren(...formats.map((name) => h("option", { value: name }, name)));
  control.dtype.set(now.dtype);
}

function pythonOf(model) {
  const now = (/** @type {string} */ name) => model.get(name);
  const quoted = (/** @type {string} */ name) => JSON.stringify(now(name));
  const operations = now("operations") === "yours" ? '"textbook"' : quoted("operations");
  const given = now("model_name") === "your model" ? "model" : quoted("model_name");
  return (
    `Roofline(${quoted("chip")}, dtype=${quoted("dtype")}, operations=${operations}, model=${given}, ` +
    `batch=${now("batch")}, seq=${now("seq")}, width=${now("width")})` +
    movedTo(model, { bandwidth_times: 1, sparse: false, selected: "" })
  );
}

/** What is asked of the kernel: to measure this machine, and to time the textbook's operations. */
function kernelOf(model, note, draw) {
  const ask = asker(model, {
    answered: (a) => {
      if (a.measured) {
        note.words = "";
        put(model, { measured: a.measured });
      }
      if (a.timed) {
        note.live = a.timed;
        note.words =
          `Timed here in float32: ${Object.keys(a.timed).join(", ")}. ` +
          "Each ◆ is what was reached; the distance to your roof is what was lost.";
      }
      draw();
    },
    failed: (error) => {
      note.words = error;
      draw();
    },
  });
  const button = (text, question, wait) => {
    const onclick = () => {
      note.words = wait;
      draw();
      ask.ask(question());
    };
    return h("button", { type: "button", onclick }, text);
  };
  const sizes = () => ({ time: { rows: model.get("batch"), width: model.get("width") } });
  return {
    measure: button("Measure this machine", () => ({ measure: true }), "Measuring: two seconds…"),
    time: button("Time these here", sizes, "Timing…"),
    hasKernel: ask.hasKernel,
    stop: ask.stop,
  };
}

const RIDGE_HELP =
  "The ridge is the intensity at which arithmetic and memory take equally long: the chip's FLOP/s over its bytes/s. " +
  "Left of it memory decides, right of it arithmetic.";

/** Put the controls in: the batch under the picture, what is seldom moved behind More. */
function placeControls(view, control, kernel) {
  view.controls.append(control.batch.el, control.operations.el, control.chip.el, help("ridge?", RIDGE_HELP));
  const rest = [control.width, control.seq, control.dtype, control.bandwidth_times, control.sparse];
  view.more(...rest.map((each) => each.el), ...(kernel.hasKernel ? [kernel.measure, kernel.time] : []));
}

function render({ model, el }) {
  const valuesOf = (names) => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const state = () => valuesOf([...STATE, ...TABLES]);
  const first = valuesOf(STATE);
  const note = { words: "", live: {} }; // what the kernel said for this view: timings belong to no saved state
  const reset = () => {
    Object.assign(note, { words: "", live: {} });
    put(model, first);
  };
  const view = frame({ model, el, python: () => pythonOf(model), reset });
  view.root.classList.add("rl");
  const picture = h("div", { class: "rl-picture" });
  const choose = (/** @type {string} */ name) => {
    if (name !== model.get("selected")) put(model, { selected: name });
  };
  const table = tableOf(choose);
  view.stage.append(picture);
  view.below.append(table.el);
  const dots = roving(picture, ".rl-dot", { columns: () => 1, onfocus: (cell) => choose(cell.dataset.name) });
  const kernel = kernelOf(model, note, draw);
  const control = controlsOf(model, state, () => {
    note.live = {};
  });
  placeControls(view, control, kernel);
  const moves = moving(({ W, roof }) => {
    const hadFocus = picture.contains(document.activeElement);
    picture.replaceChildren(roofPicture(W, roof, choose));
    dots.refresh(Object.keys(roof.costs).indexOf(roof.at), hadFocus);
  });

  const measure = () => Math.max(300, Math.min(926, view.stage.clientWidth || 620));
  let W = 0;
  function draw() {
    const sized = W === measure();
    W = measure();
    const now = state();
    const roof = roofOf(now, note.live);
    // a new width, or another dot, is no move: what has the focus is not drawn anew frame by frame
    if (sized && !picture.contains(document.activeElement)) moves.to({ W, roof });
    else moves.jump({ W, roof });
    table.draw(roof);
    setControls(control, now);
    kernel.time.style.display = now.operations === "textbook" ? "" : "none";
    view.source(sourceOf(roof));
    if (note.words) view.say(note.words);
    else view.say(...reading(roof));
  }
  const forget = () => {
    note.words = "";
  };
  for (const name of STATE) model.on(`change:${name}`, forget);
  const stop = view.redraw(STATE, draw);
  const watcher = new ResizeObserver(() => {
    if (measure() !== W) draw();
  });
  watcher.observe(view.stage);
  return () => {
    watcher.disconnect();
    moves.stop();
    stop();
    kernel.stop();
    for (const name of STATE) model.off(`change:${name}`, forget);
  };
}
export default { render };
