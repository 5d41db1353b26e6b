// The course's language model in plain JavaScript: what `lmcourse.model.TransformerLM` computes, one position at a
// time, with the keys and values of the past kept. Node tests hold it against PyTorch on golden vectors. It reads the
// file of weights itself: safetensors, in float32 or bfloat16.

/** @typedef {{ length: number, ids: number[], keys: Float32Array[], values: Float32Array[] }} Cache */

const SIZES = ["vocab_size", "context_length", "d_model", "num_layers", "num_heads", "num_kv_heads", "d_ff"];
const MOST_HEADER = 1_000_000; // bytes

// The file

/** bfloat16 is the upper half of a float32. */
function widened(halves) {
  const bits = new Uint32Array(halves.length);
  for (let k = 0; k < halves.length; k += 1) bits[k] = halves[k] << 16;
  return new Float32Array(bits.buffer);
}

/** The header of a safetensors file: its length in 8 bytes, then JSON. */
function headerOf(buffer) {
  const size = buffer.byteLength < 8 ? Infinity : Number(new DataView(buffer).getBigUint64(0, true));
  if (size > Math.min(MOST_HEADER, buffer.byteLength - 8)) throw new Error("the file is no safetensors file");
  return { header: JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size))), start: 8 + size };
}

/**
 * A file of weights: each tensor as a Float32Array, and the model's sizes from its metadata.
 * @param {ArrayBuffer} buffer
 * @returns {{ config: Record<string, any>, tensors: Record<string, { shape: number[], data: Float32Array }> }}
 */
export function readSafetensors(buffer) {
  const { header, start } = headerOf(buffer),
    tensors = {};
  const { __metadata__: metadata, ...entries } = header;
  for (const [name, { dtype, shape, data_offsets: ends }] of Object.entries(entries)) {
    const count = shape.reduce((product, size) => product * size, 1),
      width = { F32: 4, BF16: 2 }[dtype];
    if (!width) throw new Error(`${name}: float32 or bfloat16, got ${dtype}`);
    if (ends[1] - ends[0] !== count * width || start + ends[1] > buffer.byteLength)
      throw new Error(`${name}: the file was cut`);
    const bytes = buffer.slice(start + ends[0], start + ends[1]);
    tensors[name] = { shape, data: dtype === "F32" ? new Float32Array(bytes) : widened(new Uint16Array(bytes)) };
  }
  return { config: JSON.parse(metadata?.config ?? "{}"), tensors };
}

// The functions

/** out = W x, where W has a row a number of `out`. */
function product(out, W, x) {
  const wide = x.length;
  for (let r = 0, at = 0; r < out.length; r += 1, at += wide) {
    let a = 0,
      b = 0;
    let c = 0;
    for (; c + 1 < wide; c += 2) {
      a += W[at + c] * x[c];
      b += W[at + c + 1] * x[c + 1];
    }
    if (c < wide) a += W[at + c] * x[c];
    out[r] = a + b;
  }
}

/** Divide by the root of the mean square, and multiply by the gain. */
function rmsNorm(out, x, gain, eps) {
  let sum = 0;
  for (const v of x) sum += v * v;
  const scale = 1 / Math.sqrt(sum / x.length + eps);
  for (let k = 0; k < x.length; k += 1) out[k] = x[k] * scale * gain[k];
}

/** Rotate each pair of neighbours (x[2i], x[2i + 1]) by position · theta^(−2i/d) radians. */
function rotate(x, position, frequencies) {
  for (let i = 0; i < frequencies.length; i += 1) {
    const angle = Math.fround(position * frequencies[i]),
      cos = Math.cos(angle),
      sin = Math.sin(angle);
    const even = x[2 * i],
      odd = x[2 * i + 1];
    x[2 * i] = even * cos - odd * sin;
    x[2 * i + 1] = odd * cos + even * sin;
  }
}

/** Turn scores into shares that sum to one, in place; returns them. */
export function softmax(scores) {
  let most = -Infinity,
    sum = 0;
  for (const score of scores) most = Math.max(most, score);
  for (let k = 0; k < scores.length; k += 1) {
    scores[k] = Math.exp(scores[k] - most);
    sum += scores[k];
  }
  for (let k = 0; k < scores.length; k += 1) scores[k] /= sum;
  return scores;
}

/** One head: `query` against all keys so far. The mix of their values goes to `out`; returns the shares. */
function attend(out, query, keys, values, { positions, stride, from }) {
  const d = query.length,
    scores = new Float64Array(positions),
    scale = 1 / Math.sqrt(d);
  for (let t = 0; t < positions; t += 1) {
    const at = t * stride + from;
    let sum = 0;
    for (let k = 0; k < d; k += 1) sum += query[k] * keys[at + k];
    scores[t] = sum * scale;
  }
  softmax(scores);
  out.fill(0);
  for (let t = 0; t < positions; t += 1) {
    const at = t * stride + from,
      share = scores[t];
    for (let k = 0; k < d; k += 1) out[k] += share * values[at + k];
  }
  return scores;
}

// The model

/** The tensors of a layer by short names, each with the shape that the sizes ask for. */
function layerOf(tensor, config, index) {
  const { d_model: d, d_ff, num_heads, num_kv_heads, qk_norm } = config,
    d_head = d / num_heads,
    d_kv = num_kv_heads * d_head;
  const of = (name, ...shape) => tensor(`layers.${index}.${name}.weight`, shape);
  return {
    ln1: of("ln1", d),
    q: of("attn.q_proj", d, d),
    k: of("attn.k_proj", d_kv, d),
    v: of("attn.v_proj", d_kv, d),
    out: of("attn.output_proj", d, d),
    qNorm: qk_norm ? of("attn.q_norm", d_head) : null,
    kNorm: qk_norm ? of("attn.k_norm", d_head) : null,
    ln2: of("ln2", d),
    w1: of("ffn.w1", d_ff, d),
    w2: of("ffn.w2", d, d_ff),
    w3: of("ffn.w3", d_ff, d),
  };
}

function checkedConfig(config) {
  for (const name of SIZES)
    if (!Number.isInteger(config[name]) || config[name] < 1)
      throw new Error(`${name}: a whole number of 1 or more, got ${config[name]}`);
  return config;
}

/** Token ids to logits over the next token. */
export class TransformerLM {
  /** @param {{ config: Record<string, any>, tensors: Record<string, any> }} file what `readSafetensors` returns */
  constructor({ config, tensors }) {
    const tensor = (name, shape) => {
      if (String(tensors[name]?.shape) !== String(shape))
        throw new Error(`${name}: shape ${shape}, got ${tensors[name]?.shape ?? "none"}`);
      return tensors[name].data;
    };
    const { vocab_size, d_model: d, num_layers, num_heads, num_kv_heads, d_ff } = checkedConfig(config);
    this.config = config;
    this.embeddings = tensor("token_embeddings.weight", [vocab_size, d]);
    this.layers = Array.from({ length: num_layers }, (_, k) => layerOf(tensor, config, k));
    this.lnFinal = tensor("ln_final.weight", [d]);
    this.head = config.tie_embeddings ? this.embeddings : tensor("lm_head.weight", [vocab_size, d]);
    const d_head = d / num_heads;
    this.dHead = d_head;
    this.dKV = num_kv_heads * d_head;
    this.eps = config.norm_eps ?? 1e-5;
    const theta = config.rope_theta ?? 10_000;
    this.frequencies = Float32Array.from({ length: d_head / 2 }, (_, i) => theta ** ((-2 * i) / d_head));
    const numbers = (size) => new Float32Array(size);
    this.room = { x: numbers(d), norm: numbers(d), q: numbers(d), mix: numbers(d), add: numbers(d) };
    this.wide = { gate: numbers(d_ff), up: numbers(d_ff) };
  }

  /** Keys and values of the positions seen so far: none. Where `length` is set back, what comes after is forgotten. */
  newCache() {
    const room = () => this.layers.map(() => new Float32Array(this.config.context_length * this.dKV));
    return { length: 0, ids: [], keys: room(), values: room() };
  }

  /**
   * One position more. Returns the logits of the next token, or null where they are not `wanted`: of a prompt only the
   * last are. `look`, an empty list, gets the attention of each layer and head: shares of the positions up to here.
   * @param {Cache} cache
   * @param {number} id
   * @param {{ wanted?: boolean, look?: Float64Array[][] }} [options]
   */
  step(cache, id, { wanted = true, look } = {}) {
    const { d_model: d, vocab_size, context_length } = this.config,
      { x, norm } = this.room;
    if (!(Number.isInteger(id) && id >= 0 && id < vocab_size))
      throw new RangeError(`id: 0 to ${vocab_size - 1}, got ${id}`);
    if (cache.length >= context_length) throw new RangeError(`the context length ${context_length} is reached`);
    x.set(this.embeddings.subarray(id * d, (id + 1) * d));
    this.layers.forEach((layer, k) => {
      const heads = this.attention(layer, cache.keys[k], cache.values[k], cache.length);
      look?.push(heads);
      this.feedForward(layer);
    });
    cache.ids.length = cache.length;
    cache.ids.push(id);
    cache.length += 1;
    if (!wanted) return null;
    rmsNorm(norm, x, this.lnFinal, this.eps);
    const logits = new Float32Array(vocab_size);
    product(logits, this.head, norm);
    return logits;
  }

  /** x += attention(norm(x)); returns the shares of each head. */
  attention(layer, keys, values, position) {
    const { x, norm, q, mix, add } = this.room,
      { num_heads, num_kv_heads } = this.config,
      { dHead, dKV } = this;
    const key = keys.subarray(position * dKV, (position + 1) * dKV);
    rmsNorm(norm, x, layer.ln1, this.eps);
    product(q, layer.q, norm);
    product(key, layer.k, norm);
    product(values.subarray(position * dKV, (position + 1) * dKV), layer.v, norm);
    const turn = (all, gain) => {
      for (let from = 0; from < all.length; from += dHead) {
        const one = all.subarray(from, from + dHead);
        if (gain) rmsNorm(one, one, gain, this.eps);
        rotate(one, position, this.frequencies);
      }
    };
    turn(q, layer.qNorm);
    turn(key, layer.kNorm);
    const group = num_heads / num_kv_heads;
    const heads = Array.from({ length: num_heads }, (_, head) => {
      const mine = head * dHead,
        where = { positions: position + 1, stride: dKV, from: Math.floor(head / group) * dHead };
      return attend(mix.subarray(mine, mine + dHead), q.subarray(mine, mine + dHead), keys, values, where);
    });
    product(add, layer.out, mix);
    for (let k = 0; k < x.length; k += 1) x[k] += add[k];
    return heads;
  }

  /** x += w2(silu(w1 norm(x)) · w3 norm(x)) */
  feedForward(layer) {
    const { x, norm, add } = this.room,
      { gate, up } = this.wide;
    rmsNorm(norm, x, layer.ln2, this.eps);
    product(gate, layer.w1, norm);
    product(up, layer.w3, norm);
    for (let k = 0; k < gate.length; k += 1) gate[k] *= up[k] / (1 + Math.exp(-gate[k]));
    product(add, layer.w2, gate);
    for (let k = 0; k < x.length; k += 1) x[k] += add[k];
  }
}

/**
 * How many of the last tokens of a text of `length` the model sees: all that fit, and beyond the context what is left
 * of a window that begins anew with its last half whenever it is full, as `lmcourse.training.generate` does.
 */
export function windowOf(length, context) {
  const half = Math.max(1, Math.floor(context / 2));
  return length <= context ? length : half + ((length - context - 1) % (context - half + 1));
}
