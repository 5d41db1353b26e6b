// Roofline: operations as dots under the roof of a chip, and under the one measured on this machine. First the costs,
// equal to lmcourse.flops on tests/golden/roofline.json; then the picture, a function of the state.
import { frame, put, redraw } from "./lib/base.js";
import { check, choice, slider } from "./lib/controls.js";
import { roving } from "./lib/roving.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { movedTo } from "./lib/share.js";

// --- the arithmetic ------------------------------------------------------------------------------------

export const intensity = (cost) => cost.flops / cost.bytes;
export const ridge = (peak, bandwidth) => peak / bandwidth;
export const attainable = (x, peak, bandwidth) => Math.min(peak, x * bandwidth);
export const bestSeconds = (cost, peak, bandwidth) => Math.max(cost.flops / peak, cost.bytes / bandwidth);

const matmul = (m, k, n, e) => ({ flops: 2 * m * k * n, bytes: e * (m * k + k * n + m * n) });
const elementwise = (n, each, inputs, e) => ({ flops: each * n, bytes: e * (inputs + 1) * n });
const times = (k, cost) => ({ flops: k * cost.flops, bytes: k * cost.bytes });

export function textbookCosts(rows, width, e) {
  return {
    ReLU: elementwise(rows * width, 1, 1, e),
    GELU: elementwise(rows * width, 20, 1, e),
    "dot product": { flops: 2 * width, bytes: e * (2 * width + 1) },
    "vector × matrix": matmul(1, width, width, e),
    "linear layer": matmul(rows, width, width, e),
    "square matmul": matmul(width, width, width, e),
  };
}

export function paramsOf(shape) {
  const d = shape.d_model,
    query = shape.num_heads * shape.d_head,
    keyValue = shape.num_kv_heads * shape.d_head;
  const attention =
    d * (2 * query + 2 * keyValue) +
    (shape.bias || shape.qkv_bias ? query + 2 * keyValue : 0) +
    (shape.bias ? d : 0) +
    (shape.qk_norm ? 2 * shape.d_head : 0);
  const ffn = (shape.gated ? 3 : 2) * d * shape.d_ff + (shape.bias ? (shape.gated ? 2 : 1) * shape.d_ff + d : 0);
  return (
    shape.vocab_size * d * (shape.tie_embeddings ? 1 : 2) +
    (shape.positions === "learned" ? shape.context_length * d : 0) +
    shape.num_layers * (attention + ffn) +
    (2 * shape.num_layers + 1) * (shape.norm === "rmsnorm" ? d : 2 * d)
  );
}

/** One block's forward pass, the head, and an AdamW step of the whole model. */
export function modelCosts(shape, batch, seq, e) {
  const tokens = batch * seq,
    query = shape.num_heads * shape.d_head,
    keyValue = shape.num_kv_heads * shape.d_head;
  const heads = batch * shape.num_heads,
    params = paramsOf(shape);
  return {
    norm: elementwise(tokens * shape.d_model, 4, 1, e),
    projections: matmul(tokens, shape.d_model, 2 * query + 2 * keyValue, e),
    scores: times(heads, matmul(seq, shape.d_head, seq, e)),
    softmax: elementwise(heads * seq * seq, 5, 1, e),
    ffn: times(shape.gated ? 3 : 2, matmul(tokens, shape.d_model, shape.d_ff, e)),
    activation: elementwise(tokens * shape.d_ff, shape.gated ? 6 : 20, shape.gated ? 2 : 1, e),
    head: matmul(tokens, shape.d_model, shape.vocab_size, e),
    optimizer: { flops: 12 * params, bytes: 28 * params },
  };
}

/** The share of the time, and of the FLOPs, that goes to what is no matmul: each operation at its best on this roof. */
export function elementwiseShare(costs, peak, bandwidth) {
  const small = ["norm", "softmax", "activation"],
    block = ["norm", "projections", "scores", "softmax", "ffn", "activation"];
  const sum = (names, f) => names.reduce((total, name) => total + f(costs[name]), 0);
  const seconds = (cost) => bestSeconds(cost, peak, bandwidth);
  return {
    flops: sum(small, (c) => c.flops) / sum(block, (c) => c.flops),
    seconds: sum(small, seconds) / sum(block, seconds),
  };
}

// --- words ---------------------------------------------------------------------------------------------

export function si(value, unit) {
  const steps = [
    [1e15, "P"],
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
    [1, ""],
    [1e-3, "m"],
    [1e-6, "µ"],
    [1e-9, "n"],
  ];
  const [factor, prefix] = steps.find(([f]) => value >= 0.9995 * f) ?? (value === 0 ? [1, ""] : [1e-9, "n"]);
  const x = value / factor;
  return `${x >= 99.95 ? x.toFixed(0) : x >= 9.995 ? x.toFixed(1) : x.toFixed(2)} ${prefix}${unit}`;
}
const short = (x) => (x >= 99.5 ? x.toFixed(0) : x >= 9.95 ? x.toFixed(1) : x.toFixed(2));
const percent = (x) =>
  x >= 0.1 ? `${(100 * x).toFixed(0)} %` : x >= 0.001 ? `${(100 * x).toFixed(1)} %` : `${(100 * x).toPrecision(1)} %`;

// --- the picture ---------------------------------------------------------------------------------------

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
const TIMED_HERE = "timed here";

function render({ model, el }) {
  const state = () =>
    Object.fromEntries(
      [...STATE, "chips", "element_bytes", "shape", "model_name"].map((name) => [name, model.get(name)]),
    );
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const quoted = (text) => JSON.stringify(text);
  let words = "",
    live = {}; // what the kernel measured for this view: timings belong to no saved state
  const python = () => {
    const now = state();
    return (
      `Roofline(${quoted(now.chip)}, dtype=${quoted(now.dtype)}, operations=${quoted(now.operations === "yours" ? "textbook" : now.operations)}, ` +
      `model=${now.model_name === "your model" ? "model" : quoted(now.model_name)}, batch=${now.batch}, seq=${now.seq}, width=${now.width})` +
      movedTo(model, { bandwidth_times: 1, sparse: false, selected: "" })
    );
  };
  const view = frame({
    model,
    el,
    python,
    reset: () => {
      words = "";
      live = {};
      put(model, first);
    },
  });
  view.root.classList.add("rl");
  const picture = h("div", { class: "rl-picture" }),
    body = h("tbody", {});
  const head = ["operation", "FLOPs", "bytes", "FLOPs a byte", "limit", "at best", "of peak"];
  view.stage.append(
    picture,
    h(
      "div",
      { class: "lmc-scroll", tabindex: "0", role: "group", "aria-label": "the same in numbers" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            head.map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        body,
      ),
    ),
  );

  const ask = asker(model, {
    answered: (a) => {
      if (a.measured) {
        words = "";
        put(model, { measured: a.measured });
      }
      if (a.timed) {
        live = a.timed;
        words = `Timed here in float32: ${Object.keys(live).join(", ")}. Each ◆ is what was reached; the distance to your roof is what was lost.`;
      }
      draw();
    },
    failed: (error) => {
      words = error;
      draw();
    },
    unanswered: () => {
      words = "Measuring needs a running kernel.";
      draw();
    },
  });
  const log = (name, label, min, max, format = String) =>
    slider({
      label,
      min: Math.log2(min),
      max: Math.log2(max),
      step: 1,
      value: Math.log2(model.get(name)),
      format: () => format(model.get(name)),
      oninput: (v) => {
        live = {};
        put(model, { [name]: Math.round(2 ** v) });
      },
    });
  const formats = () =>
    Object.keys(model.get("element_bytes")).filter((name) => name in model.get("chips")[model.get("chip")].peak);
  const dtype = choice({ label: "format", options: [], value: "", onchange: (name) => put(model, { dtype: name }) });
  const control = {
    operations: choice({
      label: "operations",
      options: [
        ["textbook", "textbook"],
        ["block", `a block of ${model.get("model_name")}`],
        ...(Object.keys(model.get("costs")).length ? [["yours", "yours"]] : []),
      ],
      value: model.get("operations"),
      onchange: (v) => {
        live = {};
        put(model, { operations: v, selected: "" });
      },
    }),
    batch: log("batch", "batch", 1, 4096),
    width: log("width", "width", 64, 16384),
    seq: log("seq", "sequence", 64, 32768),
    chip: choice({
      label: "chip",
      options: Object.keys(model.get("chips")),
      value: model.get("chip"),
      onchange: (name) => {
        const known = Object.keys(model.get("element_bytes")).filter((each) => each in model.get("chips")[name].peak);
        put(model, {
          chip: name,
          dtype: known.includes(model.get("dtype"))
            ? model.get("dtype")
            : known.includes("bfloat16")
              ? "bfloat16"
              : known.at(-1),
        });
      },
    }),
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
  const button = (text, question, wait) =>
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          words = wait;
          draw();
          ask.ask(question());
        },
      },
      text,
    );
  const timeButton = button(
    "Time these here",
    () => ({ time: { rows: model.get("batch"), width: model.get("width") } }),
    "Timing…",
  );
  view.controls.append(
    control.operations.el,
    control.batch.el,
    control.width.el,
    control.seq.el,
    control.chip.el,
    dtype.el,
    control.bandwidth_times.el,
    control.sparse.el,
    button("Measure this machine", () => ({ measure: true }), "Measuring: two seconds…"),
    timeButton,
  );

  const dots = roving(picture, ".rl-dot", {
    columns: () => 1,
    onfocus: (cell) => {
      if (cell.dataset.name !== model.get("selected")) put(model, { selected: cell.dataset.name });
    },
  });

  function nowCosts(now) {
    if (now.operations === "yours") return now.costs;
    const e = now.element_bytes[now.dtype];
    return now.operations === "textbook"
      ? textbookCosts(now.batch, now.width, e)
      : modelCosts(now.shape, now.batch, now.seq, e);
  }

  let W = 0;
  const measureWidth = () => Math.max(300, Math.min(820, view.stage.clientWidth || 620));
  const draw = () => {
    W = measureWidth();
    const now = state(),
      row = now.chips[now.chip],
      dense = row.peak[now.dtype];
    const peak = dense * (now.sparse ? row.sparse_factor : 1),
      bandwidth = row.bandwidth * now.bandwidth_times;
    const costs = nowCosts(now),
      names = Object.keys(costs),
      here = now.measured.flop_per_s ? now.measured : null;
    const bend = ridge(peak, bandwidth);
    const reached =
      now.operations === "yours"
        ? Object.fromEntries(
            Object.entries(now.timed)
              .filter(([name]) => costs[name])
              .map(([name, seconds]) => [name, { ...costs[name], seconds }]),
          )
        : now.operations === "textbook"
          ? live
          : {};

    // Scales: FLOPs a byte to the right, FLOP/s upwards, both logarithmic
    const H = 280,
      left = 74,
      right = W - 12,
      xs = [-1.3, 4.3];
    const lows = [
      attainable(0.1, peak, bandwidth),
      here && attainable(0.1, here.flop_per_s, here.bytes_per_s),
      ...Object.values(reached).map((c) => c.flops / c.seconds),
    ].filter(Boolean);
    const ys = [Math.log10(Math.min(...lows)) - 0.2, Math.log10(peak) + 0.45];
    const px = (x) => left + ((Math.log10(x) - xs[0]) / (xs[1] - xs[0])) * (right - left);
    const py = (y) => H - ((Math.log10(y) - ys[0]) / (ys[1] - ys[0])) * H;
    const roof = (top, slope) =>
      `${px(10 ** xs[0])},${py(10 ** xs[0] * slope)} ${px(top / slope)},${py(top)} ${right},${py(top)}`;
    const grid = [];
    for (let k = -1; k <= 4; k += 1)
      grid.push(
        s("line", { x1: px(10 ** k), x2: px(10 ** k), y1: 0, y2: H, class: "rl-grid" }),
        s("text", { x: px(10 ** k), y: H + 16, "text-anchor": "middle" }, k < 0 ? "0.1" : String(10 ** k)),
      );
    const every = ys[1] - ys[0] > 7 ? 2 : 1;
    for (let k = Math.ceil(ys[0]); k <= ys[1]; k += every)
      grid.push(
        s("line", { x1: left, x2: right, y1: py(10 ** k), y2: py(10 ** k), class: "rl-grid" }),
        s(
          "text",
          { x: left - 6, y: py(10 ** k) + 4, "text-anchor": "end" },
          si(10 ** k, "")
            .replace(/\.0+ /, " ")
            .replace(".00", "")
            .trim(),
        ),
      );

    const at = names.includes(now.selected) ? now.selected : names[0];
    const hadFocus = picture.contains(document.activeElement);
    // Beside the slope there is room to the upper left and the lower right, on the flat roof below it; a name takes the
    // first place that no other name has.
    const roofName = `${now.chip}, ${now.sparse && row.sparse_factor > 1 ? "sparse figure" : "datasheet"}: ${si(peak, "FLOP/s")}`;
    const hereName = here ? `measured here, ${here.device} ${here.dtype}: ${si(here.flop_per_s, "FLOP/s")}` : "";
    const taken = [[right - 7.4 * roofName.length, right, py(peak) - 8]];
    if (here) taken.push([right - 7.4 * hereName.length, right, py(here.flop_per_s) - 8]);
    const nameAt = (x, y, name, flat) => {
      const wide = 6.8 * name.length,
        slope = [
          ["end", -10, -6],
          ["start", 11, 12],
          ["end", -10, -20],
          ["start", 11, 26],
        ];
      const tries = [
        ...(flat ? [] : slope),
        ["middle", 0, 22],
        ["middle", 0, 36],
        ["middle", 0, 50],
        ["middle", 0, -12],
        ["start", 11, 5],
        ["end", -11, 5],
      ];
      const boxes = tries.map(([anchor, dx, dy]) => {
        const start = anchor === "end" ? x + dx - wide : anchor === "start" ? x + dx : x - wide / 2;
        const from = Math.max(left + 2, Math.min(right - wide, start));
        return [from, from + wide, y + dy, from !== start && dx !== 0]; // the last: pushed back over its own dot
      });
      const free = ([from, to, at, pushed]) =>
        !pushed && !taken.some((box) => from < box[1] + 4 && box[0] < to + 4 && Math.abs(at - box[2]) < 13);
      const box = boxes.find(free) ?? boxes[0];
      taken.push(box);
      return s("text", { x: box[0], y: box[2], class: "rl-name" }, name);
    };
    const marks = names.map((name) => {
      const x = intensity(costs[name]),
        y = attainable(x, peak, bandwidth),
        memory = x < bend;
      const cx = Math.max(left, Math.min(right, px(x))),
        cy = py(y);
      const label = `${name}: ${short(x)} FLOPs a byte, limited by ${memory ? "memory" : "arithmetic"}, at best ${si(y, "FLOP/s")}`;
      return s(
        "g",
        {
          class: `rl-dot ${memory ? "rl-memory" : "rl-arithmetic"} ${name === at ? "rl-at" : ""}`,
          tabindex: "-1",
          role: "button",
          "aria-label": label,
          "data-name": name,
          onclick: () => put(model, { selected: name }),
        },
        s("rect", { x: cx - 13, y: cy - 13, width: 26, height: 26, class: "rl-hit" }),
        memory
          ? s("rect", { x: cx - 5, y: cy - 5, width: 10, height: 10, class: "rl-mark" })
          : s("circle", { cx, cy, r: 6, class: "rl-mark" }),
        nameAt(cx, cy, name, !memory),
      );
    });
    const diamonds = Object.entries(reached).map(([name, c]) => {
      const x = px(intensity(c)),
        y = py(c.flops / c.seconds);
      return s(
        "g",
        { class: "rl-reached" },
        s("path", { d: `M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z` }),
        nameAt(x, y, name, true),
        s("title", {}, `${name}, ${TIMED_HERE}: ${si(c.flops / c.seconds, "FLOP/s")}`),
      );
    });
    picture.replaceChildren(
      s(
        "svg",
        {
          viewBox: `0 -6 ${W} ${H + 46}`,
          class: "rl-svg",
          role: "group",
          "aria-label": `roofline of ${now.chip} in ${now.dtype}`,
        },
        grid,
        s("text", { x: right, y: H + 34, "text-anchor": "end" }, "arithmetic intensity, FLOPs a byte (log) →"),
        s("text", { x: 0, y: 4 }, "FLOP/s ↑"),
        row.achieved && ["bfloat16", "float16"].includes(now.dtype)
          ? [
              s("rect", {
                x: px(bend),
                width: right - px(bend),
                y: py(dense),
                height: Math.max(2, py(dense * row.achieved) - py(dense)),
                class: "rl-band",
              }),
            ]
          : null,
        now.sparse && row.sparse_factor > 1
          ? s("polyline", { points: roof(dense, bandwidth), class: "rl-dense" })
          : null,
        s("polyline", { points: roof(peak, bandwidth), class: "rl-roof" }),
        s("text", { x: right, y: py(peak) - 8, "text-anchor": "end", class: "rl-a" }, roofName),
        s("line", { x1: px(bend), x2: px(bend), y1: py(peak), y2: H, class: "rl-ridge" }),
        s("text", { x: px(bend) - 4, y: H - 6, "text-anchor": "end" }, `ridge ${short(bend)}`),
        here
          ? [
              s("polyline", { points: roof(here.flop_per_s, here.bytes_per_s), class: "rl-here" }),
              s("text", { x: right, y: py(here.flop_per_s) - 8, "text-anchor": "end", class: "rl-b" }, hereName),
              names.map((name) => {
                const x = intensity(costs[name]);
                return s("circle", {
                  cx: Math.max(left, Math.min(right, px(x))),
                  cy: py(attainable(x, here.flop_per_s, here.bytes_per_s)),
                  r: 3.5,
                  class: "rl-ghost",
                });
              }),
            ]
          : null,
        marks,
        diamonds,
      ),
    );
    dots.refresh(names.indexOf(at), hadFocus);

    body.replaceChildren(
      ...names.map((name) => {
        const x = intensity(costs[name]),
          y = attainable(x, peak, bandwidth);
        return h(
          "tr",
          { class: name === at ? "rl-row" : null },
          h("th", { scope: "row" }, name),
          h("td", {}, si(costs[name].flops, "")),
          h("td", {}, si(costs[name].bytes, "B")),
          h("td", {}, short(x)),
          h("td", {}, x < bend ? "■ memory" : "● arithmetic"),
          h("td", {}, si(bestSeconds(costs[name], peak, bandwidth), "s")),
          h("td", {}, percent(y / peak)),
        );
      }),
    );

    control.batch.el.hidden = control.operations.el.hidden = false;
    control.batch.el.style.display = now.operations === "yours" ? "none" : "";
    control.width.el.style.display = now.operations === "textbook" ? "" : "none";
    control.seq.el.style.display = now.operations === "block" ? "" : "none";
    timeButton.style.display = now.operations === "textbook" ? "" : "none";
    for (const name of ["batch", "width", "seq"]) control[name].set(Math.log2(now[name]));
    for (const name of ["operations", "chip", "bandwidth_times", "sparse"]) control[name].set(now[name]);
    if ([...dtype.select.options].map((o) => o.value).join() !== formats().join())
      dtype.select.replaceChildren(...formats().map((name) => h("option", { value: name }, name)));
    dtype.set(now.dtype);
    view.source(
      `${now.chip}: ${row.source}, read ${row.date}${row.note ? ` (${row.note})` : ""}. ` +
        (row.achieved ? `Band: tuned matmuls reach ${percent(row.achieved)} of the bf16 peak (Bekman, MAMF). ` : "") +
        (here
          ? `Measured here: best of ${here.matmul_size}² matmuls and of a copy of ${si(here.copy_bytes, "B")}, ridge ${short(here.flop_per_s / here.bytes_per_s)}; ○ the same operations under that roof. `
          : "") +
        (Object.keys(reached).length ? "◆ what was reached." : ""),
    );
    view.say(...reading(now, costs, at, peak, bandwidth, row, here));
  };

  function reading(now, costs, at, peak, bandwidth, row, here) {
    if (words) return [words, ""];
    if (now.sparse && row.sparse_factor > 1)
      return [
        `A roof ${row.sparse_factor} times as high, for matrices of which half the entries are zero in a fixed pattern. Training has none: every MFU against it is halved.`,
        "bad",
      ];
    const x = intensity(costs[at]),
      bend = ridge(peak, bandwidth),
      y = attainable(x, peak, bandwidth);
    const limit =
      x < bend
        ? `${short(bend / x)} × below the ridge: memory decides, and at best ${percent(y / peak)} of the peak is reached`
        : `${short(x / bend)} × above the ridge: arithmetic decides, and the whole peak can be reached`;
    const mine = here
      ? ` On your machine the ridge is ${short(here.flop_per_s / here.bytes_per_s)}: there ${x < here.flop_per_s / here.bytes_per_s ? "memory" : "arithmetic"} decides.`
      : "";
    const shares = now.operations === "block" ? elementwiseShare(costs, peak, bandwidth) : null;
    const more = shares
      ? ` In the block, what is no matmul is ${percent(shares.flops)} of the FLOPs and ${percent(shares.seconds)} of the time.`
      : "";
    return [`${at}: ${short(x)} FLOPs a byte, ${limit}.${mine}${more}`, ""];
  }
  const forget = () => {
    words = "";
  };
  for (const name of STATE) model.on(`change:${name}`, forget);
  const stop = redraw(model, STATE, draw);
  const watcher = new ResizeObserver(() => {
    if (measureWidth() !== W) draw();
  });
  watcher.observe(view.stage);
  return () => {
    watcher.disconnect();
    stop();
    ask.stop();
    for (const name of STATE) model.off(`change:${name}`, forget);
  };
}
export default { render };
