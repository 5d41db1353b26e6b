// How wide the signal of a network is: what theory says of depth, the std of a cut normal, and how a std is judged.
// Equal to lmcourse.initialization on tests/golden/signal_scope.json. Not here: drawing.

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
