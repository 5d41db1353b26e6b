// What training costs: parameters, FLOPs, bytes and time of a Transformer, and the roofline. Equal to lmcourse.flops on
// tests/golden/training_budget.json and roofline.json. Not here: communication between devices, mixture of experts.

/**
 * The sizes that decide what a decoder-only Transformer costs, as `TransformerShape` of lmcourse.flops has them.
 * @typedef {{ vocab_size: number, context_length: number, d_model: number, num_layers: number, num_heads: number,
 *   num_kv_heads: number, d_head: number, d_ff: number, gated: boolean, norm: string, positions: string,
 *   bias: boolean, qkv_bias: boolean, qk_norm: boolean, tie_embeddings: boolean }} Shape
 * @typedef {Record<string, number>} Parts
 * @typedef {{ flops: number, bytes: number }} Cost
 * @typedef {{ parameters: number, gradients: number, master_copy: number, moment: number, activation: number }} Recipe
 * @typedef {{ batch: number, seq: number, recipe: Recipe, moments: number, fused: boolean, checkpoint: boolean,
 *   stage: number, devices: number, firstStep: boolean, accumulate: boolean }} Run
 * @typedef {Parts & { moment: any }} Moment its name, and the bytes of each part
 */

export const SECONDS_PER_DAY = 86400;

/** The sum of what the parts hold. */
export const total = (/** @type {Parts} */ parts) => Object.values(parts).reduce((a, b) => a + b, 0);

const queryWidth = (/** @type {Shape} */ shape) => shape.num_heads * shape.d_head;
const keyValueWidth = (/** @type {Shape} */ shape) => shape.num_kv_heads * shape.d_head;

// Parameters and FLOPs

/** A multiply and an add for each of m × k × n. */
export const matmulFlops = (/** @type {number} */ m, /** @type {number} */ k, /** @type {number} */ n) => 2 * m * k * n;

/**
 * FLOPs of one forward pass, part by part.
 * @param {Shape} shape @param {number} batch @param {number} seq @param {boolean} [causal]
 * @returns {Parts}
 */
export function transformerFlops(shape, batch, seq, causal = false) {
  const tokens = batch * seq;
  const pairs = causal ? (seq * (seq + 1)) / 2 : seq * seq;
  return {
    projections:
      shape.num_layers * matmulFlops(tokens, shape.d_model, 2 * queryWidth(shape) + 2 * keyValueWidth(shape)),
    attention: shape.num_layers * 2 * batch * shape.num_heads * matmulFlops(pairs, shape.d_head, 1),
    ffn: shape.num_layers * (shape.gated ? 3 : 2) * matmulFlops(tokens, shape.d_model, shape.d_ff),
    head: matmulFlops(tokens, shape.d_model, shape.vocab_size),
  };
}

/**
 * Parameters, part by part.
 * @param {Shape} shape
 * @returns {Parts}
 */
export function transformerParams(shape) {
  const d = shape.d_model;
  const layers = shape.num_layers;
  const projected = 2 * queryWidth(shape) + 2 * keyValueWidth(shape);
  const qkvBias = shape.bias || shape.qkv_bias ? queryWidth(shape) + 2 * keyValueWidth(shape) : 0;
  const ffnBias = shape.bias ? (shape.gated ? 2 : 1) * shape.d_ff + d : 0;
  const attention = d * projected + qkvBias + (shape.bias ? d : 0) + (shape.qk_norm ? 2 * shape.d_head : 0);
  return {
    embedding: shape.vocab_size * d,
    positions: shape.positions === "learned" ? shape.context_length * d : 0,
    attention: layers * attention,
    ffn: layers * ((shape.gated ? 3 : 2) * d * shape.d_ff + ffnBias),
    norms: (2 * layers + 1) * (shape.norm === "rmsnorm" ? d : 2 * d),
    head: shape.tie_embeddings ? 0 : shape.vocab_size * d,
  };
}

/**
 * FLOPs of training on one token, forward and backward, under the five conventions.
 * @param {Shape} shape @param {number} seq
 * @returns {Parts}
 */
export function flopsPerToken(shape, seq) {
  const params = transformerParams(shape);
  const all = total(params);
  return {
    "6N": 6 * all,
    PaLM: 6 * (all - params.positions) + 12 * shape.num_layers * queryWidth(shape) * seq,
    matmuls: (3 * total(transformerFlops(shape, 1, seq))) / seq,
    causal: (3 * total(transformerFlops(shape, 1, seq, true))) / seq,
    Kaplan: 6 * (params.attention + params.ffn + params.norms),
  };
}

/**
 * The model and the tokens that these FLOPs are best spent on.
 * @param {number} flops @param {number} tokensPerParameter
 */
export function computeOptimal(flops, tokensPerParameter) {
  const params = Math.sqrt(flops / (6 * tokensPerParameter));
  return { params, tokens: tokensPerParameter * params };
}

/**
 * A published shape with another depth or width; the width moves in whole heads and keeps the FFN's ratio.
 * @param {Shape} shape @param {{ layers?: number, width?: number }} change
 * @returns {Shape}
 */
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

// Memory

/**
 * What the forward pass keeps for the backward pass, in bytes.
 * @param {Shape} shape @param {number} batch @param {number} seq
 * @param {{ elementBytes: number, fused: boolean, checkpoint: boolean }} options
 * @returns {Parts}
 */
export function activationBytes(shape, batch, seq, { elementBytes, fused, checkpoint }) {
  const tokens = batch * seq;
  const query = queryWidth(shape);
  const keyValue = fused ? keyValueWidth(shape) : query;
  const norm = (shape.norm === "rmsnorm" ? 3 : 2) * shape.d_model;
  const layers = checkpoint ? 1 : shape.num_layers;
  const normedHeads = shape.qk_norm ? (shape.num_heads + shape.num_kv_heads) * shape.d_head : 0;
  const size = (/** @type {number} */ elements) => elementBytes * tokens * elements;
  return {
    norms: size(layers * (2 * norm + 2 * normedHeads) + norm),
    attention: size(layers * (2 * query + 2 * keyValue)),
    scores: size(layers * (fused ? query + shape.num_heads : 2 * shape.num_heads * seq)),
    ffn: size(layers * (shape.gated ? 5 : 2) * shape.d_ff),
    block_inputs: checkpoint ? size(shape.num_layers * shape.d_model) : 0,
    logits: 4 * tokens * shape.vocab_size,
    loss: 4 * tokens * shape.vocab_size,
  };
}

/**
 * What a step needs in all, part by part, in bytes on one device.
 * @param {Shape} shape @param {Run} run
 * @returns {Parts}
 */
export function trainingMemory(shape, run) {
  const params = total(transformerParams(shape));
  const { recipe } = run;
  const part = (/** @type {number} */ bytes, /** @type {number} */ shardedFrom) =>
    (params * bytes) / (run.stage >= shardedFrom ? run.devices : 1);
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

/** The bytes of a moment, or of parts. */
export const weight = (/** @type {any} */ { moment, ...parts }) => total(parts);

/**
 * What lives at each moment of a step: block by block forward, the loss, block by block back, the update.
 * @param {Shape} shape @param {Run} run
 * @returns {Moment[]}
 */
export function memoryTimeline(shape, run) {
  const parts = trainingMemory(shape, run);
  const layers = shape.num_layers;
  const { kept, working, finalNorm } = blockBytes(shape, run, parts.activations);
  const params = transformerParams(shape);
  const all = total(params);
  const blockShare = (params.attention + params.ffn) / layers / all;
  /** @type {Moment[]} */
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

/** What one block keeps, what the backward pass needs while it is in one, and what the last norm keeps; in bytes. */
function blockBytes(shape, run, activations) {
  const token = run.recipe.activation * run.batch * run.seq;
  const finalNorm = token * shape.d_model * (shape.norm === "rmsnorm" ? 3 : 2);
  const inputs = run.checkpoint ? shape.num_layers * token * shape.d_model : 0;
  const inside = (activations - finalNorm - inputs) / (run.checkpoint ? 1 : shape.num_layers);
  const tables = run.fused ? 0 : 4 * shape.num_heads * run.seq;
  const spare = token * Math.max(3 * shape.d_ff, tables - (shape.gated ? 5 : 2) * shape.d_ff);
  return {
    kept: run.checkpoint ? token * shape.d_model : inside,
    working: spare + (run.checkpoint ? inside : 0),
    finalNorm,
  };
}

// A whole run

/** The rate in 16 bits of a row of the accelerator table: bfloat16 where the chip has it, else float16. */
export const densePeak = (row) => row.peak.bfloat16 ?? row.peak.float16;

/** What a TrainingBudget's state says of memory, as `Run`. @returns {Run} */
export function runOf(state) {
  return {
    batch: state.batch,
    seq: state.seq,
    recipe: state.tables.recipes[state.recipe],
    moments: state.tables.moments[state.optimizer],
    fused: state.fused_attention,
    checkpoint: state.checkpoint,
    stage: state.tables.sharding.indexOf(state.sharding),
    devices: state.devices,
    firstStep: state.first_step,
    accumulate: state.accumulation > 1,
  };
}

/** Everything that TrainingBudget shows, from its state: the same as its `numbers()` in Python. */
export function numbers(state) {
  const { shape } = state;
  const row = state.chips[state.chip];
  const dense = densePeak(row);
  const peak = dense * (state.sparse ? row.sparse_factor : 1);
  const perToken = flopsPerToken(shape, state.seq);
  const tokensPerSecond = (state.mfu * state.devices * peak) / perToken[state.convention];
  const days = state.tokens / tokensPerSecond / SECONDS_PER_DAY;
  const run = runOf(state);
  const timeline = memoryTimeline(shape, run);
  const heaviest = timeline.reduce((a, b) => (weight(b) > weight(a) ? b : a));
  const share = (/** @type {number} */ flops) => (flops * tokensPerSecond) / (state.devices * peak);
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
    heaviest,
    peakBytes: weight(heaviest),
    peakMoment: heaviest.moment,
    mfus: Object.fromEntries(Object.entries(perToken).map(([name, flops]) => [name, share(flops)])),
    hfu: share(perToken.matmuls * (state.checkpoint ? 4 / 3 : 1)),
    tokensPerStep: state.batch * state.seq * state.accumulation * state.devices,
  };
}

/** What a number of days buys: FLOPs, the best model for them, and the tokens that the chosen model would see. */
export function turnedRound(now, state) {
  const flops = state.days * SECONDS_PER_DAY * state.devices * now.peak * state.mfu;
  const best = computeOptimal(flops, state.tokens_per_parameter);
  return { flops, best, mine: { params: now.params, tokens: flops / now.perToken[state.convention] } };
}

// The roofline

/** FLOPs for each byte. */
export const intensity = (/** @type {Cost} */ cost) => cost.flops / cost.bytes;

/** The intensity at which arithmetic and memory take equally long. */
export const ridge = (/** @type {number} */ peak, /** @type {number} */ bandwidth) => peak / bandwidth;

/** @param {number} x an intensity @param {number} peak @param {number} bandwidth */
export const attainable = (x, peak, bandwidth) => Math.min(peak, x * bandwidth);

/** @param {Cost} cost @param {number} peak @param {number} bandwidth */
export const bestSeconds = (cost, peak, bandwidth) => Math.max(cost.flops / peak, cost.bytes / bandwidth);

const matmulCost = (m, k, n, e) => ({ flops: matmulFlops(m, k, n), bytes: e * (m * k + k * n + m * n) });
const elementwiseCost = (n, each, inputs, e) => ({ flops: each * n, bytes: e * (inputs + 1) * n });
const times = (k, cost) => ({ flops: k * cost.flops, bytes: k * cost.bytes });

/**
 * Six operations of the textbook.
 * @param {number} rows @param {number} width @param {number} e bytes of an element
 * @returns {Record<string, Cost>}
 */
export function textbookCosts(rows, width, e) {
  return {
    ReLU: elementwiseCost(rows * width, 1, 1, e),
    GELU: elementwiseCost(rows * width, 20, 1, e),
    "dot product": { flops: 2 * width, bytes: e * (2 * width + 1) },
    "vector × matrix": matmulCost(1, width, width, e),
    "linear layer": matmulCost(rows, width, width, e),
    "square matmul": matmulCost(width, width, width, e),
  };
}

/**
 * One block's forward pass, the head, and an AdamW step of the whole model.
 * @param {Shape} shape @param {number} batch @param {number} seq @param {number} e bytes of an element
 * @returns {Record<string, Cost>}
 */
export function modelCosts(shape, batch, seq, e) {
  const tokens = batch * seq;
  const heads = batch * shape.num_heads;
  const params = total(transformerParams(shape));
  return {
    norm: elementwiseCost(tokens * shape.d_model, 4, 1, e),
    projections: matmulCost(tokens, shape.d_model, 2 * queryWidth(shape) + 2 * keyValueWidth(shape), e),
    scores: times(heads, matmulCost(seq, shape.d_head, seq, e)),
    softmax: elementwiseCost(heads * seq * seq, 5, 1, e),
    ffn: times(shape.gated ? 3 : 2, matmulCost(tokens, shape.d_model, shape.d_ff, e)),
    activation: elementwiseCost(tokens * shape.d_ff, shape.gated ? 6 : 20, shape.gated ? 2 : 1, e),
    head: matmulCost(tokens, shape.d_model, shape.vocab_size, e),
    optimizer: { flops: 12 * params, bytes: 28 * params },
  };
}

/**
 * The share of the time, and of the FLOPs, that goes to what is no matmul: each operation at its best on this roof.
 * @param {Record<string, Cost>} costs @param {number} peak @param {number} bandwidth
 */
export function elementwiseShare(costs, peak, bandwidth) {
  const small = ["norm", "softmax", "activation"];
  const block = ["norm", "projections", "scores", "softmax", "ffn", "activation"];
  const sum = (names, f) => names.reduce((sum, name) => sum + f(costs[name]), 0);
  const seconds = (/** @type {Cost} */ cost) => bestSeconds(cost, peak, bandwidth);
  return {
    flops: sum(small, (c) => c.flops) / sum(block, (c) => c.flops),
    seconds: sum(small, seconds) / sum(block, seconds),
  };
}
