// TrainingBudget: what a training run costs. First the arithmetic, equal to lmcourse.flops on
// tests/golden/training_budget.json; then how numbers are worded; then the picture, a function of the state.
// Not here: communication between devices, mixture of experts.
import { frame, put, redraw } from "./lib/base.js";
import { check, choice, field, slider } from "./lib/controls.js";
import { stepper } from "./lib/player.js";
import { h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { movedTo } from "./lib/share.js";

const SECONDS_PER_DAY = 86400;
const total = (parts) => Object.values(parts).reduce((a, b) => a + b, 0);

// --- the arithmetic ------------------------------------------------------------------------------------

export const matmulFlops = (m, k, n) => 2 * m * k * n;

export function transformerFlops(shape, batch, seq, causal = false) {
  const tokens = batch * seq,
    query = shape.num_heads * shape.d_head,
    keyValue = shape.num_kv_heads * shape.d_head;
  const pairs = causal ? (seq * (seq + 1)) / 2 : seq * seq;
  return {
    projections: shape.num_layers * matmulFlops(tokens, shape.d_model, 2 * query + 2 * keyValue),
    attention: shape.num_layers * 2 * batch * shape.num_heads * matmulFlops(pairs, shape.d_head, 1),
    ffn: shape.num_layers * (shape.gated ? 3 : 2) * matmulFlops(tokens, shape.d_model, shape.d_ff),
    head: matmulFlops(tokens, shape.d_model, shape.vocab_size),
  };
}

export function transformerParams(shape) {
  const d = shape.d_model,
    layers = shape.num_layers;
  const query = shape.num_heads * shape.d_head,
    keyValue = shape.num_kv_heads * shape.d_head;
  const qkvBias = shape.bias || shape.qkv_bias ? query + 2 * keyValue : 0;
  const ffnBias = shape.bias ? (shape.gated ? 2 : 1) * shape.d_ff + d : 0;
  const attention =
    d * (2 * query + 2 * keyValue) + qkvBias + (shape.bias ? d : 0) + (shape.qk_norm ? 2 * shape.d_head : 0);
  return {
    embedding: shape.vocab_size * d,
    positions: shape.positions === "learned" ? shape.context_length * d : 0,
    attention: layers * attention,
    ffn: layers * ((shape.gated ? 3 : 2) * d * shape.d_ff + ffnBias),
    norms: (2 * layers + 1) * (shape.norm === "rmsnorm" ? d : 2 * d),
    head: shape.tie_embeddings ? 0 : shape.vocab_size * d,
  };
}

export function flopsPerToken(shape, seq) {
  const params = transformerParams(shape),
    all = total(params);
  return {
    "6N": 6 * all,
    PaLM: 6 * (all - params.positions) + 12 * shape.num_layers * shape.num_heads * shape.d_head * seq,
    matmuls: (3 * total(transformerFlops(shape, 1, seq))) / seq,
    causal: (3 * total(transformerFlops(shape, 1, seq, true))) / seq,
    Kaplan: 6 * (params.attention + params.ffn + params.norms),
  };
}

/** What the forward pass keeps for the backward pass, in bytes. */
export function activationBytes(shape, batch, seq, { elementBytes, fused, checkpoint }) {
  const tokens = batch * seq,
    d = shape.d_model,
    query = shape.num_heads * shape.d_head;
  const keyValue = fused ? shape.num_kv_heads * shape.d_head : query;
  const norm = (shape.norm === "rmsnorm" ? 3 : 2) * d,
    layers = checkpoint ? 1 : shape.num_layers;
  const normedHeads = shape.qk_norm ? (shape.num_heads + shape.num_kv_heads) * shape.d_head : 0;
  const size = (elements) => elementBytes * tokens * elements;
  return {
    norms: size(layers * (2 * norm + 2 * normedHeads) + norm),
    attention: size(layers * (2 * query + 2 * keyValue)),
    scores: size(layers * (fused ? query + shape.num_heads : 2 * shape.num_heads * seq)),
    ffn: size(layers * (shape.gated ? 5 : 2) * shape.d_ff),
    block_inputs: checkpoint ? size(shape.num_layers * d) : 0,
    logits: 4 * tokens * shape.vocab_size,
    loss: 4 * tokens * shape.vocab_size,
  };
}

/** `run` is { batch, seq, recipe, moments, fused, checkpoint, stage, devices, firstStep, accumulate }. */
export function trainingMemory(shape, run) {
  const params = total(transformerParams(shape)),
    { recipe } = run;
  const part = (bytes, shardedFrom) => (params * bytes) / (run.stage >= shardedFrom ? run.devices : 1);
  const { logits, loss, ...kept } = activationBytes(shape, run.batch, run.seq, {
    ...run,
    elementBytes: recipe.activation,
  });
  return {
    parameters: part(recipe.parameters, 3),
    gradients: part(recipe.gradients, 2),
    master_copy: part(recipe.master_copy, 1),
    optimizer_state: part(run.moments * recipe.moment, 1),
    activations: total(kept),
    logits: (logits + loss) * 1.5, // two kept for the loss, and the gradient of one
  };
}

/** What lives at each moment of a step: [{ moment, parameters, …, logits }]. */
export function memoryTimeline(shape, run) {
  const parts = trainingMemory(shape, run),
    params = transformerParams(shape),
    layers = shape.num_layers;
  const token = run.recipe.activation * run.batch * run.seq;
  const finalNorm = token * shape.d_model * (shape.norm === "rmsnorm" ? 3 : 2);
  const inputs = run.checkpoint ? layers * token * shape.d_model : 0;
  const inside = (parts.activations - finalNorm - inputs) / (run.checkpoint ? 1 : layers);
  const kept = run.checkpoint ? token * shape.d_model : inside;
  const tables = run.fused ? 0 : 4 * shape.num_heads * run.seq;
  const working =
    token * Math.max(3 * shape.d_ff, tables - (shape.gated ? 5 : 2) * shape.d_ff) + (run.checkpoint ? inside : 0);
  const all = total(params),
    blockShare = (params.attention + params.ffn) / layers / all;
  const moments = [];
  const record = (moment, activations, logits, share, stepped = false) =>
    moments.push({
      moment,
      parameters: parts.parameters,
      gradients: parts.gradients * (run.accumulate ? 1 : share),
      master_copy: parts.master_copy,
      optimizer_state: stepped || !run.firstStep ? parts.optimizer_state : 0,
      activations,
      logits,
    });
  for (let block = 1; block <= layers; block += 1) record(`forward ${block}`, block * kept, 0, 0);
  record("loss", layers * kept + finalNorm, parts.logits, 0);
  for (let block = layers; block > 0; block -= 1)
    record(`backward ${block}`, block * kept + working, 0, params.head / all + (layers - block) * blockShare);
  record("gradients", 0, 0, 1);
  record("step", 0, 0, 1, true);
  return moments;
}

export const weight = ({ moment, ...parts }) => total(parts);

export const computeOptimal = (flops, tokensPerParameter) => {
  const params = Math.sqrt(flops / (6 * tokensPerParameter));
  return { params, tokens: tokensPerParameter * params };
};

/** A published shape with another depth or width; the width moves in whole heads and keeps the FFN's ratio. */
export function resized(shape, { layers = shape.num_layers, width = shape.d_model }) {
  const heads = Math.max(1, Math.round((width / shape.d_model) * shape.num_heads));
  const group = shape.num_heads / shape.num_kv_heads;
  const d_model = width === shape.d_model ? width : Math.round((heads * shape.d_model) / shape.num_heads);
  return {
    ...shape,
    num_layers: layers,
    d_model,
    num_heads: heads,
    num_kv_heads: heads % group ? heads : heads / group,
    d_ff: Math.max(1, Math.round((shape.d_ff / shape.d_model) * d_model)),
  };
}

/** Everything that is shown, from the state. */
export function numbers(state) {
  const { shape, tables } = state,
    row = state.chips[state.chip];
  const dense = row.peak.bfloat16 ?? row.peak.float16,
    peak = dense * (state.sparse ? row.sparse_factor : 1);
  const perToken = flopsPerToken(shape, state.seq);
  const tokensPerSecond = (state.mfu * state.devices * peak) / perToken[state.convention];
  const days = state.tokens / tokensPerSecond / SECONDS_PER_DAY;
  const run = {
    batch: state.batch,
    seq: state.seq,
    recipe: tables.recipes[state.recipe],
    moments: tables.moments[state.optimizer],
    fused: state.fused_attention,
    checkpoint: state.checkpoint,
    stage: tables.sharding.indexOf(state.sharding),
    devices: state.devices,
    firstStep: state.first_step,
    accumulate: state.accumulation > 1,
  };
  const timeline = memoryTimeline(shape, run),
    heaviest = timeline.reduce((a, b) => (weight(b) > weight(a) ? b : a));
  const share = (flops) => (flops * tokensPerSecond) / (state.devices * peak);
  return {
    params: total(transformerParams(shape)),
    peak,
    dense,
    perToken,
    totalFlops: perToken[state.convention] * state.tokens,
    tokensPerSecond,
    days,
    dollars: days * 24 * state.devices * state.price,
    memory: trainingMemory(shape, run),
    timeline,
    peakBytes: weight(heaviest),
    peakMoment: heaviest.moment,
    mfus: Object.fromEntries(Object.entries(perToken).map(([name, flops]) => [name, share(flops)])),
    hfu: share(perToken.matmuls * (state.checkpoint ? 4 / 3 : 1)),
    tokensPerStep: state.batch * state.seq * state.accumulation * state.devices,
  };
}

// --- words ---------------------------------------------------------------------------------------------

const digits = (x) => (x >= 99.95 ? x.toFixed(0) : x >= 9.995 ? x.toFixed(1) : x.toFixed(2));
function withPrefix(value, prefixes, base) {
  let k = 0;
  while (k < prefixes.length - 1 && value >= 999.5 * base ** k * (base / 1000)) k += 1;
  return `${digits(value / base ** k)} ${prefixes[k]}`;
}
export const bytesText = (n, binary) =>
  binary
    ? withPrefix(n, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 1024)
    : withPrefix(n, ["B", "kB", "MB", "GB", "TB", "PB"], 1000);
const countText = (n) => withPrefix(n, ["", "thousand", "million", "billion", "trillion", "quadrillion"], 1000).trim();
const power = (n) => {
  const [mantissa, exponent] = n.toExponential(2).split("e");
  return `${mantissa} × 10${[...String(Number(exponent))].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])).join("")}`;
};
export function timeText(days) {
  const units = [
    [365.25, "years", 2],
    [1, "days", 1],
    [1 / 24, "hours", 1],
    [1 / 1440, "minutes", 1],
  ];
  for (const [size, unit, least] of units) if (days >= size * least) return `${(days / size).toFixed(1)} ${unit}`;
  return `${(days * SECONDS_PER_DAY).toFixed(1)} seconds`;
}
export const moneyText = (dollars) =>
  dollars >= 1e6
    ? `$${(dollars / 1e6).toFixed(2)} million`
    : dollars >= 10
      ? `$${Math.round(dollars).toLocaleString("en-US")}`
      : `$${dollars.toFixed(2)}`;
const plain = (n) => (n >= 1e6 ? n.toExponential().replace("e+", "e") : String(n));
const percent = (share) => (share > 0 && share < 0.0005 ? "under 0.1 %" : `${(100 * share).toFixed(1)} %`);

/** A positive number that a reader typed, or an Error that says what is possible. */
export function readPositive(text, what) {
  const clean = text
    .trim()
    .replace(/[\s_\u2009]|,(?=\d{3})/g, "")
    .replace("−", "-");
  if (clean === "") throw new Error(`${what}: type a number, such as 10e9`);
  if (!/^\d*\.?\d+(e\+?\d+)?$|^\d+\.(e\+?\d+)?$/i.test(clean))
    throw new Error(`${what}: “${[...text].slice(0, 20).join("")}” is no number above 0; 15e12 would be`);
  const value = Number(clean);
  if (!(value > 0) || value > 1e21) throw new Error(`${what}: a number above 0 and up to 1e21 is possible`);
  return value;
}

// --- the picture ---------------------------------------------------------------------------------------

const PARTS = [
  ["parameters", "P", "parameters"],
  ["gradients", "G", "gradients"],
  ["master_copy", "M", "master copy"],
  ["optimizer_state", "O", "optimizer state"],
  ["activations", "A", "activations"],
  ["logits", "L", "logits and their gradient"],
];
const PICTURES = [
  ["memory", "Memory"],
  ["timeline", "One step"],
  ["conventions", "Five MFUs"],
  ["budget", "Budget turned round"],
];
const STATE = [
  "preset",
  "shape",
  "chip",
  "devices",
  "tokens",
  "mfu",
  "price",
  "convention",
  "sparse",
  "batch",
  "seq",
  "accumulation",
  "recipe",
  "optimizer",
  "fused_attention",
  "checkpoint",
  "sharding",
  "first_step",
  "binary",
  "picture",
  "moment",
  "days",
  "tokens_per_parameter",
];

function stackedBar(W, parts, room, binary) {
  const all = weight(parts),
    far = room > 20 * all,
    end = (far ? all : Math.max(all, room)) * 1.02;
  let x = 0;
  const bars = PARTS.map(([name, letter, words]) => {
    const width = (parts[name] / end) * W,
      at = x;
    x += width;
    if (width < 0.4) return null;
    return s(
      "g",
      { class: `tb-${letter}` },
      s("rect", { x: at, y: 24, width: Math.max(0.5, width), height: 40 }),
      s("title", {}, `${words}: ${bytesText(parts[name], binary)}`),
      width > 14 ? s("text", { x: at + width / 2, y: 48, "text-anchor": "middle", class: "tb-letter" }, letter) : null,
    );
  });
  const edge = (room / end) * W,
    right = edge > W - 130;
  return s(
    "svg",
    {
      viewBox: `0 0 ${W} 84`,
      class: "tb-svg",
      role: "img",
      "aria-label": `${bytesText(all, binary)} needed, ${bytesText(room, binary)} on the device`,
    },
    bars,
    far ? null : s("line", { x1: edge, x2: edge, y1: 14, y2: 72, class: "tb-room" }),
    far
      ? s(
          "text",
          { x: W - 4, y: 12, "text-anchor": "end" },
          `device: ${bytesText(room, binary)}, ${Math.round(room / all).toLocaleString("en-US")} times this bar →`,
        )
      : s(
          "text",
          { x: edge + (right ? -4 : 4), y: 12, "text-anchor": right ? "end" : "start" },
          `device: ${bytesText(room, binary)}`,
        ),
    s(
      "text",
      { x: Math.min(W - 4, (all / end) * W), y: 80, "text-anchor": all / end > 0.3 ? "end" : "start" },
      `all at once: ${bytesText(all, binary)}`,
    ),
  );
}

const legend = (parts, binary) =>
  h(
    "ul",
    { class: "tb-legend" },
    PARTS.map(([name, letter, words]) =>
      h(
        "li",
        {},
        h("span", { class: `tb-key tb-${letter}`, "aria-hidden": "true" }, letter),
        ` ${words} `,
        h("b", {}, bytesText(parts[name], binary)),
      ),
    ),
  );

function timelinePicture(W, now, state, room) {
  const H = 190,
    left = 60,
    moments = now.timeline,
    n = moments.length;
  const top = Math.max(room > 3 * now.peakBytes ? 0 : room, now.peakBytes) * 1.05,
    step = (W - left) / n;
  const y = (bytes) => H - (bytes / top) * H;
  const columns = PARTS.map(([name, letter], k) => {
    const below = (m) => PARTS.slice(0, k).reduce((sum, [other]) => sum + m[other], 0);
    const path = moments
      .map(
        (m, i) =>
          `M${left + i * step} ${y(below(m))}V${y(below(m) + m[name])}H${left + (i + 1) * step}V${y(below(m))}Z`,
      )
      .join("");
    return s("path", { d: path, class: `tb-${letter} tb-area` });
  });
  const at = Math.min(state.moment, n - 1),
    layers = state.shape.num_layers;
  const ticks = [0, 0.5, 1].map((share) =>
    s(
      "text",
      { x: left - 6, y: y((top / 1.05) * share) + 4, "text-anchor": "end" },
      bytesText((top / 1.05) * share, state.binary),
    ),
  );
  const names = [
    [layers / 2, "forward"],
    [layers + 0.5, "loss"],
    [layers + 1 + layers / 2, "backward"],
    [n - 0.5, "step"],
  ];
  return s(
    "svg",
    {
      viewBox: `0 -12 ${W} ${H + 34}`,
      class: "tb-svg",
      role: "img",
      "aria-label": `memory through one step, peak ${bytesText(now.peakBytes, state.binary)} at ${now.peakMoment}`,
    },
    columns,
    ticks,
    top > room
      ? [
          s("line", { x1: left, x2: W, y1: y(room), y2: y(room), class: "tb-room" }),
          s("text", { x: left + 4, y: y(room) - 4 }, `device: ${bytesText(room, state.binary)}`),
        ]
      : null,
    s("rect", { x: left + at * step, y: -6, width: Math.max(step, 2), height: H + 6, class: "tb-cursor" }),
    names
      .filter(([, name]) => name !== "loss" || step * layers > 60)
      .map(([i, name]) =>
        s("text", { x: left + i * step, y: H + 16, "text-anchor": name === "step" ? "end" : "middle" }, name),
      ),
  );
}

function conventionPicture(now, state) {
  const rows = Object.entries(now.mfus),
    most = Math.max(1, ...rows.map(([, share]) => share), now.hfu);
  const bar = (name, share, words, marked) =>
    h(
      "li",
      { class: marked ? "tb-marked" : null },
      h("span", { class: "tb-name" }, marked ? `▸ ${name}` : name),
      h(
        "span",
        { class: "tb-track" },
        h("span", { class: "tb-fill", style: `width:${(100 * Math.min(share, most)) / most}%` }),
        h("span", { class: "tb-hundred", style: `left:${100 / most}%` }),
      ),
      h("b", {}, percent(share), share > 1 ? " ✗ above the peak" : ""),
      h("span", { class: "tb-words" }, words),
    );
  return h(
    "ul",
    { class: "tb-conventions" },
    rows.map(([name, share]) =>
      bar(
        name,
        share,
        `${power(now.perToken[name])} a token: ${state.tables.conventions[name]}`,
        name === state.convention,
      ),
    ),
    bar(
      "HFU",
      now.hfu,
      state.checkpoint
        ? "matmuls, and the forward pass that checkpointing computes again"
        : "hardware FLOPs: equal to matmuls as long as nothing is computed twice",
      false,
    ),
  );
}

/** What a number of days buys: FLOPs, the best model for them, and the tokens that the chosen model would see. */
function turnedRound(now, state) {
  const flops = state.days * SECONDS_PER_DAY * state.devices * now.peak * state.mfu;
  const best = computeOptimal(flops, state.tokens_per_parameter);
  return { flops, best, mine: { params: now.params, tokens: flops / now.perToken[state.convention] } };
}

function budgetPicture(W, now, state) {
  const { flops, best, mine } = turnedRound(now, state),
    dots = [];
  const H = 220,
    left = 62,
    xs = [7, 12.5],
    ys = [8, 14.5];
  const px = (params) => left + ((Math.log10(params) - xs[0]) / (xs[1] - xs[0])) * (W - left);
  const py = (tokens) => H - ((Math.log10(tokens) - ys[0]) / (ys[1] - ys[0])) * H;
  const inside = (params, tokens) => px(params) >= left && px(params) <= W && py(tokens) >= 0 && py(tokens) <= H;
  const line = [];
  for (let k = 0; k <= 110; k += 1) {
    const params = 10 ** (xs[0] + (k / 110) * (xs[1] - xs[0])),
      tokens = flops / (6 * params);
    if (inside(params, tokens)) line.push(`${px(params)},${py(tokens)}`);
  }
  const dot = (at, name, kind) => {
    if (!inside(at.params, at.tokens)) return;
    // The line falls to the right: above it on the right and below it on the left there is room for a name.
    const x = px(at.params),
      y = py(at.tokens),
      wide = 7 * name.length + 10;
    const right = kind === "tb-best" ? x + wide < W : x - wide < left;
    dots.push(
      s("circle", { cx: x, cy: y, r: 6, class: kind }),
      s(
        "text",
        { x: right ? x + 8 : x - 10, y: right ? y - 10 : y + 20, "text-anchor": right ? "start" : "end" },
        name,
      ),
    );
  };
  dot(best, `${digits(state.tokens_per_parameter)} tokens a parameter`, "tb-best");
  dot(mine, state.preset, "tb-mine");
  const tick = (k) => `10${[...String(k)].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`;
  return s(
    "svg",
    {
      viewBox: `0 -10 ${W} ${H + 50}`,
      class: "tb-svg",
      role: "img",
      "aria-label": `all models that ${power(flops)} FLOPs can train`,
    },
    [8, 9, 10, 11, 12].map((k) => [
      s("line", { x1: px(10 ** k), x2: px(10 ** k), y1: 0, y2: H, class: "tb-grid" }),
      s("text", { x: px(10 ** k), y: H + 16, "text-anchor": "middle" }, tick(k)),
    ]),
    [9, 10, 11, 12, 13, 14].map((k) => [
      s("line", { x1: left, x2: W, y1: py(10 ** k), y2: py(10 ** k), class: "tb-grid" }),
      s("text", { x: left - 6, y: py(10 ** k) + 4, "text-anchor": "end" }, tick(k)),
    ]),
    s("text", { x: W, y: H + 34, "text-anchor": "end" }, "parameters N →"),
    s("text", { x: left - 56, y: -1, "text-anchor": "start" }, "tokens D ↑"),
    s("polyline", { points: line.join(" "), class: "tb-iso" }),
    dots,
  );
}

function render({ model, el }) {
  const state = () => Object.fromEntries([...STATE, "chips", "tables"].map((name) => [name, model.get(name)]));
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const set = (name) => (value) => put(model, { [name]: value });
  const quoted = (text) => JSON.stringify(text);
  const python = () => {
    const now = state(),
      flags = (name) => (now[name] ? "True" : "False");
    const { num_kv_heads, d_head, ...sizes } = now.shape;
    const named =
      model.get("presets")[now.preset] &&
      JSON.stringify(model.get("presets")[now.preset].shape) === JSON.stringify(now.shape) &&
      now.preset !== "your model";
    const value = (v) => (typeof v === "boolean" ? (v ? "True" : "False") : JSON.stringify(v));
    const shape = named
      ? quoted(now.preset)
      : `TransformerShape(${Object.entries({ ...sizes, num_kv_heads, d_head })
          .map(([k, v]) => `${k}=${value(v)}`)
          .join(", ")})`;
    return (
      `TrainingBudget(${shape}, chip=${quoted(now.chip)}, devices=${now.devices}, tokens=${now.tokens}, mfu=${now.mfu}, price=${now.price}, ` +
      `convention=${quoted(now.convention)}, batch=${now.batch}, seq=${now.seq}, accumulation=${now.accumulation}, recipe=${quoted(now.recipe)}, ` +
      `optimizer=${quoted(now.optimizer)}, fused_attention=${flags("fused_attention")}, checkpoint=${flags("checkpoint")}, sharding=${quoted(now.sharding)}, picture=${quoted(now.picture)})` +
      movedTo(model, { sparse: false, first_step: false, binary: false, moment: 0, days: 30, tokens_per_parameter: 20 })
    );
  };
  const view = frame({
    model,
    el,
    python,
    reset: () => {
      complaint = "";
      weighed = "";
      put(model, first);
    },
  });
  view.root.classList.add("tb");
  let complaint = "",
    weighed = "";

  // The answers: four cards, each with where its number comes from
  const card = (name) => {
    const value = h("b", {}),
      how = h("span", { class: "tb-how" });
    return {
      el: h("div", { class: "tb-card" }, h("span", { class: "tb-what" }, name), value, how),
      put(text, from) {
        value.textContent = text;
        how.textContent = from;
      },
    };
  };
  const cards = {
    time: card("Time"),
    cost: card("Cost"),
    memory: card("Memory of one device, at the peak"),
    flops: card("FLOPs"),
  };
  const stagePicture = h("div", { class: "tb-picture" });
  const tabs = PICTURES.map(([key, text]) =>
    h("button", { type: "button", onclick: () => put(model, { picture: key }) }, text),
  );
  view.stage.append(
    h(
      "div",
      { class: "tb-cards" },
      Object.values(cards).map((each) => each.el),
    ),
    h("div", { class: "tb-tabs", role: "group", "aria-label": "picture" }, tabs),
    stagePicture,
  );

  // Controls, in three groups
  const log = (name, label, min, max, format, whole = true) =>
    slider({
      label,
      min: Math.log2(min) * 8,
      max: Math.log2(max) * 8,
      step: whole ? 8 : 1,
      value: Math.log2(model.get(name)) * 8,
      format: () => format(model.get(name)),
      oninput: (v) => put(model, { [name]: whole ? Math.round(2 ** (v / 8)) : 2 ** (v / 8) }),
    });
  const number = (name, label) =>
    field({
      label,
      value: plain(model.get(name)),
      oninput: (text) => {
        try {
          const value = readPositive(text, label);
          complaint = "";
          put(model, { [name]: value });
        } catch (error) {
          complaint = error.message;
        }
        draw();
      },
    });
  const ask = asker(model, {
    answered: (a) => {
      weighed = `Weighed here: one forward and backward pass of your model, batch ${a.batch}, ${a.seq} tokens, allocates ${bytesText(a.measured)}; predicted ${bytesText(a.predicted)}, ratio ${(a.predicted / a.measured).toFixed(2)}.`;
      draw();
    },
    failed: (words) => {
      weighed = words;
      draw();
    },
    unanswered: () => {
      weighed = "Weighing a step needs a running kernel.";
      draw();
    },
  });
  const reshape = (change) =>
    put(model, {
      shape: resized((model.get("presets")[base()] ?? model.get("presets")["GPT-2"]).shape, change),
      preset: "your model",
    });
  let lastPreset = model.get("preset");
  const base = () =>
    model.get("presets")[model.get("preset")] && model.get("preset") !== "your model"
      ? (lastPreset = model.get("preset"))
      : lastPreset;
  const presetOptions = [
    ...Object.keys(model.get("presets")),
    ...(model.get("presets")["your model"] ? [] : ["your model"]),
  ];
  const control = {
    preset: choice({
      label: "model",
      options: presetOptions,
      value: model.get("preset"),
      onchange: (name) => {
        const found = model.get("presets")[name];
        if (found) {
          lastPreset = name;
          put(model, { preset: name, shape: found.shape, seq: Math.min(found.shape.context_length, 8192) });
        } else put(model, { preset: name });
      },
    }),
    layers: slider({
      label: "layers",
      min: 1,
      max: 128,
      value: model.get("shape").num_layers,
      oninput: (n) => reshape({ layers: n, width: model.get("shape").d_model }),
    }),
    width: slider({
      label: "width",
      min: 64,
      max: 16384,
      step: 64,
      value: model.get("shape").d_model,
      format: () => String(model.get("shape").d_model),
      oninput: (n) => reshape({ width: n, layers: model.get("shape").num_layers }),
    }),
    seq: log("seq", "sequence", 128, 131072, (n) => `${n} tokens`),
    chip: choice({
      label: "chip",
      options: Object.keys(model.get("chips")),
      value: model.get("chip"),
      onchange: set("chip"),
    }),
    devices: log("devices", "devices", 1, 32768, String),
    tokens: number("tokens", "tokens"),
    mfu: slider({
      label: "MFU",
      min: 0.01,
      max: 1,
      step: 0.01,
      value: model.get("mfu"),
      format: (v) => `${Math.round(100 * v)} %`,
      oninput: set("mfu"),
    }),
    convention: choice({
      label: "counted as",
      options: Object.keys(model.get("tables").conventions),
      value: model.get("convention"),
      onchange: set("convention"),
    }),
    price: number("price", "$ an hour and device"),
    sparse: check({ label: "believe the sparse figure", value: model.get("sparse"), onchange: set("sparse") }),
    batch: log("batch", "micro-batch", 1, 1024, String),
    accumulation: log("accumulation", "accumulate", 1, 256, (n) => `${n} ×`),
    recipe: choice({
      label: "formats",
      options: Object.keys(model.get("tables").recipes),
      value: model.get("recipe"),
      onchange: set("recipe"),
    }),
    optimizer: choice({
      label: "optimizer",
      options: Object.keys(model.get("tables").moments),
      value: model.get("optimizer"),
      onchange: set("optimizer"),
    }),
    sharding: choice({
      label: "split over devices",
      options: [
        ["none", "nothing"],
        ["optimizer", "optimizer (ZeRO 1)"],
        ["gradients", "+ gradients (ZeRO 2)"],
        ["parameters", "+ parameters (ZeRO 3)"],
      ],
      value: model.get("sharding"),
      onchange: set("sharding"),
    }),
    fused_attention: check({
      label: "fused attention",
      value: model.get("fused_attention"),
      onchange: set("fused_attention"),
    }),
    checkpoint: check({
      label: "activation checkpointing",
      value: model.get("checkpoint"),
      onchange: set("checkpoint"),
    }),
    binary: check({ label: "GiB (1024³) instead of GB (10⁹)", value: model.get("binary"), onchange: set("binary") }),
    first_step: check({
      label: "first step (no optimizer state yet)",
      value: model.get("first_step"),
      onchange: set("first_step"),
    }),
    days: log("days", "days", 1 / 16, 1024, timeText, false),
    tokens_per_parameter: log("tokens_per_parameter", "tokens a parameter", 1, 4096, (v) => digits(v), false),
  };
  const logarithmic = ["seq", "devices", "batch", "accumulation", "days", "tokens_per_parameter"];
  const steps = stepper({ label: "moment", go: set("moment"), every: 120 });
  const weighButton = h(
    "button",
    {
      type: "button",
      onclick: () => {
        weighed = "Weighing one step of your model…";
        draw();
        ask.ask({ weigh: { batch: model.get("batch"), seq: model.get("seq") } });
      },
    },
    "Weigh a step of my model",
  );
  const group = (name, ...parts) =>
    h("div", { class: "tb-group", role: "group", "aria-label": name }, h("span", { class: "tb-heading" }, name), parts);
  const of = (...names) => names.map((name) => control[name].el);
  const groups = {
    model: group("Model", of("preset", "layers", "width", "seq")),
    run: group("Run", of("tokens", "chip", "devices", "mfu", "convention", "price", "sparse")),
    memory: group(
      "Memory",
      of(
        "batch",
        "accumulation",
        "recipe",
        "optimizer",
        "sharding",
        "fused_attention",
        "checkpoint",
        "first_step",
        "binary",
      ),
      model.get("has_model") ? weighButton : null,
    ),
    budget: group("Budget", of("days", "tokens_per_parameter")),
  };
  view.controls.append(...Object.values(groups));

  function verdict(now, room, current) {
    const b = current.binary,
      row = current.chips[current.chip];
    if (complaint) return [complaint, "bad"];
    if (weighed) return [weighed, ""];
    if (current.sparse && row.sparse_factor > 1)
      return [
        `${power(now.peak)} FLOP/s is the figure “with sparsity”. Dense training never sees it: at the dense ${power(now.dense)} the same MFU takes ${timeText(now.days * row.sparse_factor)}.`,
        "bad",
      ];
    if (current.picture === "conventions") {
      const shares = Object.values(now.mfus),
        ratio = Math.max(...shares) / Math.min(...shares);
      return [
        `One run, ${countText(now.tokensPerSecond)} tokens a second: its MFU is ${percent(Math.min(...shares))} or ${percent(Math.max(...shares))}, ${ratio.toFixed(2)} times as much, by convention alone.`,
        "",
      ];
    }
    if (row.achieved && current.mfu > row.achieved)
      return [
        `Nobody trains at ${percent(current.mfu)} on this chip: tuned matmuls alone reached ${percent(row.achieved)} of its peak (Bekman, MAMF).`,
        "bad",
      ];
    if (current.picture === "budget") {
      const { flops, best, mine } = turnedRound(now, current);
      return [
        `${timeText(current.days)} buy ${power(flops)} FLOPs: ${countText(best.params)} parameters on ${countText(best.tokens)} tokens, or ${current.preset} on ${countText(mine.tokens)} tokens.`,
        "",
      ];
    }
    if (current.picture === "timeline") {
      const moment = now.timeline[Math.min(current.moment, now.timeline.length - 1)];
      const heaviest = PARTS.reduce((a, part) => (moment[part[0]] > moment[a[0]] ? part : a));
      return [
        `At “${moment.moment}” ${bytesText(weight(moment), b)} live, most of it ${heaviest[2]}; the peak is ${bytesText(now.peakBytes, b)}, at “${now.peakMoment}”.`,
        "",
      ];
    }
    const fits = now.peakBytes <= room;
    return [
      fits
        ? `It fits: the peak of a step is ${bytesText(now.peakBytes, b)} (at “${now.peakMoment}”) of ${bytesText(room, b)}.`
        : `It does not fit: the peak of a step is ${bytesText(now.peakBytes, b)}, the device has ${bytesText(room, b)}. Split over more devices, checkpoint, or take a smaller micro-batch.`,
      fits ? "good" : "bad",
    ];
  }

  let W = 0; // pictures are drawn at their own width, so that text keeps its size
  const measure = () => Math.max(280, Math.min(760, view.stage.clientWidth || 620));
  const draw = () => {
    W = measure();
    const current = state(),
      now = numbers(current),
      row = current.chips[current.chip],
      room = row.memory;
    cards.time.put(
      timeText(now.days),
      `${current.convention} FLOPs / (${current.devices} × ${power(now.peak)} FLOP/s × ${percent(current.mfu)})`,
    );
    cards.cost.put(
      moneyText(now.dollars),
      `${countText(now.days * 24 * current.devices)} device hours × $${current.price}, your price`,
    );
    cards.memory.put(
      bytesText(now.peakBytes, current.binary),
      `${percent(now.peakBytes / room)} of ${current.chip}'s ${bytesText(room, current.binary)}; as lmcourse.model keeps it`,
    );
    cards.flops.put(
      power(now.totalFlops),
      `${power(now.perToken[current.convention])} a token; ${countText(now.params)} parameters; ${countText(now.tokensPerStep)} tokens a step`,
    );
    tabs.forEach((tab, k) => tab.setAttribute("aria-pressed", String(PICTURES[k][0] === current.picture)));
    if (current.picture === "memory")
      stagePicture.replaceChildren(stackedBar(W, now.memory, room, current.binary), legend(now.memory, current.binary));
    else if (current.picture === "timeline") {
      const moment = now.timeline[Math.min(current.moment, now.timeline.length - 1)];
      stagePicture.replaceChildren(timelinePicture(W, now, current, room), legend(moment, current.binary), steps.el);
      steps.set(Math.min(current.moment, now.timeline.length - 1), now.timeline.length);
    } else if (current.picture === "conventions") stagePicture.replaceChildren(conventionPicture(now, current));
    else stagePicture.replaceChildren(budgetPicture(W, now, current));
    groups.memory.hidden = !["memory", "timeline"].includes(current.picture);
    groups.budget.hidden = current.picture !== "budget";
    for (const [name, each] of Object.entries(control)) {
      if (name === "layers") each.set(current.shape.num_layers);
      else if (name === "width") each.set(current.shape.d_model);
      else if (logarithmic.includes(name)) each.set(Math.round(Math.log2(current[name]) * 8));
      else if (["tokens", "price"].includes(name)) {
        if (!complaint && document.activeElement !== each.input) each.set(plain(current[name]));
      } else each.set(current[name]);
    }
    view.title(`What it costs to train ${current.preset}`);
    view.source(
      `Shape: ${model.get("presets")[current.preset]?.source ?? `${lastPreset}, resized by you`}. ${current.chip}: ${row.source}, read ${row.date}${row.note ? ` (${row.note})` : ""}. ` +
        `Bytes: formulas of lmcourse.flops, within a tenth of what PyTorch allocates. Price: yours.`,
    );
    const [words, tone] = verdict(now, room, current);
    view.say(words, tone);
  };
  for (const name of STATE) model.on(`change:${name}`, forget);
  function forget() {
    weighed = "";
  }
  const stop = redraw(model, STATE, draw);
  const watcher = new ResizeObserver(() => {
    if (measure() !== W) draw();
  });
  watcher.observe(view.stage);
  return () => {
    watcher.disconnect();
    stop();
    steps.stop();
    ask.stop();
    for (const name of STATE) model.off(`change:${name}`, forget);
  };
}
export default { render };
