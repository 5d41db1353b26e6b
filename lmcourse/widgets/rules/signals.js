// How wide the signal of a network is: what theory says of depth, the std of a cut normal, and how a std is judged.
// Equal to lmcourse.initialization on tests/golden/signal_scope.json. Below: real networks, which are run in the page.

/** The error function to about 1e-15: a series near zero, a continued fraction beyond. */
export function erf(x) {
  const a = Math.abs(x);
  if (a < 2.5) {
    let term = a,
      sum = a;
    for (let k = 1; k < 80 && Math.abs(term) > 1e-17; k += 1) {
      term *= (-a * a) / k;
      sum += term / (2 * k + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k -= 1) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

/** The density of a standard normal. */
export const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
const cdf = (z) => (1 + erf(z / Math.SQRT2)) / 2;

/** The std of a standard normal cut at ±bound. */
export const truncatedStd = (bound) => Math.sqrt(1 - (2 * bound * density(bound)) / erf(bound / Math.SQRT2));

/** Each activation and its slope. @type {Record<string, [(z: number) => number, (z: number) => number]>} */
export const ACTIVATIONS = {
  linear: [(z) => z, () => 1],
  relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
  gelu: [(z) => z * cdf(z), (z) => cdf(z) + z * density(z)],
};

/** The average of f(√q z)² over a standard normal z, as a sum over a grid. */
function average(f, root, points = 800) {
  let sum = 0,
    weight = 0;
  for (let k = 0; k < points; k += 1) {
    // midpoints: none at 0, where ReLU has its kink
    const z = -8 + (16 * (k + 0.5)) / points,
      w = density(z);
    sum += w * f(root * z) ** 2;
    weight += w;
  }
  return sum / weight;
}

/**
 * Mean field: the std entering each activation and the std of the gradient there, for weights of std gain/√fan_in.
 * @param {number} depth @param {number} gain @param {string} activation
 */
export function expectedStds(depth, gain, activation) {
  const [f, slope] = ACTIVATIONS[activation];
  const forward = [],
    slopes = [];
  let variance = gain * gain;
  for (let k = 0; k < depth; k += 1) {
    const root = Math.sqrt(variance);
    forward.push(root);
    slopes.push(average(slope, root));
    variance = gain * gain * average(f, root);
  }
  const backward = [slopes[depth - 1]];
  for (let k = depth - 2; k >= 0; k -= 1) backward.unshift(backward[0] * gain * gain * slopes[k]);
  return { forward, backward: backward.map(Math.sqrt) };
}

/** gain of a square layer: the scheme's std times √width. */
export const schemeGain = (scheme) =>
  ({ lecun: 1, xavier: 1, kaiming: Math.SQRT2, torch_default: 1 / Math.sqrt(3) })[scheme];

/** What happens with depth, in a word and a factor a layer. */
export function verdict(row) {
  const first = row[0],
    last = row[row.length - 1];
  if (last === null || last === undefined || !(first > 0)) return { word: "not finite", factor: NaN };
  if (last === 0) return { word: "dies", factor: 0 };
  const factor = (last / first) ** (1 / Math.max(1, row.length - 1));
  const word = last / first < 0.05 ? "dies" : last / first > 20 ? "explodes" : "lives";
  return { word, factor };
}

/** log10 of a std to a place from −1 (small) over 0 (std 1) to 1 (large), saturating at ±4 decades. */
export const place = (std) => Math.max(-1, Math.min(1, Math.log10(Math.max(std, 1e-30)) / 4));

// A real network, forward and backward: what theory is beside

const BATCH = 8;
const SEED = 0;

/** Uniform numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` standard normal numbers, by Box and Muller. */
export function normals(count, seed) {
  const uniform = uniforms(seed);
  const values = new Float32Array(count);
  for (let k = 0; k < count; k += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    values[k] = radius * Math.cos(angle);
    if (k + 1 < count) values[k + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** Weights are drawn once: those of a layer depend on its place and width alone, so a deeper network has the same. */
const drawn = new Map();
function drawOnce(name, count) {
  if (!drawn.has(name)) {
    const letters = [...`${SEED} ${name}`].map((letter) => letter.charCodeAt(0));
    const seed = letters.reduce((hash, code) => Math.imul(hash ^ code, 16777619), 2166136261);
    drawn.set(name, normals(count, seed));
  }
  return drawn.get(name);
}

/** y ↦ scale · y Wᵀ for rows y of `width` numbers. */
function forwardProduct(y, weights, width, scale) {
  const out = new Float32Array(y.length);
  for (let row = 0; row < y.length; row += width)
    for (let o = 0; o < width; o += 1) {
      let sum = 0;
      for (let i = 0; i < width; i += 1) sum += y[row + i] * weights[o * width + i];
      out[row + o] = scale * sum;
    }
  return out;
}

/** g ↦ scale · g W, its transpose. */
function backwardProduct(g, weights, width, scale) {
  const out = new Float32Array(g.length);
  for (let row = 0; row < g.length; row += width)
    for (let o = 0; o < width; o += 1) {
      const factor = scale * g[row + o];
      if (factor) for (let i = 0; i < width; i += 1) out[row + i] += factor * weights[o * width + i];
    }
  return out;
}

/** The std of all values; null where one is not finite. */
export function stdOf(values, scale = 1) {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const std = Math.sqrt(squares / values.length) * scale;
  return Number.isFinite(std) ? std : null;
}

/** The root of the mean square of each row. */
function rootMeanSquares(x, width) {
  return Array.from({ length: x.length / width }, (_, row) => {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i += 1) sum += x[i] * x[i];
    return Math.sqrt(sum / width);
  });
}

/** The gradient behind a norm y = x / rms(x), for the gradient `below` of y. */
function throughNorm(below, y, roots, width) {
  return below.map((value, k) => {
    const row = Math.floor(k / width);
    let product = 0;
    for (let i = row * width; i < (row + 1) * width; i += 1) product += below[i] * y[i];
    return (value - (y[k] * product) / width) / roots[row];
  });
}

/**
 * One network of `depth` square layers whose weights have std gain/√width, forward and then backward, layer by layer:
 * each step of the iterator does one layer and fills in `result`. The same as `propagate` of lmcourse.initialization,
 * with other random numbers. With `residual` each layer reads the stream through a norm and adds to it.
 * @param {{ depth: number, gain: number, activation: string, residual: boolean }} settings @param {number} width
 * @param {(name: string, count: number) => Float32Array} [draw] where the random numbers come from
 */
export function network({ depth, gain, activation, residual }, width, draw = drawOnce) {
  const [f, slope] = ACTIVATIONS[activation];
  const scale = gain / Math.sqrt(width);
  const weightsOf = (k) => draw(`layer ${k} of ${width}`, width * width);
  const result = { values: [], gradients: [] };
  function* steps() {
    const saved = [];
    let x = draw(`input of ${width}`, BATCH * width);
    for (let k = 0; k < depth; k += 1) {
      const roots = residual ? rootMeanSquares(x, width) : null;
      const y = roots ? x.map((v, i) => v / roots[Math.floor(i / width)]) : x;
      const z = forwardProduct(y, weightsOf(k), width, scale);
      x = residual ? z.map((v, i) => x[i] + f(v)) : z.map(f);
      saved.push({ y, z, roots });
      result.values.push(residual ? x : z);
      yield;
    }
    let delta = draw(`gradient of ${width}`, BATCH * width);
    for (let k = depth - 1; k >= 0; k -= 1) {
      const { y, z, roots } = saved[k];
      const through = z.map((v, i) => delta[i] * slope(v));
      result.gradients[k] = residual ? delta : through;
      const below = backwardProduct(through, weightsOf(k), width, scale);
      const passed = residual ? throughNorm(below, y, roots, width) : below;
      delta = residual ? passed.map((v, i) => v + delta[i]) : passed;
      yield;
    }
  }
  return { result, steps: steps() };
}

/** Whether a network is the same at every gain but for a factor: then one run serves them all. */
export const isHomogeneous = ({ activation, residual }) => !residual && ["relu", "linear"].includes(activation);

/** By how much a gain widens the values and the gradients of layer k, where the network is homogeneous. */
export const widened = (gain, k, depth) => [gain ** (k + 1), gain ** (depth - 1 - k)];

/** How many |values| · scale lie in [2^k, 2^(k+1)) for k from −40 to 23, the ends taking what lies beyond; no zeros. */
export function histogramOf(values, scale) {
  const bins = new Array(64).fill(0);
  for (const value of values) {
    const size = Math.abs(value) * scale;
    if (size > 0 && size < Infinity) bins[Math.max(0, Math.min(63, Math.floor(Math.log2(size)) + 40))] += 1;
  }
  return bins;
}

/** The shares of values that a format flushes to zero, and pushes past its largest: [under, over]. */
export function lostIn(values, scale, { tiny, max }) {
  let under = 0;
  let over = 0;
  for (const value of values) {
    const size = Math.abs(value) * scale;
    if (size > max) over += 1;
    else if (size > 0 && size <= tiny / 2) under += 1;
  }
  return [under / values.length, over / values.length];
}
