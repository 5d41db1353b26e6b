// Which tokens and pages the windows of a token file touch, in the order of BatchSampler, and which documents they
// cross: as in lmcourse.data_loading, and equal to it on tests/golden/page_map.json.

const ODD = 0xbf58476d1ce4e5b9n,
  U64 = (value) => BigInt.asUintN(64, value);
/** @param {bigint} value @param {bigint} key @param {bigint} bits */
function hash(value, key, bits) {
  const product = U64((value ^ key) * ODD);
  return U64((product ^ (product >> 32n)) * ODD) >> (64n - bits);
}

/** Where `index` of 0 ... size − 1 goes in the shuffle with these keys (lmcourse.data_loading.shuffled). */
export function shuffled(index, size, keys) {
  const bits = BigInt(Math.max(6, size > 1 ? (size - 1).toString(2).length : 0));
  const rightBits = bits / 2n,
    leftBits = bits - rightBits,
    low = (1n << rightBits) - 1n,
    end = BigInt(size);
  let value = BigInt(index);
  do {
    let left = value >> rightBits,
      right = value & low;
    for (let k = 0; k < keys.length; k += 2) {
      left ^= hash(right, keys[k], leftBits);
      right ^= hash(left, keys[k + 1], rightBits);
    }
    value = (left << rightBits) | right;
  } while (value >= end);
  return Number(value);
}

export const numWindows = ({ numTokens, contextLength }) => Math.ceil((numTokens - 1) / contextLength);

/** The start of the window at a place of the stream: next(BatchSampler) is this for batch_size places. */
export function startAt(place, settings) {
  const { numTokens, contextLength, order, keysByEpoch, randomKey } = settings;
  const last = numTokens - contextLength - 1,
    windows = numWindows(settings);
  if (order === "random") return Number(hash(BigInt(place), randomKey, 56n) % BigInt(last + 1));
  const within = place % windows,
    keys = keysByEpoch[Math.floor(place / windows) % keysByEpoch.length];
  return Math.min((order === "sequential" ? within : shuffled(within, windows, keys)) * contextLength, last);
}

/** Pages that hold the windows, as data_loading.pages_of; first and last page of each, and all together. */
export function pagesOf(starts, size, { offset, itemsize, pageSize }) {
  const spans = starts.map((start) => {
    const first = offset + start * itemsize;
    return [Math.floor(first / pageSize), Math.floor((first + size * itemsize - 1) / pageSize)];
  });
  const all = new Set();
  for (const [from, to] of spans) for (let page = from; page <= to; page += 1) all.add(page);
  return { spans, all };
}

/** How many different tokens were a target (data_loading.count_tokens_seen), without an array as long as the file. */
export function countSeen(starts, contextLength) {
  let count = 0,
    end = 0;
  for (const start of [...starts].sort((a, b) => a - b)) {
    const from = Math.max(start + 1, end);
    end = Math.max(end, start + 1 + contextLength);
    count += Math.max(0, start + 1 + contextLength - from);
  }
  return count;
}

/** How many tokens were seen 0, 1, 2 and 3 or more times. */
export function timesSeen(starts, contextLength, numTokens) {
  const edges = starts
    .flatMap((start) => [
      [start + 1, 1],
      [start + 1 + contextLength, -1],
    ])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const counts = [0, 0, 0, 0];
  let depth = 0,
    from = 1; // the first token is nobody's target
  for (const [at, change] of edges) {
    counts[Math.min(3, depth)] += at - from;
    depth += change;
    from = at;
  }
  counts[Math.min(3, depth)] += numTokens - from;
  return counts;
}

/** The number of document ends before a position; positions with the same number lie in one document. */
export function documentOf(position, ends) {
  let low = 0,
    high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** As data_loading.document_mask for positions from ... from + size − 1: "yes", "future" or "other" document. */
export function maskOf(from, size, ends) {
  const document = Array.from({ length: size }, (_, k) => documentOf(from + k, ends));
  return document.map((query, q) => document.map((key, k) => (k > q ? "future" : query === key ? "yes" : "other")));
}

/** Offsets of a window that are drawn: all, or the first 20 and the last 5. */
export const shownOffsets = (contextLength) =>
  contextLength <= 24
    ? Array.from({ length: contextLength + 1 }, (_, k) => k)
    : [...Array.from({ length: 20 }, (_, k) => k), ...Array.from({ length: 5 }, (_, k) => contextLength - 4 + k)];

/** The share of each block's tokens that was seen: 0 … 1. A block is `perBlock` pages, the last one may be shorter. */
export function sharesSeen(starts, contextLength, { numTokens, numBlocks, perBlock, pageSize, offset, itemsize }) {
  const perCell = (perBlock * pageSize) / itemsize,
    header = offset / itemsize,
    seen = new Array(numBlocks).fill(0);
  let end = 0;
  for (const start of [...starts].sort((a, b) => a - b)) {
    let from = Math.max(start + 1, end) + header;
    end = Math.max(end, start + 1 + contextLength);
    while (from < end + header) {
      const block = Math.min(numBlocks - 1, Math.floor(from / perCell)),
        until = block === numBlocks - 1 ? end + header : Math.min(end + header, (block + 1) * perCell);
      seen[block] += until - from;
      from = until;
    }
  }
  const length = (block) => Math.min(numTokens + header, (block + 1) * perCell) - Math.max(header, block * perCell);
  return seen.map((sum, block) => (sum ? sum / Math.max(1, length(block)) : 0));
}

/** The first window whose inputs lie in more than one document; −1 where none does. */
export const crossing = (starts, contextLength, ends) =>
  starts.findIndex((start) => documentOf(start, ends) !== documentOf(start + contextLength - 1, ends));

/** The batches of one setting, found as they are asked for and kept: a step is then a look-up. */
export class Stream {
  #places = [];
  #curve = null;

  /**
   * @param {{ numTokens: number, contextLength: number, batchSize: number, order: string, keysByEpoch: bigint[][],
   *   randomKey: bigint }} settings
   * @param {number} most  windows that are walked through
   * @param {{ x: number[][] }[] | null} own  the batches of a reader's get_batch, in place of an order's
   */
  constructor(settings, most, own = null) {
    this.settings = settings;
    this.own = own;
    this.windows = numWindows(settings);
    const oneAndAHalf = Math.ceil((1.5 * this.windows) / settings.batchSize);
    this.last = own ? own.length : Math.max(1, Math.min(oneAndAHalf, Math.floor(most / settings.batchSize)));
  }

  /** The starts of all windows in the first `step` batches. */
  startsOf(step) {
    if (this.own) return this.own.slice(0, step).flatMap((batch) => batch.x.map((row) => row[0]));
    const count = step * this.settings.batchSize;
    while (this.#places.length < count) this.#places.push(startAt(this.#places.length, this.settings));
    return this.#places.slice(0, count);
  }

  /** The starts of the windows in batch `step`; none at step 0. */
  batchOf(step) {
    return step === 0 ? [] : this.startsOf(step).slice(this.startsOf(step - 1).length);
  }

  /** The share of the tokens seen after 0, 1, 2 … 40 fortieths of the walk: [[step, share], …]. */
  curve() {
    const { contextLength, numTokens } = this.settings;
    this.#curve ??= Array.from({ length: 41 }, (_, k) => {
      const step = Math.round((k * this.last) / 40);
      return [step, countSeen(this.startsOf(step), contextLength) / (numTokens - 1)];
    });
    return this.#curve;
  }
}

/** A token file as pages, and as blocks of pages where they are more than `most`. */
export function fileOf({ numTokens, offset, itemsize, pageSize }, most) {
  const numPages = Math.ceil((offset + numTokens * itemsize) / pageSize),
    perBlock = Math.ceil(numPages / most);
  return {
    numTokens,
    offset,
    itemsize,
    pageSize,
    numPages,
    perBlock,
    numBlocks: Math.ceil(numPages / perBlock),
    pageAt: (token) => Math.floor((offset + token * itemsize) / pageSize),
    blockOf: (page) => Math.floor(page / perBlock),
  };
}
