// Shapes and strides: where an element lies, what is contiguous, what .view() can do, which cache lines a walk
// fetches. As in lmcourse/strides.py, and equal to it on tests/golden/stride_view.json.

export const prod = (numbers) => numbers.reduce((a, b) => a * b, 1);
export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

export const offsetOf = (index, strides, start = 0) => start + index.reduce((sum, i, d) => sum + i * strides[d], 0);

export function contiguousStrides(shape) {
  const strides = Array(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d -= 1) strides[d] = strides[d + 1] * Math.max(shape[d + 1], 1);
  return strides;
}

export function isContiguous(shape, strides) {
  const fresh = contiguousStrides(shape);
  return shape.includes(0) || shape.every((size, d) => size === 1 || strides[d] === fresh[d]);
}

/** Neighbouring dimensions that walk with one stride, from the right: [{ first, size, stride }]. */
export function blocksOf(shape, strides) {
  const found = [];
  for (let d = shape.length - 1; d >= 0; d -= 1) {
    const last = found.at(-1);
    if (last && (shape[d] === 1 || strides[d] === last.size * last.stride)) {
      last.first = d;
      last.size *= shape[d];
    } else found.push({ first: d, size: shape[d], stride: strides[d] });
  }
  return found.length ? found : [{ first: 0, size: 1, stride: 1 }];
}

export function canView(shape, strides, newShape) {
  if (prod(shape) !== prod(newShape)) return null;
  if (shape.includes(0)) return same(shape, newShape) ? [...strides] : contiguousStrides(newShape);
  const left = [...newShape],
    out = [];
  for (const { size, stride } of blocksOf(shape, strides)) {
    let filled = 1;
    while (left.length && (filled < size || left.at(-1) === 1)) {
      out.unshift(filled * stride);
      filled *= left.pop();
    }
    if (filled !== size) return null;
  }
  return out;
}

/** The first pair of old dimensions, from the right, that a new dimension would have to step over; or null. */
export function viewConflict(shape, strides, newShape) {
  if (shape.includes(0)) return null;
  let inside = 1;
  for (const { first, size, stride } of blocksOf(shape, strides).slice(0, -1)) {
    inside *= size;
    const newDim = newShape.findIndex((n, k) => {
      const right = prod(newShape.slice(k + 1));
      return right < inside && inside < right * n;
    });
    if (newDim >= 0) return { dims: [first - 1, first], newDim, stride: strides[first - 1], needed: size * stride };
  }
  return null;
}

/** The k-th index of a tensor; `columns` counts up the first index fastest instead of the last. */
export function indexAt(k, shape, columns = false) {
  const index = Array(shape.length).fill(0),
    order = range(shape.length);
  for (const d of columns ? order : order.reverse()) {
    index[d] = k % shape[d];
    k = Math.floor(k / shape[d]);
  }
  return index;
}

export const addressesOf = ({ shape, strides, offset }, columns = false) =>
  range(prod(shape)).map((k) => offsetOf(indexAt(k, shape, columns), strides, offset));

/** For each position read, whether its cache line had to be fetched; the `kept` lines used last stay. */
export function lineFetches(positions, itemsize, lineBytes, kept) {
  const cache = [];
  return positions.map((position) => {
    const line = Math.floor((position * itemsize) / lineBytes),
      at = cache.indexOf(line);
    if (at >= 0) cache.splice(at, 1);
    cache.push(line);
    if (cache.length > kept) cache.shift();
    return at < 0;
  });
}

/** The positions along each dimension through `index`, the last dimension first; those of one element are left out. */
export const strideSteps = ({ shape, strides, offset }, index) =>
  range(shape.length)
    .reverse()
    .filter((dim) => shape[dim] > 1)
    .map((dim) => ({
      dim,
      stride: strides[dim],
      stops: range(shape[dim]).map((i) => offsetOf(index.with(dim, i), strides, offset)),
    }));
