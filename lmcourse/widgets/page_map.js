// PageMap: what a batch touches in a token file. The order of the windows, their pages and what was seen are computed
// here (rules/pages.js); faults, resident memory and the page cache are asked of the kernel. This file wires the parts.
import { bounded, frame, put } from "./lib/base.js";
import { check, choice, slider, tabs } from "./lib/controls.js";
import { h, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { clamp, grouped, plural } from "./lib/numbers.js";
import { stepper } from "./lib/player.js";
import { roving } from "./lib/roving.js";
import { movedTo } from "./lib/share.js";
import { drawCoverage } from "./parts/page_map_coverage.js";
import { numberTiles, pageStrip, sayPages, touchedBy } from "./parts/page_map_strip.js";
import { drawMask, drawShift } from "./parts/page_map_windows.js";
import { crossing, documentOf, fileOf, Stream } from "./rules/pages.js";

const BLOCKS = 480,
  WINDOWS = 1500;
const ORDERS = [
  ["random", "random, with replacement"],
  ["shuffled", "shuffled, each window once"],
  ["sequential", "in the order of the file"],
];
const VIEWS = [
  ["pages", "Pages"],
  ["shift", "x and y"],
  ["mask", "Documents and mask"],
  ["coverage", "What has been seen"],
];
const LIMITS = {
  num_tokens: [1, 2 ** 50],
  itemsize: [1, 8],
  offset: [0, 2 ** 50],
  page_size: [1, 2 ** 40],
  batch_size: [1, 64],
  context_length: [1, 4096],
  step: [0, WINDOWS],
  window: [0, WINDOWS],
};
const WORDS = {
  page: "The piece in which the system moves a file to memory: 4,096 bytes on most machines.",
  "page fault":
    "A read of a page that is not mapped yet: minor where memory has it, major where the disk must be asked.",
  "page cache": "Pages of files that the system keeps in memory, for whoever reads them next.",
  epoch: "As many windows as the file holds, once.",
};
const STATE = ["batch_size", "context_length", "order", "step", "view", "window"];

/** The line of Python that makes this widget again. */
function pythonOf(model) {
  const get = (name) => model.get(name);
  const order = get("own") ? "" : `order="${get("order")}", seed=${get("seed")}, `;
  return (
    `PageMap(tokens, ${get("own") ? "get_batch=get_batch, " : ""}batch_size=${get("batch_size")}, ` +
    `context_length=${get("context_length")}, ${order}step=${get("step")}, view="${get("view")}")` +
    movedTo(model, { window: 0 })
  );
}

/** The walks of all settings, each made once. */
function streamsOf(model, file) {
  const keysByEpoch = model.get("keys_by_epoch").map((keys) => keys.map(BigInt)),
    randomKey = BigInt(model.get("random_key")),
    own = model.get("own")?.batches ?? null,
    known = new Map();
  const keyOf = (order) => `${order} ${model.get("context_length")} ${model.get("batch_size")}`;
  return {
    keyOf,
    of(order) {
      const [contextLength, batchSize] = [model.get("context_length"), model.get("batch_size")];
      const settings = { numTokens: file.numTokens, contextLength, batchSize, order, keysByEpoch, randomKey };
      if (!known.has(keyOf(order))) known.set(keyOf(order), new Stream(settings, WINDOWS, own));
      return known.get(keyOf(order));
    },
  };
}

/** All that the state implies for one drawing. */
function work(model, file, streams, measured) {
  const get = (name) => model.get(name),
    order = get("order"),
    stream = streams.of(order),
    own = get("own"),
    step = clamp(get("step"), 0, stream.last),
    batch = stream.batchOf(step),
    picked = Math.max(0, Math.min(get("window"), batch.length - 1)),
    key = `${streams.keyOf(order)} ${step}`;
  const view = VIEWS.some(([known]) => known === get("view")) ? get("view") : "pages";
  const now = { view, order, stream, step, batch, picked, key, start: batch[picked], starts: stream.startsOf(step) };
  return {
    ...now,
    contextLength: get("context_length"),
    batchSize: get("batch_size"),
    ids: get("ids"),
    ends: get("ends"),
    own,
    facts: own?.facts ?? [],
    mine: own?.batches[step - 1],
    rivals: own || view !== "coverage" ? [] : ORDERS.map(([name]) => [name, streams.of(name).curve()]),
    found: measured.reads.get(key) ?? null,
    cached: measured.cached.get(key) ?? null,
    ...touchedBy({ ...now, contextLength: get("context_length") }, file),
  };
}

/** What is drawn below, and what is said: { nodes, words, tone }. */
function below(now, file) {
  const { own, view } = now;
  if (own?.error) return { nodes: [], words: `Your get_batch raised ${own.error}`, tone: "bad" };
  if (view === "coverage") return drawCoverage(now, file);
  const wrong = now.facts.find((fact) => !fact.ok);
  if (view === "pages" && wrong)
    return { nodes: [], words: `Not so in your get_batch: ${wrong.text}. See “x and y”.`, tone: "bad" };
  if (view === "pages") return { nodes: [], words: sayPages(now, file), tone: "" };
  if (!now.batch.length)
    return { nodes: [], words: "No batch has been drawn yet: step forward to see its windows.", tone: "" };
  return view === "shift" ? drawShift(now, file) : drawMask(now);
}

/** The windows of a batch as buttons: one tab stop, the chosen one is looked at. */
function windowButtons(model) {
  const el = h("div", { class: "pm-windows", role: "group", "aria-label": "windows of this batch" });
  const picking = roving(el, "button");
  return {
    el,
    draw({ batch, picked }) {
      while (el.children.length > batch.length) el.lastChild.remove();
      while (el.children.length < batch.length) {
        const at = el.children.length;
        el.append(h("button", { type: "button", tabindex: -1, onclick: () => put(model, { window: at }) }));
      }
      [...el.children].forEach((button, k) => {
        write(button, `${k + 1}: ${grouped(batch[k])}`);
        button.setAttribute("aria-pressed", String(k === picked));
      });
      if (batch.length) picking.refresh(picked);
    },
  };
}

/** Which window shows best what a view is about: for the mask one that crosses the end of a document. */
function windowFor(view, { batch, picked, start, contextLength, ends }) {
  if (view !== "mask" || !batch.length) return picked;
  const crosses = documentOf(start, ends) !== documentOf(start + contextLength - 1, ends);
  return crosses ? picked : Math.max(0, crossing(batch, contextLength, ends));
}

/** Batch size and context, behind More. */
function sizeControls(model, file) {
  const get = (name) => model.get(name),
    first = get("context_length");
  const fitting = [8, 16, 32, 64, 128, 256, 512, 1024].filter((n) => n <= (file.numTokens - 1) / 8);
  const lengths = [...new Set([...fitting, first])].sort((a, b) => a - b);
  const change = (changes) => put(model, { step: Math.min(get("step"), 1), window: 0, ...changes });
  const batch = slider({
    label: "batch size",
    min: 1,
    max: 32,
    value: get("batch_size"),
    format: (n) => plural(n, "window"),
    oninput: (n) => change({ batch_size: n }),
  });
  const length = slider({
    label: "context",
    min: 0,
    max: lengths.length - 1,
    value: lengths.indexOf(first),
    format: (k) => plural(lengths[k] ?? 0, "token"),
    oninput: (k) => change({ context_length: lengths[k] }),
  });
  return {
    nodes: [batch.el, length.el],
    set() {
      batch.set(get("batch_size"));
      length.set(lengths.indexOf(get("context_length")));
    },
  };
}

/** Reading the file for real: what the kernel counted, by the settings and the step that it was asked for. */
function kernelReads(model, streams, draw) {
  const measured = { reads: new Map(), cached: new Map(), problem: "", always: false };
  let key = "";
  const learn = (answer) => {
    measured.problem = "";
    if (answer.cached) measured.cached.set(answer.key ?? key, answer.cached);
    if (answer.key !== undefined) measured.reads.set(answer.key, answer);
    draw();
  };
  const failed = (words) => {
    measured.problem = words;
    draw();
  };
  const kernel = asker(model, { answered: learn, obeyed: learn, failed });
  const live = kernel.hasKernel && model.get("mapped");
  for (const one of model.get("recorded")) {
    const at = `${streams.keyOf(model.get("order"))} ${one.step}`;
    measured.reads.set(at, one);
    if (one.cached && !live) measured.cached.set(at, one.cached);
  }
  return {
    measured,
    live,
    shows: live || measured.reads.size > 0,
    stop: kernel.stop,
    /** Read this step's windows, unless that was done; `again` reads them in any case. */
    read(now, again) {
      key = now.key;
      if (!live || now.step === 0 || (!again && measured.reads.has(key))) return;
      kernel.ask({ read: now.batch, size: now.contextLength + 1, key });
    },
    tell(command, now) {
      key = now.key;
      measured.cached.clear();
      if (command.drop) measured.reads.clear();
      kernel.tell(command);
    },
  };
}

/** The controls that need a kernel and a mapped file; elsewhere a sentence says what would have them. */
function kernelControls(reads, latest, mapped) {
  if (!reads.live)
    return h(
      "p",
      { class: "lmc-muted" },
      mapped
        ? "With a kernel, this widget also reads the file for real and shows the system's counts."
        : "PageMap(open_tokens(path)) also reads the file for real and shows the system's counts.",
    );
  const onchange = (on) => {
    reads.measured.always = on;
    if (on) reads.read(latest(), true);
  };
  const always = check({ label: "read the file for real at each step", value: false, onchange });
  const ahead = check({
    label: "let the system read ahead",
    value: false,
    onchange: (on) => reads.tell({ read_ahead: on }, latest()),
  });
  const act = (text, onclick) => h("button", { type: "button", onclick }, text);
  return h(
    "div",
    { class: "pm-kernel", role: "group", "aria-label": "read the file" },
    always.el,
    act("Read this batch again", () => reads.read(latest(), true)),
    act("Empty the page cache", () => reads.tell({ drop: true }, latest())),
    ahead.el,
  );
}

function render({ model, el }) {
  bounded(model, LIMITS);
  const get = (name) => model.get(name),
    first = Object.fromEntries(STATE.map((name) => [name, get(name)])),
    own = get("own");
  const view = frame({ model, el, reset: () => put(model, first), python: () => pythonOf(model) });
  view.root.classList.add("pm");
  const file = fileOf(
    { numTokens: get("num_tokens"), offset: get("offset"), itemsize: get("itemsize"), pageSize: get("page_size") },
    BLOCKS,
  );
  const streams = streamsOf(model, file),
    reads = kernelReads(model, streams, () => draw()),
    latest = () => work(model, file, streams, reads.measured);

  const strip = pageStrip(file),
    numbers = numberTiles(file, reads.shows),
    windows = windowButtons(model),
    sizes = own ? null : sizeControls(model, file),
    panel = h("div", { class: "pm-panel" });
  const walk = stepper({ label: "batch", go: (step) => put(model, { step }), every: 500 });
  const order = choice({
    label: "order",
    options: ORDERS,
    value: get("order"),
    onchange: (value) => put(model, { order: value, window: 0 }),
  });
  const onchange = (name) => put(model, { view: name, window: windowFor(name, latest()) });
  const chosen = tabs({ label: "what is shown below", options: VIEWS, value: get("view"), onchange });
  view.stage.append(strip.legend, strip.el);
  view.controls.append(walk.el, ...(own ? [] : [order.el]));
  view.more(...(sizes?.nodes ?? []), kernelControls(reads, latest, get("mapped")));
  view.words(WORDS);
  view.below.append(chosen.el, windows.el, numbers.el, panel);

  function draw() {
    const now = latest(),
      { nodes, words, tone } = below(now, file);
    walk.set(now.step, now.stream.last + 1);
    order.set(now.order);
    sizes?.set();
    chosen.set(now.view);
    windows.draw(now);
    windows.el.hidden = now.view === "coverage";
    strip.draw(now);
    numbers.el.hidden = now.view !== "pages";
    numbers.draw(now);
    panel.replaceChildren(...nodes);
    view.say(
      reads.measured.problem ? `The kernel says: ${reads.measured.problem}` : words,
      reads.measured.problem ? "bad" : tone,
    );
  }
  const stop = view.redraw(STATE, () => {
    draw();
    if (reads.measured.always) reads.read(latest(), false);
  });
  return () => {
    stop();
    walk.stop();
    reads.stop();
  };
}

export default { render };
