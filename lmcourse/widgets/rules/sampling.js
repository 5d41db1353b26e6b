// From logits to a token, as `lmcourse.training.sampling` does it: divide by the temperature, keep the top k, of them
// the top p, draw. Node tests hold it against Python on golden vectors.

/** @typedef {{ temperature: number, top_k: number, top_p: number }} How  top_k 0 keeps all, top_p 1 too */

/** Ids by their logits, the largest first; of equal ones the smaller id. */
export const ranking = (logits) => Uint32Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);

/** Shares of sorted logits; temperature 0 gives all to the first. */
function shares(sorted, temperature) {
  if (temperature === 0) return sorted.map((_, k) => (k === 0 ? 1 : 0));
  const all = sorted.map((logit) => Math.exp((logit - sorted[0]) / temperature));
  let sum = 0;
  for (const each of all) sum += each;
  return all.map((each) => each / sum);
}

/**
 * The distribution of the next token, most probable first.
 * @param {Float32Array} logits
 * @param {Uint32Array} order  their ranking
 * @param {How} how
 * @returns {{ own: Float64Array, kept: number, chance: Float64Array }} what the model gives each, how many are kept,
 *   and with what chance each is drawn
 */
export function distribution(logits, order, { temperature, top_k, top_p }) {
  const sorted = Float64Array.from(order, (id) => logits[id]),
    own = shares(sorted, 1);
  const most = temperature === 0 ? 1 : top_k || sorted.length,
    chance = shares(sorted.subarray(0, most), temperature);
  let kept = 0,
    before = 0;
  while (kept < chance.length && before < top_p) {
    before += chance[kept];
    kept += 1;
  }
  const after = new Float64Array(sorted.length);
  for (let k = 0; k < kept; k += 1) after[k] = chance[k] / before;
  return { own, kept, chance: after };
}

/** A number from 0 to 1 that looks like chance: the throw `count` of the die `seed`. The same two give the same one. */
export function die(seed, count) {
  let a = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(count + 1, 0xc2b2ae35);
  for (const by of [0x7feb352d, 0x846ca68b, 0x9e3779b1]) {
    a = Math.imul(a ^ (a >>> 16), by);
    a ^= a >>> 13;
  }
  return ((a ^ (a >>> 16)) >>> 8) / 2 ** 24;
}

/** The rank on which a throw falls, where the chances lie side by side from 0 to 1. */
export function fallsOn(chance, kept, thrown) {
  let sum = 0;
  for (let k = 0; k < kept; k += 1) {
    sum += chance[k];
    if (thrown < sum) return k;
  }
  return kept - 1; // what rounding left at the end
}

/** −ln of the share that logits give a token: its loss in nats. */
export function lossOf(logits, id) {
  let most = -Infinity,
    sum = 0;
  for (const each of logits) most = Math.max(most, each);
  for (const each of logits) sum += Math.exp(each - most);
  return Math.log(sum) + most - logits[id];
}

/** The id of the largest logit. */
export function best(logits) {
  let at = 0;
  for (let k = 1; k < logits.length; k += 1) if (logits[k] > logits[at]) at = k;
  return at;
}
