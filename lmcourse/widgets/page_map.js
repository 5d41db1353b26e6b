// PageMap: what a batch touches in a token file. The order of the windows, their pages and what was seen are computed
// here, as in lmcourse.data_loading; faults, resident memory and the page cache are asked of the kernel.
import { bounded, frame, put, redraw } from "./lib/base.js";
import { check, choice, slider } from "./lib/controls.js";
import { stepper } from "./lib/player.js";
import { roving } from "./lib/roving.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";

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

// The order of the windows, as BatchSampler has it

const ODD = 0xbf58476d1ce4e5b9n,
  U64 = (value) => BigInt.asUintN(64, value);
function hash(value, key, bits) {
  const product = U64((value ^ key) * ODD);
  return U64((product ^ (product >> 32n)) * ODD) >> (64n - bits);
}

/** Where `index` of 0 ... size − 1 goes in the shuffle with these keys (lmcourse.data_loading.shuffled). */
export function shuffled(index, size, keys) {
  const bits = BigInt(Math.max(6, size > 1 ? (size - 1).toString(2).length : 0));
  const rightBits = bits / 2n,
    leftBits = bits - rightBits,
    low = (1n << rightBits) - 1n,
    end = BigInt(size);
  let value = BigInt(index);
  do {
    let left = value >> rightBits,
      right = value & low;
    for (let k = 0; k < keys.length; k += 2) {
      left ^= hash(right, keys[k], leftBits);
      right ^= hash(left, keys[k + 1], rightBits);
    }
    value = (left << rightBits) | right;
  } while (value >= end);
  return Number(value);
}

export const numWindows = ({ numTokens, contextLength }) => Math.ceil((numTokens - 1) / contextLength);

/** The start of the window at a place of the stream: next(BatchSampler) is this for batch_size places. */
export function startAt(place, settings) {
  const { numTokens, contextLength, order, keysByEpoch, randomKey } = settings;
  const last = numTokens - contextLength - 1,
    windows = numWindows(settings);
  if (order === "random") return Number(hash(BigInt(place), randomKey, 56n) % BigInt(last + 1));
  const within = place % windows,
    keys = keysByEpoch[Math.floor(place / windows) % keysByEpoch.length];
  return Math.min((order === "sequential" ? within : shuffled(within, windows, keys)) * contextLength, last);
}

/** Pages that hold the windows, as data_loading.pages_of; first and last page of each, and all together. */
export function pagesOf(starts, size, { offset, itemsize, pageSize }) {
  const spans = starts.map((start) => {
    const first = offset + start * itemsize;
    return [Math.floor(first / pageSize), Math.floor((first + size * itemsize - 1) / pageSize)];
  });
  const all = new Set();
  for (const [from, to] of spans) for (let page = from; page <= to; page += 1) all.add(page);
  return { spans, all };
}

/** How many different tokens were a target (data_loading.count_tokens_seen), without an array as long as the file. */
export function countSeen(starts, contextLength) {
  let count = 0,
    end = 0;
  for (const start of [...starts].sort((a, b) => a - b)) {
    const from = Math.max(start + 1, end);
    end = Math.max(end, start + 1 + contextLength);
    count += Math.max(0, start + 1 + contextLength - from);
  }
  return count;
}

/** How many tokens were seen 0, 1, 2 and 3 or more times. */
export function timesSeen(starts, contextLength, numTokens) {
  const edges = starts
    .flatMap((start) => [
      [start + 1, 1],
      [start + 1 + contextLength, -1],
    ])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const counts = [0, 0, 0, 0];
  let depth = 0,
    from = 1; // the first token is nobody's target
  for (const [at, change] of edges) {
    counts[Math.min(3, depth)] += at - from;
    depth += change;
    from = at;
  }
  counts[Math.min(3, depth)] += numTokens - from;
  return counts;
}

/** The number of document ends before a position; positions with the same number lie in one document. */
export function documentOf(position, ends) {
  let low = 0,
    high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** As data_loading.document_mask for positions from ... from + size − 1: "yes", "future" or "other" document. */
export function maskOf(from, size, ends) {
  const document = Array.from({ length: size }, (_, k) => documentOf(from + k, ends));
  return document.map((query, q) => document.map((key, k) => (k > q ? "future" : query === key ? "yes" : "other")));
}

/** Offsets of a window that are drawn: all, or the first 20 and the last 5. */
export const shownOffsets = (contextLength) =>
  contextLength <= 24
    ? Array.from({ length: contextLength + 1 }, (_, k) => k)
    : [...Array.from({ length: 20 }, (_, k) => k), ...Array.from({ length: 5 }, (_, k) => contextLength - 4 + k)];

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
const plural = (n, word) => `${grouped(n)} ${word}${n === 1 ? "" : "s"}`;
const megabytes = (bytes) => {
  // 1 kB is 1000 bytes
  const [size, unit] = bytes < 1e6 ? [1e3, "kB"] : bytes < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${(bytes / size).toFixed(1)} ${unit}`;
};

function render({ model, el }) {
  const get = (name) => model.get(name);
  bounded(model, {
    num_tokens: [1, 2 ** 50],
    itemsize: [1, 8],
    offset: [0, 2 ** 50],
    page_size: [1, 2 ** 40],
    batch_size: [1, 64],
    context_length: [1, 4096],
    step: [0, WINDOWS],
    window: [0, WINDOWS],
  });
  const FIRST = Object.fromEntries(
    ["batch_size", "context_length", "order", "step", "view", "window"].map((name) => [name, get(name)]),
  );
  const own = get("own");
  const view = frame({
    model,
    el,
    reset: () => put(model, FIRST),
    python: () =>
      own
        ? `PageMap(tokens, get_batch=get_batch, batch_size=${get("batch_size")}, context_length=${get("context_length")}, step=${get("step")}, view="${get("view")}")` +
          movedTo(model, { window: 0 })
        : `PageMap(tokens, batch_size=${get("batch_size")}, context_length=${get("context_length")}, order="${get("order")}", seed=${get("seed")}, step=${get("step")}, view="${get("view")}")` +
          movedTo(model, { window: 0 }),
  });
  view.root.classList.add("pm");

  const bytes = { offset: get("offset"), itemsize: get("itemsize"), pageSize: get("page_size") };
  const numTokens = get("num_tokens"),
    ends = get("ends"),
    ids = get("ids");
  const numPages = Math.ceil((bytes.offset + numTokens * bytes.itemsize) / bytes.pageSize);
  const perBlock = Math.ceil(numPages / BLOCKS),
    numBlocks = Math.ceil(numPages / perBlock);
  const keysByEpoch = get("keys_by_epoch").map((keys) => keys.map(BigInt)),
    randomKey = BigInt(get("random_key"));

  // All that follows from the settings, made once for each and kept: a step is then a look-up.
  const known = new Map();
  function stream(order = get("order")) {
    const settings = {
      numTokens,
      contextLength: get("context_length"),
      batchSize: get("batch_size"),
      order,
      keysByEpoch,
      randomKey,
    };
    const key = `${order} ${settings.contextLength} ${settings.batchSize}`;
    if (!known.has(key)) {
      const windows = numWindows(settings);
      const last = own
        ? own.batches.length
        : Math.max(
            1,
            Math.min(Math.ceil((1.5 * windows) / settings.batchSize), Math.floor(WINDOWS / settings.batchSize)),
          );
      known.set(key, { ...settings, key, windows, last, places: [], seen: [0] });
    }
    return known.get(key);
  }
  function startsOf(some, step) {
    // all starts of the first `step` batches
    if (order() === "own") return own.batches.slice(0, step).flatMap((batch) => batch.x.map((row) => row[0]));
    while (some.places.length < step * some.batchSize) some.places.push(startAt(some.places.length, some));
    return some.places.slice(0, step * some.batchSize);
  }
  function curve(some) {
    // the share seen after 0, 1, 2 ... 40 fortieths of the walk
    return (some.curve ??= Array.from({ length: 41 }, (_, k) => {
      const step = Math.round((k * some.last) / 40);
      return [step, countSeen(startsOf(some, step), some.contextLength) / (numTokens - 1)];
    }));
  }
  const order = () => get("order");

  // What the kernel measured, by the settings and the step it was asked for
  const measured = new Map();
  for (const one of get("recorded")) measured.set(`${stream(FIRST.order).key} ${one.step}`, one);
  let readAlways = false,
    cachedNow = null,
    problem = "";
  const kernel = asker(model, {
    answered: (answer) => {
      problem = "";
      cachedNow = answer.cached ?? null;
      if (answer.key !== undefined) measured.set(answer.key, answer);
      draw();
    },
    failed: (words) => {
      problem = words;
      draw();
    },
  });
  const live = kernel.hasKernel && get("mapped");
  function readNow(force) {
    const some = stream(),
      step = get("step"),
      key = `${some.key} ${step}`;
    if (!live || step === 0 || (!force && measured.has(key))) return;
    kernel.ask({ read: startsOf(some, step).slice(-batchOf(some, step).length), size: some.contextLength + 1, key });
  }
  const batchOf = (some, step) => (step === 0 ? [] : startsOf(some, step).slice(startsOf(some, step - 1).length));

  // Controls
  const lengths = [
    ...new Set(
      [8, 16, 32, 64, 128, 256, 512, 1024].filter((n) => n <= (numTokens - 1) / 8).concat(FIRST.context_length),
    ),
  ].sort((a, b) => a - b);
  const steps = stepper({ label: "batch", go: (step) => put(model, { step }), every: 500 });
  const change = (changes) => {
    put(model, { step: Math.min(get("step"), 1), window: 0, ...changes });
  };
  const orders = own
    ? null
    : choice({
        label: "order",
        options: ORDERS,
        value: order(),
        onchange: (value) => put(model, { order: value, window: 0 }),
      });
  const batchSize = own
    ? null
    : slider({
        label: "batch size",
        min: 1,
        max: 32,
        value: get("batch_size"),
        format: (n) => plural(n, "window"),
        oninput: (n) => change({ batch_size: n }),
      });
  const length = own
    ? null
    : slider({
        label: "context",
        min: 0,
        max: lengths.length - 1,
        value: lengths.indexOf(get("context_length")),
        format: (k) => plural(lengths[k] ?? 0, "token"),
        oninput: (k) => change({ context_length: lengths[k] }),
      });
  view.controls.append(steps.el, ...[orders, batchSize, length].filter(Boolean).map((control) => control.el));
  const always = check({
    label: "read the file for real at each step",
    value: false,
    onchange: (on) => {
      readAlways = on;
      if (on) readNow(true);
    },
  });
  const ahead = check({
    label: "let the system read ahead",
    value: false,
    onchange: (on) => kernel.ask({ read_ahead: on }),
  });
  view.controls.append(
    live
      ? h(
          "div",
          { class: "pm-kernel", role: "group", "aria-label": "read the file" },
          always.el,
          h("button", { type: "button", onclick: () => readNow(true) }, "Read this batch again"),
          h(
            "button",
            {
              type: "button",
              onclick: () => {
                measured.clear();
                kernel.ask({ drop: true });
              },
            },
            "Empty the page cache",
          ),
          ahead.el,
        )
      : h(
          "p",
          { class: "lmc-muted", style: "font-size:12px" },
          get("mapped")
            ? "With a kernel, this widget also reads the file for real and shows the system's counts."
            : "PageMap(open_tokens(path)) also reads the file for real and shows the system's counts.",
        ),
  );

  // The stage: kept nodes, whose classes and texts change
  const strip = h(
    "div",
    { class: "pm-strip", role: "img", style: numBlocks > 160 ? null : "--pm-cell: 20px" },
    Array.from({ length: numBlocks }, () => h("i", {})),
  );
  const legend = h("div", { class: "pm-key" }),
    numbers = h("div", { class: "pm-numbers" });
  const views = h(
    "div",
    { class: "pm-views", role: "group", "aria-label": "what is shown below" },
    VIEWS.map(([name, text]) =>
      h("button", { type: "button", "data-view": name, onclick: () => put(model, { view: name }) }, text),
    ),
  );
  const windows = h("div", { class: "pm-windows", role: "group", "aria-label": "windows of this batch" });
  const below = h("div", {});
  view.stage.append(strip, legend, numbers, views, windows, below);
  const picking = roving(windows, "button");

  function drawWindows(batch) {
    while (windows.children.length > batch.length) windows.lastChild.remove();
    while (windows.children.length < batch.length) {
      const at = windows.children.length;
      windows.append(h("button", { type: "button", tabindex: -1, onclick: () => put(model, { window: at }) }));
    }
    const picked = Math.min(get("window"), batch.length - 1);
    [...windows.children].forEach((button, k) => {
      button.textContent = `${k + 1}: ${grouped(batch[k])}`;
      button.setAttribute("aria-pressed", String(k === picked));
    });
    if (batch.length) picking.refresh(picked);
    return picked;
  }

  function drawStrip(some, step, batch, picked) {
    const size = some.contextLength + 1,
      coverage = get("view") === "coverage";
    const now = pagesOf(batch, size, bytes),
      before = pagesOf(startsOf(some, step), size, bytes).all;
    const blockOf = (page) => Math.floor(page / perBlock),
      state = new Array(numBlocks).fill(null);
    if (cachedNow)
      cachedNow.forEach((count, block) => {
        if (count) state[block] = "cached";
      });
    for (const page of before) state[blockOf(page)] = "before";
    for (const page of now.all) state[blockOf(page)] = "now";
    const seen = coverage ? timesByBlock(startsOf(some, step), some.contextLength) : null;
    const marked = batch.length ? now.spans[picked].map(blockOf) : [-1, -1];
    [...strip.children].forEach((cell, block) => {
      if (seen) {
        cell.removeAttribute("data-s");
        cell.dataset.seen = seen[block];
      } else {
        cell.removeAttribute("data-seen");
        if (state[block]) cell.dataset.s = state[block];
        else cell.removeAttribute("data-s");
      }
      cell.toggleAttribute("data-picked", block >= marked[0] && block <= marked[1]);
    });
    strip.setAttribute(
      "aria-label",
      `The file from first page to last, ${plural(numPages, "page")}${perBlock > 1 ? `, ${perBlock} to a cell` : ""}; ${now.all.size} touched now, ${before.size} so far.`,
    );
    const items = seen
      ? [
          ["", "0", "not seen"],
          ["", "1", "seen about once"],
          ["", "2", "twice"],
          ["", "3", "three times or more"],
        ]
      : [
          ["now", "", "in this batch"],
          ["before", "", "in a batch before"],
          ["cached", "", "in the page cache, not asked for"],
          ["", "", "not touched"],
        ];
    legend.replaceChildren(
      ...items
        .filter(([kind]) => kind !== "cached" || cachedNow)
        .map(([kind, times, text]) =>
          h("span", {}, h("i", { "data-s": kind || null, "data-seen": times || null }), text),
        ),
      h("span", {}, h("i", { class: "pm-picked" }), "the window picked below"),
      h(
        "span",
        { class: "lmc-muted" },
        perBlock > 1
          ? `a cell is ${grouped(perBlock)} pages of ${grouped(bytes.pageSize)} bytes`
          : `a cell is one page of ${grouped(bytes.pageSize)} bytes`,
      ),
    );
    return { now, before };
  }

  function timesByBlock(starts, contextLength) {
    // 0, 1, 2 or 3: how often a block's tokens were seen, rounded
    const perCell = (perBlock * bytes.pageSize) / bytes.itemsize,
      sums = new Array(numBlocks).fill(0);
    for (const start of starts) {
      let from = start + 1 + bytes.offset / bytes.itemsize;
      const to = from + contextLength;
      while (from < to) {
        const block = Math.floor(from / perCell),
          until = Math.min(to, (block + 1) * perCell);
        if (block < numBlocks) sums[block] += until - from;
        from = until;
      }
    }
    return sums.map((sum) => (sum === 0 ? 0 : Math.max(1, Math.min(3, Math.round(sum / perCell)))));
  }

  const number = (value, text, kind = "") =>
    h("div", { class: `pm-number ${kind}` }, h("b", {}, value), h("span", {}, text));
  function drawNumbers(some, step, batch, pages) {
    const asked = batch.length * (some.contextLength + 1) * bytes.itemsize,
      read = pages.now.all.size * bytes.pageSize;
    const found = measured.get(`${some.key} ${step}`);
    numbers.replaceChildren(
      number(`${grouped(asked)} B`, "asked for by this batch"),
      number(`${grouped(read)} B`, `in ${plural(pages.now.all.size, "page")}, the least that is read`),
      number(asked ? `${(read / asked).toFixed(1)} ×` : "–", "read for each byte asked for"),
      number(
        megabytes(pages.before.size * bytes.pageSize),
        `touched so far, of ${megabytes(numPages * bytes.pageSize)}`,
      ),
      ...(found
        ? [
            number(
              found.major === null ? `${found.minor}` : `${found.major} + ${found.minor}`,
              found.major === null ? "page faults, measured" : "major + minor faults, measured",
              "pm-measured",
            ),
            number(
              megabytes(found.resident),
              `resident, ${found.grown >= 0 ? "+" : "−"}${megabytes(Math.abs(found.grown))} in this read`,
              "pm-measured",
            ),
            number(`${found.ms.toFixed(2)} ms`, "to read it", "pm-measured"),
          ]
        : []),
      ...(cachedNow
        ? [
            number(
              grouped(cachedNow.reduce((sum, count) => sum + count, 0)),
              "pages in the page cache now",
              "pm-measured",
            ),
          ]
        : []),
    );
    return { asked, read, found };
  }

  // Below the strip: one of four
  function shiftRows(some, step, batch, picked) {
    const start = batch[picked],
      offsets = shownOffsets(some.contextLength),
      T = some.contextLength;
    const mine = own?.batches[step - 1],
      xs = offsets.filter((o) => o < T),
      ys = offsets.filter((o) => o > 0);
    const grid = h("div", {
      class: "pm-rows",
      style: `grid-template-columns: repeat(${offsets.length + 1}, max-content)`,
    });
    const pageAt = (token) => Math.floor((bytes.offset + token * bytes.itemsize) / bytes.pageSize);
    const text = (token) => (ids.length ? String(ids[token] ?? "") : grouped(token));
    const wrong = [];
    const cell = (column, row, kind, content, extra = "") =>
      grid.append(
        h("span", { class: `${kind} ${extra}`, style: `grid-column:${column + 2};grid-row:${row}` }, content),
      );
    const label = (row, name) =>
      grid.append(h("span", { class: "pm-label", style: `grid-column:1;grid-row:${row}` }, name));
    label(1, ids.length ? "position" : "");
    label(2, "x");
    label(3, "y");
    offsets.forEach((o, column) => {
      const token = start + o,
        gap = column && o !== offsets[column - 1] + 1;
      const edge = column && pageAt(token) !== pageAt(start + offsets[column - 1]) ? "pm-page" : "";
      const end = ends.length && ends[documentOf(token, ends)] === token ? "pm-end" : "";
      cell(
        column,
        1,
        "pm-place",
        `${gap ? "… " : ""}${edge ? `page ${grouped(pageAt(token))}` : ids.length ? grouped(token) : `+${o}`}`,
        edge,
      );
      for (const [row, kind, from, list] of [
        [2, "pm-x", 0, mine?.x[picked]],
        [3, "pm-y", 1, mine?.y[picked]],
      ]) {
        if (o < from || o > T - 1 + from) continue;
        const value = list ? list[(row === 2 ? xs : ys).indexOf(o)] : token;
        const bad = value !== token;
        if (bad)
          wrong.push(
            `${kind === "pm-x" ? "x" : "y"}[${picked}, ${o - from}] is token ${value}, where ${token} belongs`,
          );
        cell(
          column,
          row,
          bad ? "pm-wrong" : kind,
          `${bad ? "✗ " : ""}${list ? grouped(value) : text(token)}`,
          `${edge} ${end}`,
        );
      }
    });
    return {
      node: h(
        "div",
        { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": `x and y of window ${picked + 1}` },
        grid,
      ),
      wrong,
      pageAt,
    };
  }

  function drawShift(some, step, batch, picked) {
    const { node, wrong, pageAt } = shiftRows(some, step, batch, picked),
      start = batch[picked],
      T = some.contextLength;
    below.replaceChildren(
      node,
      ...(own
        ? [
            h(
              "ul",
              { class: "pm-facts" },
              own.facts.map((fact) => h("li", { "data-bad": !fact.ok }, fact.text)),
            ),
          ]
        : []),
    );
    const pages = [pageAt(start), pageAt(start + T)],
      documents = [documentOf(start, ends), documentOf(start + T, ends)];
    if (wrong.length) return [`${wrong[0]}${wrong.length > 1 ? `, and ${wrong.length - 1} more` : ""}.`, "bad"];
    return [
      `Window ${picked + 1}: x is tokens ${grouped(start)} … ${grouped(start + T - 1)}, y the same one token later, to ${grouped(start + T)}; ${
        pages[0] === pages[1]
          ? `all in page ${grouped(pages[0])}`
          : `from page ${grouped(pages[0])} to ${grouped(pages[1])}`
      }${
        ends.length && documents[0] !== documents[1]
          ? `, across ${plural(documents[1] - documents[0], "end")} of a document`
          : ""
      }.`,
      "",
    ];
  }

  function drawMask(some, step, batch, picked) {
    const start = batch[picked],
      size = Math.min(16, some.contextLength);
    const within = ends[documentOf(start, ends)];
    const crosses = within !== undefined && within < start + some.contextLength - 1;
    const from = crosses
      ? Math.max(start, Math.min(within - (size >> 1) + 1, start + some.contextLength - size))
      : start;
    const mask = maskOf(from, size, ends),
      marks = { yes: "", future: "", other: "×" };
    const other = mask.flat().filter((kind) => kind === "other").length;
    below.replaceChildren(
      h(
        "div",
        { class: "pm-side" },
        h(
          "div",
          {
            class: "pm-mask",
            role: "img",
            "aria-label": `Mask of positions ${from} to ${from + size - 1}: ${other} pairs are kept apart because they lie in different documents`,
            style: `grid-template-columns: repeat(${size}, max-content)`,
          },
          mask.flat().map((kind) => h("i", { "data-m": kind }, marks[kind])),
        ),
        h(
          "div",
          { class: "pm-key", style: "display:grid;max-width:22em" },
          h("p", {}, `Row: the position that looks, ${grouped(from)} at the top. Column: what it may look at.`),
          h("p", {}, "Filled: allowed. ×: back, but in another document. Dotted: the future."),
        ),
      ),
    );
    if (!ends.length)
      return ["No end_of_text was given, so the tokens are one document and only the future is hidden.", ""];
    return [
      crosses
        ? `Window ${picked + 1} crosses the end of a document at token ${grouped(within)}: the mask keeps ${other} of these ${size * size} pairs apart, which the causal mask alone would join.`
        : `Window ${picked + 1} lies in one document: the mask is the causal one. Try the other windows.`,
      "",
    ];
  }

  function drawCoverage(some, step, batch) {
    const starts = startsOf(some, step),
      T = some.contextLength,
      share = countSeen(starts, T) / (numTokens - 1);
    const all = own ? [] : ORDERS.map(([name]) => [name, curve(stream(name))]);
    const X = (at) => 40 + (300 * at) / some.last,
      Y = (part) => 170 - 150 * part,
      epochs = (step * batch.length) / some.windows;
    const path = (points) =>
      points.map(([at, part], k) => `${k ? "L" : "M"}${X(at).toFixed(1)} ${Y(part).toFixed(1)}`).join("");
    const expected = epochs ? `; 1 − e^(−${epochs.toFixed(2)}) is ${percent(1 - Math.exp(-epochs))}` : "";
    const oneEpoch = some.windows / some.batchSize;
    const picture = s(
      "svg",
      {
        viewBox: "0 0 350 210",
        role: "img",
        "aria-label": `Share of the tokens seen: ${percent(share)} after ${step} batches`,
      },
      s("line", { class: "pm-axis", x1: 40, y1: 170, x2: 345, y2: 170 }),
      s("line", { class: "pm-axis", x1: 40, y1: 15, x2: 40, y2: 170 }),
      [0, 0.5, 1].map((part) => s("text", { x: 34, y: Y(part) + 4, "text-anchor": "end" }, `${100 * part} %`)),
      !own &&
        oneEpoch <= some.last && [
          s("line", { class: "pm-goal", x1: X(oneEpoch), y1: 15, x2: X(oneEpoch), y2: 170 }),
          s("line", { class: "pm-goal", x1: 40, y1: Y(1 - Math.exp(-1)), x2: 345, y2: Y(1 - Math.exp(-1)) }),
          s("text", { x: 345, y: Y(1 - Math.exp(-1)) + 15, "text-anchor": "end" }, "1 − 1/e = 63 %"),
          s("text", { x: X(oneEpoch), y: 186, "text-anchor": "middle" }, "one epoch"),
        ],
      all.map(([name, points]) => s("path", { class: "pm-line", "data-on": name === order(), d: path(points) })),
      all
        .filter(([name]) => name !== "sequential")
        .map(([name, points]) => {
          const [at, part] = points[Math.round(points.length * (name === "random" ? 0.35 : 0.5))];
          return s(
            "text",
            {
              x: X(at) + (name === "random" ? 8 : -6),
              y: Y(part) + (name === "random" ? 18 : 0),
              "text-anchor": name === "random" ? "start" : "end",
            },
            name === "random" ? "random" : "shuffled, in order",
          );
        }),
      s("circle", { class: "pm-dot", cx: X(step), cy: Y(share), r: 5 }),
      s("text", { x: 192, y: 204, "text-anchor": "middle" }, "batches"),
    );
    const counts = timesSeen(starts, T, numTokens),
      most = Math.max(...counts, 1);
    const bars = s(
      "svg",
      {
        viewBox: "0 0 350 150",
        role: "img",
        "aria-label": `Tokens by times seen: ${counts.map((n, k) => `${k}: ${percent(n / (numTokens - 1))}`).join(", ")}`,
      },
      counts.map((n, k) => [
        s("text", { x: 100, y: 28 + 30 * k, "text-anchor": "end" }, ["not seen", "once", "twice", "3 × or more"][k]),
        s("rect", { class: "pm-bar", x: 106, y: 14 + 30 * k, width: ((170 * n) / most).toFixed(1), height: 20 }),
        s("text", { x: 112 + (170 * n) / most, y: 28 + 30 * k }, percent(n / (numTokens - 1))),
      ]),
    );
    below.replaceChildren(h("div", { class: "pm-side" }, picture, bars));
    return [
      `After ${plural(step, "batch").replace("batchs", "batches")} (${epochs.toFixed(2)} epochs) ${percent(share)} of the tokens have been a target${order() === "random" ? expected : ""}.`,
      "",
    ];
  }

  function drawPages(some, step, batch, picked, pages, counts) {
    below.replaceChildren();
    if (step === 0)
      return [
        `Nothing is read yet: opening maps ${megabytes(numPages * bytes.pageSize)} of addresses, and not a byte of the data.`,
        "",
      ];
    const told = counts.found
      ? ` The system counted ${counts.found.major === null ? plural(counts.found.minor, "fault") : `${plural(counts.found.major, "major fault")} and ${plural(counts.found.minor, "minor one")}`}.`
      : "";
    return [
      `Batch ${step}: ${plural(batch.length, "window")} ask for ${grouped(counts.asked)} bytes; they lie in ${plural(pages.now.all.size, "page")}, so ${grouped(counts.read)} bytes are read, ${(counts.read / counts.asked).toFixed(1)} × as much.${told}`,
      "",
    ];
  }

  function draw() {
    const some = stream(),
      step = Math.max(0, Math.min(get("step"), some.last)),
      batch = batchOf(some, step);
    const name = VIEWS.some(([known]) => known === get("view")) ? get("view") : "pages";
    steps.set(step, some.last + 1);
    orders?.set(order());
    batchSize?.set(get("batch_size"));
    length?.set(lengths.indexOf(get("context_length")));
    for (const button of views.children) button.setAttribute("aria-pressed", String(button.dataset.view === name));
    const picked = drawWindows(batch);
    const found = measured.get(`${some.key} ${step}`);
    if (found?.cached && !live) cachedNow = found.cached;
    const pages = drawStrip(some, step, batch, picked),
      counts = drawNumbers(some, step, batch, pages);
    const drawn = { pages: drawPages, shift: drawShift, mask: drawMask, coverage: drawCoverage };
    let said;
    if (own?.error) {
      below.replaceChildren();
      said = [`Your get_batch raised ${own.error}`, "bad"];
    } else if (batch.length === 0 && (name === "shift" || name === "mask")) {
      below.replaceChildren();
      said = ["No batch has been drawn yet: step forward to see its windows.", ""];
    } else said = drawn[name](some, step, batch, picked, pages, counts);
    if (own && !own.error && name === "pages" && own.facts.some((fact) => !fact.ok))
      said = [`Not so in your get_batch: ${own.facts.find((fact) => !fact.ok).text}. See “x and y”.`, "bad"];
    view.say(problem ? `The kernel says: ${problem}` : said[0], problem ? "bad" : said[1]);
  }

  const watched = ["batch_size", "context_length", "order", "step", "view", "window"];
  const stop = redraw(model, watched, () => {
    draw();
    if (readAlways) readNow(false);
  });
  return () => {
    stop();
    steps.stop();
    kernel.stop();
  };
}

export default { render };
