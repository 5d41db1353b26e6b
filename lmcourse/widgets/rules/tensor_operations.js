// PyTorch's and NumPy's operations on a tensor's record over a storage (shape, strides, offset): the record after
// them, or the library's own error in its own words. Values are never computed. Equal to the libraries on
// tests/golden/stride_view.json.
import { addressesOf, canView, contiguousStrides, isContiguous, prod, range, same } from "./strides.js";

/** An error with the name of PyTorch's class and, where it is short, PyTorch's words. */
export class TensorError extends Error {
  constructor(kind, words) {
    super(words);
    this.kind = kind;
  }
}
const fail = (kind, words) => {
  throw new TensorError(kind, words);
};
const list = (numbers) => `[${numbers.join(", ")}]`;
const isInt = (x) => Number.isInteger(x);

const viewed = (x, shape, strides, offset = x.offset) => ({ ...x, shape, strides, offset, copied: null });
const copied = (x, shape, positions) => ({
  ...x,
  shape,
  strides: contiguousStrides(shape),
  offset: 0,
  size: positions.length,
  copied: positions,
});

function wrap(dim, ndim) {
  const n = Math.max(ndim, 1);
  if (!isInt(dim)) fail("TypeError", `a dimension must be an integer, got ${dim}`);
  if (dim < -n || dim >= n)
    fail("IndexError", `Dimension out of range (expected to be in range of [${-n}, ${n - 1}], but got ${dim})`);
  return dim < 0 ? dim + n : dim;
}

function distinct(dims, ndim) {
  const out = [];
  for (const dim of dims) {
    const d = wrap(dim, ndim);
    if (out.includes(d)) fail("RuntimeError", `dim ${d} appears multiple times in the list of dims`);
    out.push(d);
  }
  return out;
}

function sizesOf(args) {
  const sizes = args.length === 1 && Array.isArray(args[0]) ? args[0] : args;
  if (!args.length || !sizes.every(isInt)) fail("TypeError", "expected integers or one tuple of integers");
  return sizes;
}

function integers(args, least, most = least) {
  if (args.length < least || args.length > most || !args.every(isInt))
    fail(
      "TypeError",
      `expected ${least === most ? least : `${least} to ${most}`} integers, got ${args.length} arguments`,
    );
  return args;
}

export function inferSizes(sizes, numel) {
  if (sizes.filter((n) => n === -1).length > 1) fail("RuntimeError", "only one dimension can be inferred");
  sizes.forEach((n, i) => {
    if (n < -1) fail("RuntimeError", `invalid shape dimension ${n} at index ${i} of shape ${list(sizes)}`);
  });
  const known = prod(sizes.filter((n) => n !== -1)),
    infers = sizes.includes(-1);
  if (infers && known === 0 && numel === 0)
    fail(
      "RuntimeError",
      `cannot reshape tensor of 0 elements into shape ${list(sizes)} because the unspecified dimension size -1 ` +
        "can be any value and is ambiguous",
    );
  if (known !== numel && (!infers || known === 0 || numel % known))
    fail("RuntimeError", `shape '${list(sizes)}' is invalid for input of size ${numel}`);
  return sizes.map((n) => (n === -1 ? numel / known : n));
}

export const VIEW_WORDS =
  "view size is not compatible with input tensor's size and stride (at least one dimension spans " +
  "across two contiguous subspaces). Use .reshape(...) instead.";

function requireFresh(x, operation) {
  if (!same(x.strides, contiguousStrides(x.shape)))
    fail(
      "NotImplementedError",
      `${operation} always copies, but only the copy of a contiguous tensor is modelled: write .contiguous() before it`,
    );
}

function slice(x, dim, [lower, upper, step]) {
  if (step === 0) fail("ValueError", "slice step cannot be zero");
  if (step !== null && step < 0 && x.library !== "numpy") fail("ValueError", "step must be greater than zero");
  const n = x.shape[dim],
    by = step ?? 1,
    low = by < 0 ? -1 : 0,
    high = by < 0 ? n - 1 : n;
  const clamp = (value, otherwise) =>
    value === null ? otherwise : Math.max(low, Math.min(high, value < 0 ? value + n : value));
  const start = clamp(lower, by < 0 ? high : low),
    stop = clamp(upper, by < 0 ? low : high);
  const length = Math.max(0, Math.ceil((stop - start) / by));
  const begin = x.library === "numpy" && length === 0 ? 0 : start * x.strides[dim];
  return viewed(x, x.shape.with(dim, length), x.strides.with(dim, x.strides[dim] * by), x.offset + begin);
}

const without = (numbers, dims) => numbers.filter((_, d) => !dims.includes(d));

function select(x, dim, index) {
  return viewed(
    x,
    without(x.shape, [dim]),
    without(x.strides, [dim]),
    x.offset + (index < 0 ? index + x.shape[dim] : index) * x.strides[dim],
  );
}

function take(x, rows) {
  if (!x.shape.length) fail("IndexError", "too many indices for tensor of dimension 0");
  for (const i of rows)
    if (i < -x.shape[0] || i >= x.shape[0])
      fail("IndexError", `index ${i} is out of bounds for dimension 0 with size ${x.shape[0]}`);
  requireFresh(x, "indexing with a list");
  return copied(
    x,
    [rows.length, ...x.shape.slice(1)],
    rows.flatMap((i) => addressesOf(select(x, 0, i))),
  );
}

const isSlice = (item) => item !== null && typeof item === "object" && "slice" in item;

/**
 * `index` is { list }, or { items, tuple }; an item is an integer, null (None), "..." or { slice: [lower, upper,
 * step] }.
 */
function indexed(x, { list: rows, items, tuple }) {
  if (rows) return take(x, rows);
  const ndim = x.shape.length;
  if (ndim === 0 && !tuple && isSlice(items[0])) {
    if (items[0].slice[2] !== null && items[0].slice[2] <= 0)
      slice({ ...x, shape: [1], strides: [1] }, 0, items[0].slice);
    fail("IndexError", "slice() cannot be applied to a 0-dim tensor.");
  }
  if (ndim === 0 && !tuple && isInt(items[0]))
    fail(
      "IndexError",
      items[0] === 0
        ? "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert " +
            "a 0-dim tensor to a number"
        : `index ${items[0]} is out of bounds for dimension 0 with size 0`,
    );
  const named = items.filter((item) => isInt(item) || isSlice(item)).length;
  if (named > ndim) fail("IndexError", `too many indices for tensor of dimension ${ndim}`);
  let out = x,
    dim = 0;
  items.forEach((item, position) => {
    if (item === "...") dim += ndim - named;
    else if (item === null) {
      out = operations.unsqueeze(out, dim);
      dim += 1;
    } else if (isSlice(item)) {
      out = slice(out, dim, item.slice);
      dim += 1;
    } else {
      const size = out.shape[dim];
      if (item < -size || item >= size)
        fail("IndexError", `index ${item} is out of bounds for dimension ${position} with size ${size}`);
      out = select(out, dim, item);
    }
  });
  return viewed(out, out.shape, out.strides);
}

/** name → (x, ...args) → the new record, or a TensorError. The whitelist of what may be typed. */
export const operations = {
  T: (x) => operations.permute(x, range(x.shape.length).reverse()),
  as_strided(x, ...args) {
    const [size, stride, start = x.offset] = args;
    if (args.length < 2 || args.length > 3 || !Array.isArray(size) || !Array.isArray(stride) || !isInt(start))
      fail("TypeError", "expected a tuple of sizes, a tuple of strides and perhaps an offset");
    if (size.length !== stride.length) fail("RuntimeError", "mismatch in length of strides and shape");
    if (stride.some((n) => n < 0))
      fail(
        "RuntimeError",
        `as_strided: Negative strides are not supported at the moment, got strides: ${list(stride)}`,
      );
    if (size.some((n) => n < 0))
      fail("RuntimeError", `Storage size calculation overflowed with sizes=${list(size)} and strides=${list(stride)}`);
    if (start < 0) fail("RuntimeError", `Tensor: invalid storage offset ${start}`);
    const last = start + size.reduce((sum, n, d) => sum + (n - 1) * stride[d], 0);
    if (!size.includes(0) && last >= x.size)
      fail(
        "RuntimeError",
        `setStorage: sizes ${list(size)}, strides ${list(stride)}, storage offset ${start}, and itemsize ` +
          `${x.itemsize} requiring a storage size of ${(last + 1) * x.itemsize} are out of bounds ` +
          `for storage of size ${x.size * x.itemsize}`,
      );
    return viewed(x, size, stride, start);
  },
  clone(x, ...args) {
    integers(args, 0);
    requireFresh(x, "clone");
    return copied(x, x.shape, addressesOf(x));
  },
  contiguous(x, ...args) {
    integers(args, 0);
    return isContiguous(x.shape, x.strides) ? viewed(x, x.shape, x.strides) : copied(x, x.shape, addressesOf(x));
  },
  diagonal(x, ...args) {
    const [offset = 0, dim1 = 0, dim2 = 1] = integers(args, 0, 3);
    const first = wrap(dim1, x.shape.length),
      second = wrap(dim2, x.shape.length);
    if (first === second) fail("RuntimeError", `diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
    const down = Math.max(-offset, 0),
      right = Math.max(offset, 0);
    const length = Math.max(Math.min(x.shape[first] - down, x.shape[second] - right), 0);
    const start = x.offset + (length ? down * x.strides[first] + right * x.strides[second] : 0);
    const drop = (numbers, last) => [...without(numbers, [first, second]), last];
    return viewed(x, drop(x.shape, length), drop(x.strides, x.strides[first] + x.strides[second]), start);
  },
  expand(x, ...args) {
    const sizes = sizesOf(args),
      ndim = x.shape.length,
      added = sizes.length - ndim;
    if (added < 0)
      fail(
        "RuntimeError",
        `expand(shape=${list(x.shape)}, size=${list(sizes)}): the number of sizes provided (${sizes.length}) ` +
          `must be greater or equal to the number of dimensions in the tensor (${ndim})`,
      );
    const shape = [...sizes],
      strides = sizes.map(() => 0);
    for (let i = sizes.length - 1; i >= 0; i -= 1) {
      const isNew = i < added;
      const size = isNew ? 1 : x.shape[i - added];
      const stride = !isNew ? x.strides[i - added] : ndim && i + 1 < sizes.length ? shape[i + 1] * strides[i + 1] : 0;
      if (sizes[i] === -1 && isNew)
        fail(
          "RuntimeError",
          `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
        );
      if (sizes[i] === -1 || sizes[i] === size) {
        shape[i] = size;
        strides[i] = stride;
      } else if (size !== 1 || sizes[i] < 0)
        fail(
          "RuntimeError",
          `The expanded size of the tensor (${sizes[i]}) must match the existing size (${size}) at non-singleton ` +
            `dimension ${i}.  Target sizes: ${list(sizes)}.  Tensor sizes: ${list(x.shape)}`,
        );
    }
    return viewed(x, shape, strides);
  },
  flatten(x, ...args) {
    const [from = 0, to = -1] = integers(args, 0, 2);
    const ndim = x.shape.length,
      start = wrap(from, ndim),
      end = wrap(to, ndim);
    if (start > end) fail("RuntimeError", "flatten() has invalid args: start_dim cannot come after end_dim");
    if (start === end && ndim) return viewed(x, x.shape, x.strides);
    return operations.reshape(x, [
      ...x.shape.slice(0, start),
      prod(x.shape.slice(start, end + 1)),
      ...x.shape.slice(end + 1),
    ]);
  },
  flip(x, ...args) {
    const flipped = distinct(sizesOf(args), x.shape.length);
    requireFresh(x, "flip");
    const strides = x.strides.map((n, d) => (flipped.includes(d) ? -n : n));
    const start = x.shape.reduce((sum, n, d) => sum + (flipped.includes(d) ? (n - 1) * x.strides[d] : 0), x.offset);
    return copied(x, x.shape, addressesOf({ shape: x.shape, strides, offset: start }));
  },
  mT(x) {
    if (x.shape.length === 1)
      fail("RuntimeError", "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.");
    return x.shape.length ? operations.transpose(x, -2, -1) : viewed(x, [], []);
  },
  narrow(x, ...args) {
    const [dim, from, length] = integers(args, 3);
    if (!x.shape.length) fail("RuntimeError", "narrow() cannot be applied to a 0-dim tensor.");
    if (length < 0) fail("RuntimeError", "narrow(): length must be non-negative.");
    const d = wrap(dim, x.shape.length),
      size = x.shape[d];
    if (from < -size || from > size)
      fail("IndexError", `start out of range (expected to be in range of [${-size}, ${size}], but got ${from})`);
    const start = from < 0 ? from + size : from;
    if (start + length > size)
      fail("RuntimeError", `start (${start}) + length (${length}) exceeds dimension size (${size}).`);
    return slice(x, d, [start, start + length, null]);
  },
  permute(x, ...args) {
    const dims = sizesOf(args),
      ndim = x.shape.length;
    if (dims.length !== ndim)
      fail(
        "RuntimeError",
        "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired " +
          `ordering of dimensions i.e. input.dim() = ${ndim} is not equal to len(dims) = ${dims.length}`,
      );
    const order = dims.map((dim) => wrap(dim, ndim));
    if (new Set(order).size < ndim) fail("RuntimeError", "permute(): duplicate dims are not allowed.");
    return viewed(
      x,
      order.map((d) => x.shape[d]),
      order.map((d) => x.strides[d]),
    );
  },
  reshape(x, ...args) {
    const numel = prod(x.shape);
    let shape;
    try {
      shape = inferSizes(sizesOf(args), numel);
    } catch (error) {
      if (x.library === "numpy" && error.kind === "RuntimeError")
        fail("ValueError", `cannot reshape array of size ${numel} into shape (${sizesOf(args).join(", ")})`);
      throw error;
    }
    const strides = canView(x.shape, x.strides, shape);
    return strides ? viewed(x, shape, strides) : copied(x, shape, addressesOf(x));
  },
  select(x, ...args) {
    const [dim, index] = integers(args, 2);
    if (!x.shape.length) fail("IndexError", "select() cannot be applied to a 0-dim tensor.");
    const d = wrap(dim, x.shape.length),
      size = x.shape[d];
    if (index < -size || index >= size)
      fail("IndexError", `select(): index ${index} out of range for tensor of size ${list(x.shape)} at dimension ${d}`);
    return select(x, d, index);
  },
  squeeze(x, ...args) {
    const chosen = args.length ? distinct(sizesOf(args), x.shape.length) : range(x.shape.length);
    const drop = chosen.filter((d) => x.shape[d] === 1);
    return viewed(x, without(x.shape, drop), without(x.strides, drop));
  },
  swapaxes: (x, ...args) => swapped(x, ...integers(args, 2)),
  transpose: (x, ...args) =>
    x.library === "numpy"
      ? args.length
        ? operations.permute(x, ...args)
        : operations.T(x)
      : swapped(x, ...integers(args, 2)),
  unfold(x, ...args) {
    const [dimension, size, step] = integers(args, 3);
    const ndim = x.shape.length,
      d = wrap(dimension, ndim);
    const have = ndim ? x.shape[d] : 1,
      stride = ndim ? x.strides[d] : 1;
    if (size < 0) fail("RuntimeError", `size is ${size} but must be >= 0`);
    if (size > have) fail("RuntimeError", `maximum size for tensor at dimension ${d} is ${have} but size is ${size}`);
    if (step <= 0) fail("RuntimeError", `step is ${step} but must be > 0`);
    const shape = ndim ? x.shape.with(d, Math.floor((have - size) / step) + 1) : [];
    const strides = ndim ? x.strides.with(d, stride * step) : [];
    return viewed(x, [...shape, size], [...strides, stride]);
  },
  unsqueeze(x, ...args) {
    const d = wrap(integers(args, 1)[0], x.shape.length + 1);
    const stride = d < x.shape.length ? x.shape[d] * x.strides[d] : 1;
    return viewed(x, x.shape.toSpliced(d, 0, 1), x.strides.toSpliced(d, 0, stride));
  },
  view(x, ...args) {
    const shape = inferSizes(sizesOf(args), prod(x.shape)),
      strides = canView(x.shape, x.strides, shape);
    return strides ? viewed(x, shape, strides) : fail("RuntimeError", VIEW_WORDS);
  },
};

function swapped(x, dim0, dim1) {
  const order = range(x.shape.length),
    a = wrap(dim0, order.length),
    b = wrap(dim1, order.length);
  if (order.length) [order[a], order[b]] = [order[b], order[a]];
  return operations.permute(x, order);
}

export const applySteps = (x, steps) =>
  steps.reduce((y, { name, args }) => (name === "[]" ? indexed(y, args[0]) : operations[name](y, ...args)), x);
