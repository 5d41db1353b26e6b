// What rounding does to a list of numbers, in float64 arithmetic: fast enough for every step of a slider. Node tests
// hold it against lmcourse.float_formats in every format. A format is what rules/floats.js says.

export const BINS = 2; // a binade
export const FATES = ["zero", "subnormal", "normal", "large"];

const word = new DataView(new ArrayBuffer(8));
/** 2**k, exactly. */
export const two = (k) => {
  if (k < -1022) return 2 ** k;
  word.setUint32(0, (k + 1023) << 20);
  word.setUint32(4, 0);
  return word.getFloat64(0);
};
/** The exponent of the leading bit of a positive finite number (subnormal float64s count as the smallest normal). */
export function exponentOf(x) {
  word.setFloat64(0, x);
  return Math.max(((word.getUint32(0) >>> 20) & 0x7ff) - 1023, -1022);
}

export const minExponent = (f) => (f.subnormals ? 1 - f.bias : -f.bias);
export const topCode = (f) =>
  2 ** (f.exponent_bits + f.mantissa_bits) -
  (f.specials === "ieee" ? 2 ** f.mantissa_bits : 0) -
  (f.specials === "fn" ? 1 : 0) -
  1;
/** The largest finite number. */
export function largestOf(f) {
  const code = topCode(f),
    exponent = Math.floor(code / 2 ** f.mantissa_bits),
    mantissa = code % 2 ** f.mantissa_bits;
  return (1 + mantissa / 2 ** f.mantissa_bits) * two(exponent - f.bias);
}

/** A magnitude rounded to nearest even in the spacing of a format, as if it had no largest number. */
export function roundMagnitude(f, x) {
  if (x === 0) return 0;
  const spacing = two(Math.max(minExponent(f), exponentOf(x)) - f.mantissa_bits),
    steps = x / spacing;
  let whole = Math.floor(steps);
  const rest = steps - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 === 1)) whole += 1;
  return whole * spacing;
}

/** The largest power of two that keeps `largest` within a format, as its exponent; 0 where the range is float32's. */
export function fittingScale(f, largest) {
  if (largest === 0 || f.exponent_bits >= 8) return 0;
  return Math.max(-400, Math.min(400, exponentOf(largestOf(f) / largest)));
}

function blocksRounded(values, name, formats, largest) {
  const element = formats.find((f) => f.name === "float4_e2m1fn"),
    e4m3 = formats.find((f) => f.name === "float8_e4m3fn"),
    fp32 = formats.find((f) => f.name === "float32");
  const size = name === "mxfp4" ? 32 : 16,
    rounded = new Float64Array(values.length);
  const tensorScale = roundMagnitude(fp32, largest / (6 * 448)) || 1;
  for (let start = 0; start < values.length; start += size) {
    const stop = Math.min(start + size, values.length);
    let top = 0;
    for (let k = start; k < stop; k += 1) top = Math.max(top, Math.abs(values[k]));
    const scale =
      name === "mxfp4"
        ? two(top === 0 ? 0 : Math.max(-127, Math.min(127, exponentOf(top) - 2)))
        : Math.min(roundMagnitude(e4m3, top / 6 / tensorScale), 448) * tensorScale;
    for (let k = start; k < stop; k += 1) {
      const magnitude = scale === 0 ? 0 : Math.min(roundMagnitude(element, Math.abs(values[k]) / scale), 6) * scale;
      rounded[k] = values[k] < 0 ? -magnitude : magnitude;
    }
  }
  return rounded;
}

/**
 * What becomes of numbers in a format: shares of the nonzero ones that become 0 or are too large, the mean relative
 * error of the others, decibels of signal to noise (too large saturates), and the fate of each as an index of FATES.
 * `name` is a format of `formats`, "mxfp4" or "nvfp4"; `largest` is the whole tensor's, already scaled.
 */
export function report(values, name, formats, largest) {
  const f = formats.find((each) => each.name === name);
  const blocks = f ? null : blocksRounded(values, name, formats, largest);
  const most = f ? largestOf(f) : Infinity,
    normal = f ? two(minExponent(f)) : 0;
  let nonzero = 0,
    lost = 0,
    large = 0,
    errors = 0,
    kept = 0,
    signal = 0,
    noise = 0;
  const fates = new Int8Array(values.length).fill(-1);
  for (let k = 0; k < values.length; k += 1) {
    const x = Math.abs(values[k]);
    if (x === 0) continue;
    nonzero += 1;
    const rounded = f ? roundMagnitude(f, x) : Math.abs(blocks[k]);
    const result = Math.min(rounded, most);
    signal += x * x;
    noise += (result - x) ** 2;
    if (rounded === 0) {
      lost += 1;
      fates[k] = 0;
      continue;
    }
    if (rounded > most) {
      large += 1;
      fates[k] = 3;
      continue;
    }
    fates[k] = rounded < normal ? 1 : 2;
    errors += Math.abs(result - x) / x;
    kept += 1;
  }
  const n = Math.max(nonzero, 1);
  return {
    underflow: lost / n,
    overflow: large / n,
    error: kept ? errors / kept : null,
    decibel: noise && signal ? 10 * Math.log10(signal / noise) : null,
    fates,
  };
}

/**
 * The powers of two that every row of the picture shares: wide enough for the tensor and for the 16-bit formats.
 * @param {number[]} sizes  magnitudes, none of them 0
 */
export function axisOf(sizes, largest) {
  const least = sizes.length ? exponentOf(sizes.reduce((a, b) => Math.min(a, b))) : 0;
  const top = sizes.length ? exponentOf(largest) + 4 : 0;
  return { low: Math.max(-150, Math.min(-30, least - 3)), high: Math.min(130, Math.max(20, top)) };
}

/** The powers of two that are written under an axis. */
export function labelledPowers({ low, high }) {
  const step = high - low < 72 ? 8 : high - low < 144 ? 16 : 32;
  return Array.from({ length: 40 }, (_, i) => (i - 20) * step).filter((e) => e > low + 2 && e < high - 1);
}

/** How many numbers of each fate lie in each bin of the axis; `logs` are their powers of two, moved by `scale`. */
export function binned(fates, logs, scale, { low, high }) {
  const count = Math.ceil((high - low) * BINS) + 1;
  const bins = FATES.map(() => new Float64Array(count));
  for (let i = 0; i < fates.length; i += 1) {
    if (fates[i] < 0) continue;
    const bin = Math.floor((logs[i] + scale - low) * BINS);
    bins[fates[i]][Math.max(0, Math.min(count - 1, bin))] += 1;
  }
  return bins;
}

/** The powers of two at which a small format has its positive numbers; none for a format of more than eight bits. */
export function marksOf(f) {
  if (f.exponent_bits + f.mantissa_bits > 7) return [];
  const columns = 2 ** f.mantissa_bits;
  return Array.from({ length: topCode(f) }, (_, i) => {
    const exponent = Math.floor((i + 1) / columns),
      part = ((i + 1) % columns) / columns;
    return Math.log2(exponent === 0 ? part * two(minExponent(f)) : (1 + part) * two(exponent - f.bias));
  });
}
